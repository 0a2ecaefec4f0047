#!/bin/sh
# Configures a build folder with meson, once; again only when the libraries that
# scripts/build-deps.sh builds have moved.
# Usage: scripts/configure.sh FOLDER [meson option...]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
shift
deps=$("$here/build-deps.sh")
stamp="$deps $*"
[ "$(cat "$folder/.configured" 2>/dev/null)" != "$stamp" ] || exit 0

printf 'configure: %s\n' "$folder" >&2
mkdir -p "$folder"
[ ! -d "$folder/meson-private" ] || set -- --wipe "$@"
PKG_CONFIG_PATH=$deps meson setup "$folder" "$here/.." "$@" >"$folder/configure.log" 2>&1 || {
    cat "$folder/configure.log" >&2
    exit 1
}
printf '%s\n' "$stamp" >"$folder/.configured"
