#!/usr/bin/env bash
# The tests on other versions of Node.js: `.ci/nodes.sh 20 22 24` runs all of them on the newest of each, one after the other, and
# `.ci/nodes.sh 24 -- test/http/answers.test.ts` those that are named. Wants `npm ci` before; gets Node.js from npm, where it is a package
# for each system, and keeps it beside the programs of .ci/tools.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
majors=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  majors+=("$1")
  shift
done
[ $# -eq 0 ] || shift
[ "${#majors[@]}" -gt 0 ] || { echo "usage: .ci/nodes.sh MAJOR... [-- TEST_FILE...]" >&2; exit 2; }
. .ci/tools.sh

package=node-$(node -p '`${process.platform}-${process.arch}`')
failed=()
for major in "${majors[@]}"; do
  home=$cache/node-$major
  npm install --silent --no-save --no-audit --no-fund --prefix "$home" "$package@$major"
  bin=$(realpath "$home/node_modules/$package/bin")
  version=$("$bin/node" --version)
  echo "+ Node.js $version: npm test $*"
  PATH=$bin:$PATH npm test -- "$@" || failed+=("$version")
done
[ "${#failed[@]}" -eq 0 ] || { echo "tests failed on Node.js ${failed[*]}" >&2; exit 1; }
