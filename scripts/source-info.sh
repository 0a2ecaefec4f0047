#!/bin/sh
# Prints which source this is as two C strings: "commit", "date". A tree with changes of its own has
# a + behind its commit; the date is SOURCE_DATE_EPOCH's where that is set, else the commit's. Where
# there is no repository, in the build of an image, WINDLASS_COMMIT names it.
set -eu
cd "$(dirname "$0")/.."
commit=${WINDLASS_COMMIT:-$(git describe --always --abbrev=12 --exclude '*' --dirty=+ 2>/dev/null || echo unknown)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo)}
date=${epoch:+$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)}
printf '"%s", "%s"\n' "$commit" "${date:-unknown}"
