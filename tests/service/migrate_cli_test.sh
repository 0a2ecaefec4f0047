#!/bin/bash
# `windlass migrate` as a person uses it: what it prints and how it ends. Usage: PROGRAM
set -u
. "$(dirname "$0")/../support/pg.sh"
windlass=$1
work=$(mktemp -d /tmp/windlass-migrate-XXXXXX)
trap 'rm -rf "$work"; pg_end' EXIT

number=0
check() { # description command...
    number=$((number + 1))
    local what=$1
    shift
    if "$@"; then echo "ok $number - $what"; else echo "not ok $number - $what"; fi
}
# Runs the program; its exit code is in `code`, what it wrote in the files `out` and `err`.
migrate() {
    "$windlass" migrate "$@" >"$work/out" 2>"$work/err"
    code=$?
}
says() { # code file text
    [ "$code" = "$1" ] && grep -qF -- "$3" "$work/$2" && return
    echo "# exit code $code, expected $1; $2 holds:"
    sed 's/^/# /' "$work/$2"
    return 1
}
is_json() { python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$work/out"; }
sql() { psql -XqAtc "$1" "$DATABASE_URL"; }

echo 1..19
migrate run
check 'no database is named: usage' says 2 err 'no database is named'
DATABASE_URL="postgresql://nobody@/x?host=$work" migrate run
check 'no database answers: unavailable' says 69 err 'no connection'

pg_start
migrate status
check 'status names what is pending' says 0 out '0001_initial  pending'
migrate check
check 'check finds what is missing' says 3 out 'missing: add table users'
migrate run
check 'run tells what it ran' says 0 err 'event=schema.done what=0001_initial'
migrate status --json
check 'status is JSON' is_json
check 'status tells what is applied' says 0 out '"state":"applied"'
migrate check
check 'check agrees' says 0 out 'the database has what this program needs'

sql 'ALTER TABLE users DROP COLUMN last_seen_at; ALTER TABLE users ADD COLUMN fax text'
migrate check --json
check 'drift is JSON' is_json
check 'drift is missing' says 3 out '"missing":["add column users.last_seen_at"]'
check 'what is extra is told' says 3 out '"extra":["the database has column users.fax'
migrate sync
check 'sync mends it' says 0 err 'add column users.last_seen_at'
check 'sync drops nothing' [ "$(sql 'SELECT count(fax) FROM users')" = 0 ]
migrate sync --allow-drop
check 'sync drops what it is told to' says 0 err 'drop column users.fax'

sql 'ALTER TABLE users ALTER COLUMN name TYPE varchar(200)'
sql "CREATE TYPE mood AS ENUM ('x'); ALTER TABLE jobs ALTER COLUMN max_attempts TYPE text"
migrate sync
check 'a type is refused' says 3 err 'must be written as a migration; nothing was applied'
check 'the migration is printed' says 3 out 'TYPE integer USING max_attempts::integer;'

mkdir -p "$work/files/public" "$work/files/worker" "$work/files/windlass"
migrate generate first --dir "$work/files"
check 'generate writes a file' says 0 out "$work/files/public/0001_first.sql"
migrate generate second --dir "$work/files"
check 'generate has nothing more to do' says 0 out 'nothing to do'
migrate revert many
check 'revert wants a number' says 2 err 'revert takes the number of migrations'
