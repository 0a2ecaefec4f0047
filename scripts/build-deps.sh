#!/bin/sh
# Builds the two C libraries that Debian 12 does not package, llhttp and yyjson, as static libraries
# outside the tree. Their sources come inside registry packages, pinned by version and SHA-256 in
# scripts/build-deps.txt; where pkg-config already finds a library, the system's is taken.
# Usage: scripts/build-deps.sh        prints the folder for PKG_CONFIG_PATH
set -eu

here=$(cd "$(dirname "$0")" && pwd)
hash=$(sha256sum "$here/build-deps.txt" "$here/build-deps.sh" | sha256sum | cut -c1-16)
prefix=${WINDLASS_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/windlass/deps}/$hash

if [ ! -e "$prefix/lib/pkgconfig/done" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --no-deps --no-binary :all: --require-hashes \
        --dest "$work" --requirement "$here/build-deps.txt" >&2
    mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
    for archive in "$work"/*.tar.gz; do
        tar -xzf "$archive" -C "$work"
    done
    build() { # name version include-file source-files...
        name=$1 version=$2 header=$3
        shift 3
        mkdir "$work/$name.o"
        for source in "$@"; do
            "${CC:-cc}" -O2 -g -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
                -I "$(dirname "$header")" -c "$source" \
                -o "$work/$name.o/$(basename "$source" .c).o"
        done
        ar rcsD "$prefix/lib/$name.a" "$work/$name.o"/*.o
        cp "$header" "$prefix/include/"
        printf 'Name: %s\nDescription: %s\nVersion: %s\nLibs: -L%s -l%s\nCflags: -I%s\n' \
            "$name" "$name" "$version" "$prefix/lib" "${name#lib}" "$prefix/include" \
            >"$prefix/lib/pkgconfig/$name.pc"
    }
    lib=$(echo "$work"/llhttp-*/lib)
    build libllhttp 9.3.0 "$lib/llhttp.h" "$lib/api.c" "$lib/http.c" "$lib/llhttp.c"
    lib=$(echo "$work"/yyjson-*/yyjson)
    build libyyjson 0.10.0 "$lib/yyjson.h" "$lib/yyjson.c"
    mv "$prefix/lib/pkgconfig/libyyjson.pc" "$prefix/lib/pkgconfig/yyjson.pc"
    : >"$prefix/lib/pkgconfig/done"
fi
echo "$prefix/lib/pkgconfig"
