#!/bin/sh
# Runs what an image starts, as a container of it would: in its root, with the system of this machine in the place of the base image's,
# read-only but for a directory, as a user that no file knows. In a mount namespace of its own (unshare --mount).
#   NODE=… RUN=… in-image.sh ROOT DATA_OUTSIDE DATA_INSIDE USER PROGRAM…
# RUN: what the Dockerfile's last stage runs as root.
set -eu
root=$1 outside=$2 inside=$3 user=$4
shift 4
cd "$root"
mount --bind . .
cd "$root"
mkdir -p usr/local/bin etc tmp proc dev
printf 'root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nnode:x:1000:\n' >etc/group
system() {
  mkdir -p "$1"
  mount --bind "/$1" "$1"
  mount -o remount,ro,bind "$1"
}
touch usr/local/bin/node
mount --bind "$NODE" usr/local/bin/node
for part in usr/bin usr/sbin usr/lib usr/lib64; do [ ! -d "/$part" ] || system "$part"; done
for part in bin sbin lib lib64; do
  if [ -L "/$part" ]; then ln -s "usr/$part" "$part"; elif [ -d "/$part" ]; then system "$part"; fi
done
mount --rbind /proc proc
mount --rbind /dev dev
chroot . sh -euc "$RUN"
unset RUN NODE
chown "$user:0" "$outside"
mkdir -p ".$inside"
mount --bind "$outside" ".$inside"
mount -o remount,ro,bind .
if touch app/written 2>/dev/null; then
  echo 'the root can be written to' >&2
  exit 1
fi
exec chroot --userspec="$user:0" --groups=0 . /usr/bin/env PATH=/usr/local/bin:/usr/bin:/bin sh -c 'cd "$0" && exec "$@"' "$inside" "$@"
