#!/bin/sh
# Installs the npm packages of the tests, tests/e2e/package.json as its lock file says, into
# BUILD-FOLDER/e2e, and prints the folder of the Node that is to run them. One at a time.
# Another FOLDER with a package.json is installed into BUILD-FOLDER/NAME likewise.
# Exits with 77 where there is no Node to be had.
# Usage: tests/support/npm.sh BUILD-FOLDER [FOLDER NAME]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
packages=${2:-$here/../e2e} work=$1/${3:-e2e}
node=$("$here/../../scripts/node.sh") || exit 77
PATH=$node:$PATH

mkdir -p "$work"
exec 9>"$work/.lock"
flock 9
cp "$packages"/package.json "$packages"/package-lock.json "$packages"/.npmrc "$work/"
cd "$work"
if ! cmp -s package-lock.json node_modules/.installed-lock; then
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed-lock
fi
echo "$node"
