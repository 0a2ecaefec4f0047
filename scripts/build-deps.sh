#!/bin/sh
# Builds the two C libraries that Debian 12 does not package, llhttp and yyjson, as static libraries
# outside the tree. Their sources come inside registry packages, pinned by version and SHA-256 in
# scripts/build-deps.txt; where pkg-config already finds both, the system's are taken.
# Usage: scripts/build-deps.sh        prints the folder for PKG_CONFIG_PATH
set -eu

here=$(cd "$(dirname "$0")" && pwd)
if pkg-config --exists libllhttp yyjson 2>/dev/null; then
    echo "${PKG_CONFIG_PATH:-}"
    exit 0
fi
hash=$(cat "$here/build-deps.txt" "$here/build-deps.sh" | sha256sum | cut -c1-16)
root=${WINDLASS_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/windlass/deps}
prefix=$root/$hash

if [ ! -e "$prefix/lib/pkgconfig/done" ]; then
    echo "build-deps: building llhttp and yyjson in $prefix" >&2
    mkdir -p "$root"
    work=$(mktemp -d "$root/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # Sources for these two; what pip needs to read their names and versions may be a wheel.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --no-binary llhttp,yyjson --require-hashes \
        --dest "$work" --requirement "$here/build-deps.txt" >&2
    mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
    for archive in "$work"/*.tar.gz; do
        tar -xzf "$archive" -C "$work"
    done
    build() { # name pkg-config-name version include-file source-files...
        name=$1 package=$2 version=$3 header=$4
        shift 4
        mkdir "$work/$name.o"
        for source in "$@"; do
            "${CC:-cc}" -O2 -g -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
                -I "$(dirname "$header")" -c "$source" \
                -o "$work/$name.o/$(basename "$source" .c).o"
        done
        # Written beside and moved, so that two builds at once never see half a library.
        ar rcsD "$work/$name.a" "$work/$name.o"/*.o
        mv -f "$work/$name.a" "$prefix/lib/$name.a"
        cp "$header" "$prefix/include/"
        printf 'Name: %s\nDescription: %s\nVersion: %s\nLibs: -L%s -l%s\nCflags: -I%s\n' \
            "$package" "$package" "$version" "$prefix/lib" "${name#lib}" "$prefix/include" \
            >"$prefix/lib/pkgconfig/$package.pc"
    }
    lib=$(echo "$work"/llhttp-*/lib)
    build libllhttp libllhttp 9.3.0 "$lib/llhttp.h" "$lib/api.c" "$lib/http.c" "$lib/llhttp.c"
    lib=$(echo "$work"/yyjson-*/yyjson)
    build libyyjson yyjson 0.10.0 "$lib/yyjson.h" "$lib/yyjson.c"
    : >"$prefix/lib/pkgconfig/done"
fi
echo "$prefix/lib/pkgconfig"
