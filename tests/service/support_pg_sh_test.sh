#!/bin/bash
# The shell's test server starts, survives a kill, and goes away with its folder.
set -eu
. "$(dirname "$0")/../support/pg.sh"

number=0
check() { # description command...
    number=$((number + 1))
    local what=$1
    shift
    if "$@"; then echo "ok $number - $what"; else echo "not ok $number - $what"; fi
}
answers() { [ "$(psql -XAtc 'select 41 + 1' "$DATABASE_URL" 2>/dev/null)" = 42 ]; }
silent() { ! answers; }

echo 1..4
pg_start
folder=${DATABASE_URL#*host=}
check 'a started server answers' answers
pg_tell kill
check 'a killed server does not answer' silent
pg_tell launch
pg_tell wait
check 'a launched server answers again' answers
pg_end
check 'its folder goes with it' test ! -e "$folder"
