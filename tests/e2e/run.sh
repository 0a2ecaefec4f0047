#!/bin/sh
# Runs the browser tests against a program, with TAP on standard output.
# Usage: tests/e2e/run.sh PROGRAM BUILD-FOLDER
set -eu

program=$(readlink -f "$1") build=$2
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "1..0 # SKIP $*"; exit 0; }

WINDLASS_CHROMIUM=$(command -v chromium) || skip "Chromium is not installed (apt-get install chromium)"
node=$("$here/../support/npm.sh" "$build") || {
    [ $? -ne 77 ] || skip "no Node of at least 20.19 and none to be had"
    exit 1
}
PATH=$node:$PATH

cp "$here"/*.mjs "$build/e2e/"
cd "$build/e2e"
export WINDLASS="$program" WINDLASS_CHROMIUM WINDLASS_SCREENSHOTS="$build/screenshots"
exec node --test-reporter=tap --test --test-concurrency=1 users.test.mjs faults.test.mjs
