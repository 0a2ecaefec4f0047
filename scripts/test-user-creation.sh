#!/usr/bin/env bash
# Creates a user through GraphQL, finds the row in PostgreSQL with psql, restarts the program, logs
# in again; says what it does, and names the step that failed.
#
# Usage: scripts/test-user-creation.sh [PROGRAM]
#
# Without settings it starts a Windlass of its own (PROGRAM, else build/windlass) on a scratch folder
# and a free port. With WINDLASS_URL, WINDLASS_TOKEN and DATABASE_URL it uses one that runs, and
# restarts nothing: the token is an ADMIN's or, on an empty installation, the set-up token. The user
# is deleted again at the end.
# shellcheck disable=SC2016 # the $ in GraphQL documents are GraphQL's
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath -m "${1:-$root/build/windlass}")
deadline_s=180 # for all of it; ends a hang
email="ada.$$.$RANDOM@example.org"
password="correct horse $RANDOM battery"
scratch=
up_pid=
step="begin"

say() { printf 'test-user-creation: %s\n' "$*"; }
fail() {
    printf 'test-user-creation: FAILED at step "%s": %s\n' "$step" "$*" >&2
    [ -z "$scratch" ] || tail -n 25 "$scratch/log" >&2 2>/dev/null || true
    exit 1
}
begin() {
    step=$1
    [ "$SECONDS" -lt "$deadline_s" ] || fail "not done within $deadline_s s"
    say "$step"
}

stop_up() {
    [ -n "$up_pid" ] || return 0
    local pid=$up_pid
    up_pid=
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid"
}
clean_up() {
    stop_up >/dev/null 2>&1 || true
    [ -z "$scratch" ] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start_up: a Windlass of our own; sets `url` and, on an empty installation, `setup_token`.
start_up() {
    : >"$scratch/out"
    env -u DATABASE_URL -u WINDLASS_DATABASE_URL -u WINDLASS_CONFIG "$program" up \
        --data "$scratch/data" --run "$scratch/run" --listen 127.0.0.1 --port 0 \
        >"$scratch/out" 2>>"$scratch/log" &
    up_pid=$!
    url=
    while [ -z "$url" ]; do
        kill -0 "$up_pid" 2>/dev/null || fail "windlass up ended at its start"
        [ "$SECONDS" -lt "$deadline_s" ] || fail "windlass up is not ready within $deadline_s s"
        sleep 0.05
        url=$(sed -n 's/^Windlass is ready at //p' "$scratch/out")
    done
    setup_token=$(sed -n 's/^Set up the first user: .*token=//p' "$scratch/out")
}

# graphql QUERY VARIABLES TOKEN PATH: asks, and prints the value at PATH ("createUser.id") of data.
graphql() {
    local body answer
    body=$(python3 -c 'import json, sys
print(json.dumps({"query": sys.argv[1], "variables": json.loads(sys.argv[2])}))' "$1" "$2")
    # Not as arguments, which everybody can read: the body by a pipe, the header by a file.
    answer=$(curl --silent --show-error --max-time 15 -H "Content-Type: application/json" \
        -H @<([ -z "$3" ] || printf 'Authorization: Bearer %s\n' "$3") --data-binary @- \
        "$url/graphql" <<<"$body") || return 1
    python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
if answer.get("errors"):
    error = answer["errors"][0]
    sys.exit("the server answered %s: %s" % (error["extensions"]["code"], error["message"]))
value = answer["data"]
for name in sys.argv[2].split("."):
    value = value[name]
print(value)' "$answer" "$4"
}
# object NAME VALUE...: a JSON object of strings
object() {
    python3 -c 'import json, sys
print(json.dumps(dict(zip(sys.argv[1::2], sys.argv[2::2]))))' "$@"
}
sql() {
    if [ -n "$scratch" ]; then
        "$program" psql --data "$scratch/data" -- -X -A -t -v ON_ERROR_STOP=1 -c "$1"
    else
        psql -X -A -t -v ON_ERROR_STOP=1 -c "$1" -d "$DATABASE_URL"
    fi
}

for tool in curl python3; do
    command -v "$tool" >/dev/null || fail "$tool is not installed"
done

if [ -n "${WINDLASS_URL:-}" ]; then
    begin "use the Windlass at $WINDLASS_URL"
    [ -n "${WINDLASS_TOKEN:-}" ] || fail "WINDLASS_TOKEN is not set"
    [ -n "${DATABASE_URL:-}" ] || fail "DATABASE_URL is not set"
    url=${WINDLASS_URL%/}
    admin_token=$WINDLASS_TOKEN
    setup_token=
    case $WINDLASS_TOKEN in wlu_*) setup_token=$WINDLASS_TOKEN ;; esac
else
    begin "start Windlass on a scratch folder and a free port"
    [ -x "$program" ] || fail "$program is missing: build it with make"
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/windlass-user-XXXXXX")
    chmod 755 "$scratch" # root's Windlass passes through it as user windlass
    start_up
    [ -n "$setup_token" ] || fail "no set-up link on standard output"
fi

if [ -n "$setup_token" ]; then
    begin "set up the first user with the one-time token"
    admin_token=$(graphql 'mutation ($t: String!, $e: String!, $p: String!) {
        setup(token: $t, email: $e, name: "First User", password: $p) { token } }' \
        "$(object t "$setup_token" e "first.$email" p "$password")" "" setup.token) ||
        fail "setup was refused"
fi

create_user='mutation ($e: String!, $p: String!) {
    createUser(input: { email: $e, name: "Ada Lovelace", password: $p, role: OPERATOR }) { id } }'
begin "create $email through GraphQL"
id=$(graphql "$create_user" "$(object e "$email" p "$password")" "$admin_token" createUser.id) ||
    fail "createUser was refused"
[[ $id =~ ^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$ ]] ||
    fail "\"$id\" is no UUIDv7"

find_row() {
    local row
    row=$(sql "select email, name, role, password_hash like '\$argon2id\$%' from users where id = '$id'") ||
        fail "psql failed"
    [ "$row" = "$email|Ada Lovelace|operator|t" ] || fail "the row is \"$row\""
}
begin "find the row in PostgreSQL with psql"
find_row

begin "be refused the same email again"
answer=$(graphql "$create_user" "$(object e "$email" p "$password")" "$admin_token" createUser.id 2>&1) &&
    fail "the same email was accepted twice"
[[ $answer == *CONFLICT* ]] || fail "$answer"

if [ -n "$scratch" ]; then
    begin "restart Windlass"
    stop_up || fail "windlass up ended with exit code $?"
    start_up
    [ -z "$setup_token" ] || fail "it asks for a first user again"
    find_row
else
    say "nothing is restarted: this Windlass was not started here"
fi

begin "log in again"
session=$(graphql 'mutation ($e: String!, $p: String!) { login(email: $e, password: $p) { token } }' \
    "$(object e "$email" p "$password")" "" login.token) || fail "login was refused"
[ "$(graphql '{ me { id } }' '{}' "$session" me.id)" = "$id" ] || fail "me is somebody else"

begin "be refused with a wrong password"
answer=$(graphql 'mutation ($e: String!, $p: String!) { login(email: $e, password: $p) { token } }' \
    "$(object e "$email" p "wrong $password")" "" login.token 2>&1) &&
    fail "a wrong password was accepted"
[[ $answer == *UNAUTHENTICATED* ]] || fail "$answer"

begin "delete the user again"
graphql 'mutation ($id: ID!) { deleteUser(id: $id) }' "$(object id "$id")" "$admin_token" deleteUser \
    >/dev/null || fail "deleteUser was refused"
[ -z "$(sql "select id from users where id = '$id'")" ] || fail "the row is still there"

if [ -n "$scratch" ]; then
    begin "stop Windlass"
    stop_up || fail "windlass up ended with exit code $?"
fi
say "passed in $SECONDS s"
