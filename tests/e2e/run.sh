#!/bin/sh
# Runs the browser tests against a program, with TAP on standard output. Their npm packages go to the
# build folder, as the lock file says.
# Usage: tests/e2e/run.sh PROGRAM BUILD-FOLDER
set -eu

program=$(readlink -f "$1") build=$2
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "1..0 # SKIP $*"; exit 0; }

WINDLASS_CHROMIUM=$(command -v chromium) || skip "Chromium is not installed (apt-get install chromium)"
node=$("$here/../../scripts/node.sh") || skip "no Node of at least 20.19 and none to be had"
PATH=$node:$PATH

work=$build/e2e
mkdir -p "$work"
cp "$here"/*.mjs "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$work/"
cd "$work"
if ! cmp -s package-lock.json node_modules/.installed-lock; then
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed-lock
fi
export WINDLASS="$program" WINDLASS_CHROMIUM WINDLASS_SCREENSHOTS="$build/screenshots"
exec node --test-reporter=tap --test users.test.mjs
