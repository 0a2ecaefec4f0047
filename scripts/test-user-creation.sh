#!/usr/bin/env bash
# Creates a user through GraphQL, finds the row in PostgreSQL with psql, restarts the program, logs in
# again as that user, and removes it. Ends with an error at the first step that fails.
#
# Usage: scripts/test-user-creation.sh [PROGRAM]
#   Without settings it starts its own Windlass (PROGRAM, else build/windlass) on a scratch folder and a
#   free port. With WINDLASS_URL, WINDLASS_TOKEN (of an ADMIN) and DATABASE_URL it uses a running one,
#   and restarts nothing.
# Needs: curl, jq, psql. What it prints is TAP.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
program=$(readlink -f "${1:-$root/build/windlass}")
email=user-$(date +%s)-$RANDOM@example.org
name="Grace Hopper"
password="correct horse battery staple $RANDOM"
step=0
pid=
scratch=

ok() { step=$((step + 1)); echo "ok $step - $*"; }
fail() {
    echo "not ok $((step + 1)) - $1"
    shift
    printf '# %s\n' "$@"
    [ -z "$scratch" ] || tail -n 30 "$scratch/log" | sed 's/^/# log: /'
    echo "1..$((step + 1))"
    exit 1
}

finish() {
    if [ -n "$pid" ]; then
        kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
    fi
    [ -z "$scratch" ] || rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# graphql TOKEN QUERY VARIABLES: prints `data`; returns 1 and prints the errors when there are any.
graphql() {
    local answer
    answer=$(jq -cn --arg query "$2" --argjson variables "$3" '{query: $query, variables: $variables}' |
        curl -sS --max-time 20 "$url/graphql" -H 'Content-Type: application/json' \
            ${1:+-H "Authorization: Bearer $1"} --data-binary @-) || return 1
    if [ "$(jq 'has("errors") | not' <<<"$answer" 2>/dev/null)" != true ]; then
        echo "$answer"
        return 1
    fi
    jq -c .data <<<"$answer"
}

start() { # PORT: starts our own Windlass and waits for its address; sets pid and url
    "$program" up --data "$scratch/data" --run "$scratch/run" --port "$1" \
        >"$scratch/out" 2>>"$scratch/log" &
    pid=$!
    for _ in $(seq 600); do
        url=$(sed -n 's/^Windlass is ready at \(http.*\)$/\1/p' "$scratch/out")
        [ -z "$url" ] || return 0
        kill -0 "$pid" 2>/dev/null || fail "windlass up starts" "it ended"
        sleep 0.1
    done
    fail "windlass up starts" "no address after 60 s"
}

if [ -n "${WINDLASS_URL:-}" ]; then
    url=${WINDLASS_URL%/}
    token=${WINDLASS_TOKEN:?of an ADMIN, beside WINDLASS_URL}
    database=${DATABASE_URL:?to look the row up, beside WINDLASS_URL}
    echo "# using $url"
else
    [ -x "$program" ] || fail "the program is built" "$program is not there: run make"
    scratch=$(mktemp -d /tmp/windlass-user.XXXXXX)
    chmod 755 "$scratch" # started as root, the services run as another user
    unset DATABASE_URL
    start 0
    ok "windlass up serves $url"

    setup=$(sed -n 's/^Set up the first user: .*token=//p' "$scratch/out")
    [ -n "$setup" ] || fail "an empty installation prints a setup link" "$(cat "$scratch/out")"
    data=$(graphql "" 'mutation($token: String!, $password: String!) {
        setup(token: $token, email: "admin@example.org", name: "Ada Lovelace", password: $password) { token }
    }' "$(jq -cn --arg token "$setup" --arg password "$password" '$ARGS.named')") ||
        fail "the setup link creates the first user" "$data"
    token=$(jq -r .setup.token <<<"$data")
    ok "the setup link creates the first user"
    database="host=$scratch/run user=windlass dbname=windlass password=$(cat "$scratch/data/secrets/windlass")"
fi

create='mutation($input: CreateUserInput!) { createUser(input: $input) { id email role } }'
input=$(jq -cn --arg email "$email" --arg name "$name" --arg password "$password" '{input: $ARGS.named}')
data=$(graphql "$token" "$create" "$input") || fail "createUser creates a user" "$data"
id=$(jq -r .createUser.id <<<"$data")
[ "$(jq -r .createUser.email <<<"$data")" = "$email" ] || fail "createUser answers the user" "$data"
ok "createUser creates $email"

find_row() {
    psql -XAtq -F ' | ' "$database" -v id="$id" <<'SQL'
SELECT email, name, role, left(password_hash, 9) FROM users WHERE id = :'id'::uuid;
SQL
}
row=$(find_row) || fail "psql finds the row"
[ "$row" = "$email | $name | viewer | \$argon2id" ] || fail "the row in PostgreSQL is the user" "$row"
ok "PostgreSQL has the row: $row"

if data=$(graphql "$token" "$create" "$input"); then
    fail "the same email is refused a second time" "$data"
fi
[ "$(jq -r '.errors[0].extensions.code' <<<"$data")" = CONFLICT ] ||
    fail "the same email is refused as CONFLICT" "$data"
ok "the same email is refused a second time"

if [ -n "$scratch" ]; then
    port=${url##*:}
    kill -TERM "$pid"
    wait "$pid" || fail "windlass up stops with exit code 0" "exit code $?"
    start "$port"
    ok "windlass up stops and starts again on the same folder"
    row=$(find_row)
    [ -n "$row" ] || fail "the row is still there after the restart"
    ok "the row is still there after the restart"
fi

login='mutation($email: String!, $password: String!) { login(email: $email, password: $password) { token user { id } } }'
if data=$(graphql "" "$login" "$(jq -cn --arg email "$email" '{email: $email, password: "wrong"}')"); then
    fail "a wrong password is refused" "$data"
fi
ok "a wrong password is refused"
data=$(graphql "" "$login" "$(jq -cn --arg email "$email" --arg password "$password" '$ARGS.named')") ||
    fail "the user logs in" "$data"
[ "$(jq -r .login.user.id <<<"$data")" = "$id" ] || fail "the login is the user's" "$data"
session=$(jq -r .login.token <<<"$data")
ok "the user logs in"
data=$(graphql "$session" '{ me { email } }' '{}') || fail "the session is the user's" "$data"
[ "$(jq -r .me.email <<<"$data")" = "$email" ] || fail "the session is the user's" "$data"
ok "the session is the user's"

data=$(graphql "$token" 'mutation($id: ID!) { deleteUser(id: $id) }' "$(jq -cn --arg id "$id" '$ARGS.named')") ||
    fail "deleteUser removes the user" "$data"
[ -z "$(find_row)" ] || fail "the row is gone after deleteUser" "$(find_row)"
ok "deleteUser removes the user and the row"
echo "1..$step"
