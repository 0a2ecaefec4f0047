#!/usr/bin/env bash
# A walk through Windlass in about a minute, on an installation of its own: the first user, a task
# that the guard refuses and then runs, a job every two seconds, a question to the assistant,
# statistics, and what happens while the Worker Service is away.
#
# Usage: scripts/tour.sh [PROGRAM]        PROGRAM, else build/windlass
#
# It starts everything on a scratch folder and a free port, asks through GraphQL like any client,
# says what it expects and what it sees, and removes all of it at the end. It needs bash, curl, jq
# and python3.
# shellcheck disable=SC2016 # the $ in GraphQL documents are GraphQL's
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
unset DATABASE_URL PORT LOG_LEVEL "${!WINDLASS_@}" # settings of somebody's own installation
program=$(realpath -m "${1:-$root/build/windlass}")
deadline_s=180 # for all of it; ends a hang
patience_s=30  # for one thing to come true
scratch=
up_pid=
site_pid=
stopped_pid=
step="begin"

fail() {
    printf '\ntour: FAILED at step "%s": %s\n' "$step" "$*" >&2
    [ -z "$scratch" ] || { echo "tour: the log ends with" >&2 && tail -n 25 "$scratch/log" >&2; } || true
    exit 1
}
begin() {
    step=$1
    [ "$SECONDS" -lt "$deadline_s" ] || fail "not done within $deadline_s s"
    printf '\n── %s\n' "$step"
}
say() { printf '   %s\n' "$*"; }
# show JSON FILTER: lines of text out of an answer
show() { jq -r "$2" <<<"$1" | sed 's/^/   /'; }

# Starting and stopping.

start_up() {
    : >"$scratch/out"
    "$program" up --data "$scratch/data" --run "$scratch/run" --listen 127.0.0.1 --port 0 \
        --drain-timeout 5s >"$scratch/out" 2>>"$scratch/log" &
    up_pid=$!
    url=
    while [ -z "$url" ]; do
        kill -0 "$up_pid" 2>/dev/null || fail "windlass up ended at its start"
        [ "$SECONDS" -lt "$deadline_s" ] || fail "windlass up is not ready within $deadline_s s"
        sleep 0.05
        url=$(sed -n 's/^Windlass is ready at //p' "$scratch/out")
    done
}
stop_up() {
    [ -n "$up_pid" ] || return 0
    local pid=$up_pid
    up_pid=
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid"
}
clean_up() {
    [ -z "$stopped_pid" ] || kill -CONT "$stopped_pid" 2>/dev/null || true
    stop_up >/dev/null 2>&1 || true
    [ -z "$site_pid" ] || { kill "$site_pid" && wait "$site_pid"; } 2>/dev/null || true
    [ -z "$scratch" ] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# child NAME: the process id of that service
child() {
    local status line ppid
    for status in /proc/[0-9]*/status; do
        ppid=$(sed -n 's/^PPid:\t//p' "$status" 2>/dev/null) || continue
        [ "$ppid" = "$up_pid" ] || continue
        line=$(tr '\0' ' ' <"${status%status}cmdline" 2>/dev/null) || continue
        [[ $line == "windlass $1 "* ]] || continue
        status=${status#/proc/}
        echo "${status%/status}"
        return
    done
    return 1
}

# A site on this machine that notes who asks.
start_site() {
    python3 -c 'import http.server, sys
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[2], "a") as log:
            log.write(self.path + "\n")
        body = b"{\"greeting\": \"hello from the site\"}"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(site.server_port))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
site.serve_forever()' "$scratch/site.port" "$scratch/site.log" &
    site_pid=$!
    : >"$scratch/site.log"
    while [ ! -s "$scratch/site.port" ]; do
        kill -0 "$site_pid" 2>/dev/null || fail "the little site did not start"
        sleep 0.05
    done
    site=http://127.0.0.1:$(cat "$scratch/site.port")
}

# Asking.

token=
# ask QUERY [VARIABLES]: the answer's data, or the error on standard error
ask() {
    local answer
    # Not as arguments, which everybody can read: the body by a pipe, the header by a file.
    answer=$(jq -n --arg q "$1" --argjson v "${2:-null}" '{ query: $q, variables: $v }' |
        curl --silent --show-error --max-time 30 -H "Content-Type: application/json" \
            -H @<([ -z "$token" ] || printf 'Authorization: Bearer %s\n' "$token") \
            --data-binary @- "$url/graphql") || return 1
    if [ "$(jq '.errors | length' <<<"$answer")" != 0 ]; then
        jq -r '.errors[0] | "the server answered \(.extensions.code): \(.message)"' <<<"$answer" >&2
        return 1
    fi
    jq -c .data <<<"$answer"
}
# demand WHAT JSON CONDITION: fails unless jq finds the condition true
demand() {
    jq -e "$3" <<<"$2" >/dev/null || fail "expected: $1 ($3); seen: $2"
}
# wait_for WHAT QUERY VARIABLES CONDITION: asks until it is true; the last answer is $seen
wait_for() {
    local until_s=$((SECONDS + patience_s))
    seen=
    while :; do
        seen=$(ask "$2" "$3" 2>"$scratch/error") || seen=
        [ -z "$seen" ] || ! jq -e "$4" <<<"$seen" >/dev/null || return 0
        [ "$SECONDS" -lt "$until_s" ] ||
            fail "expected within $patience_s s: $1 ($4); seen: ${seen:-$(cat "$scratch/error")}"
        sleep 0.2
    done
}

create_task='mutation ($i: CreateTaskInput!) { createTask(input: $i) { id type status accepted } }'
read_task='query ($id: ID!) { task(id: $id) {
    id type status state attempt error result accepted source why { code text } } }'
# id_of JSON: of the task just made
id_of() { jq -r .createTask.id <<<"$1"; }
variables() { jq -nc --arg id "$1" '{ id: $id }'; }

for tool in curl jq python3; do
    command -v "$tool" >/dev/null || fail "$tool is not installed"
done
[ -x "$program" ] || fail "$program is missing: build it with make"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/windlass-tour-XXXXXX")
chmod 755 "$scratch" # root's Windlass passes through it as user windlass

begin "One command starts PostgreSQL, the worker, the runner, the assistant and the gateway"
start_up
say "Windlass is ready at $url after $SECONDS s"
setup_token=$(sed -n 's/^Set up the first user: .*token=//p' "$scratch/out")
[ -n "$setup_token" ] || fail "expected: a set-up link on standard output; seen: $(cat "$scratch/out")"

begin "Set up the first user with the one-time link, and log in"
email=ada@example.org
password="a tour through $RANDOM words"
ask 'mutation ($t: String!, $e: String!, $p: String!) {
    setup(token: $t, email: $e, name: "Ada", password: $p) { expiresAt } }' \
    "$(jq -nc --arg t "$setup_token" --arg e "$email" --arg p "$password" '{ $t, $e, $p }')" \
    >/dev/null || fail "setup was refused"
session=$(ask 'mutation ($e: String!, $p: String!) {
    login(email: $e, password: $p) { token user { id name role } } }' \
    "$(jq -nc --arg e "$email" --arg p "$password" '{ $e, $p }')") || fail "login was refused"
token=$(jq -r .login.token <<<"$session")
user=$(jq -r .login.user.id <<<"$session")
show "$session" '.login.user | "\(.name) is \(.role)"'

begin "A task that asks a site on this machine is refused by the guard against private networks"
start_site
fetch=$(jq -nc --arg url "$site/greeting" '{ i: { type: "http.request", payload: { $url }, maxAttempts: 1 } }')
made=$(ask "$create_task" "$fetch") || fail "createTask was refused"
demand "the worker accepted the task" "$made" '.createTask.accepted'
refused=$(id_of "$made")
wait_for "the task has failed, and says why" "$read_task" "$(variables "$refused")" \
    '.task.status == "FAILED" and (.task.error | length) > 0'
show "$seen" '.task | "status \(.status), state \(.state): \(.error)"'
[ ! -s "$scratch/site.log" ] || fail "expected: the site is not asked; seen: $(cat "$scratch/site.log")"
say "the site at $site was never asked"

begin "Started again with WINDLASS_HTTP_ALLOW=127.0.0.1 the same task runs"
stop_up || fail "windlass up ended with exit code $?"
export WINDLASS_HTTP_ALLOW=127.0.0.1
start_up
made=$(ask "$create_task" "$fetch") || fail "createTask was refused"
fetched=$(id_of "$made")
wait_for "the task has completed" "$read_task" "$(variables "$fetched")" '.task.status == "COMPLETED"'
demand "the result has the site's status" "$seen" '.task.result.status == 200'
demand "the result has the site's text" "$seen" '.task.result | tostring | contains("hello from the site")'
show "$seen" '.task | "status \(.status) after \(.attempt) attempt: \(.result | tostring)"'
[ "$(wc -l <"$scratch/site.log")" = 1 ] ||
    fail "expected: the site is asked once; seen: $(wc -l <"$scratch/site.log") times"

begin "A job runs every two seconds: */2 * * * * *, six fields, with seconds"
made=$(ask 'mutation ($i: CreateJobInput!) { createJob(input: $i) { id scheduleText status nextRun } }' \
    '{ "i": { "name": "tour", "schedule": "*/2 * * * * *", "taskType": "noop" } }') ||
    fail "createJob was refused"
show "$made" '.createJob | "\(.status), \(.scheduleText); next at \(.nextRun)"'
job=$(jq -r .createJob.id <<<"$made")
wait_for "two runs have completed" 'query ($id: ID!) { job(id: $id) { lastRun nextRun
    runs(first: 5) { totalCount nodes { id status runAt finishedAt } } } }' "$(variables "$job")" \
    '[.job.runs.nodes[] | select(.status == "COMPLETED")] | length >= 2'
show "$seen" '.job.runs.nodes[] | "\(.runAt) \(.status)"'

begin "Ask the assistant, which answers with figures and says where they come from"
question="How many tasks are completed and how many have failed?"
answer=$(ask 'mutation ($i: ChatInput!) { chat(input: $i) { degraded conversationId
    message { content model citations { label query data } } } }' \
    "$(jq -nc --arg message "$question" '{ i: { $message } }')") || fail "chat was refused"
demand "the answer has a figure" "$answer" '.chat.message.content | test("[0-9]")'
demand "the answer rests on a query" "$answer" '.chat.message.citations | length > 0'
say "Ada: $question"
show "$answer" '.chat.message | "\(.model): \(.content)"'
show "$answer" '.chat.message.citations[] | "(from \(.label))"'
history=$(ask 'query ($id: ID!) { chatHistory(userId: $id) { totalCount nodes { role content } } }' \
    "$(variables "$user")") || fail "chatHistory was refused"
demand "the history has the question, then the answer" "$history" \
    '[.chatHistory.nodes[].role] == ["USER", "ASSISTANT"]'
say "both are in the history"

begin "Statistics, insights and trends"
wait_for "the counters know of the tasks" 'query { dashboardStats { source
    tasks { total completed failed } jobs { total active }
    successRate throughputPerMinute runSeconds { p50 p99 } } }' '{}' \
    '.dashboardStats | .tasks.completed >= 3 and .tasks.failed >= 1 and .jobs.active == 1'
show "$seen" '.dashboardStats | "tasks: \(.tasks.total), completed \(.tasks.completed), failed \(.tasks.failed); " +
    "success rate \(.successRate); run time p99 \(.runSeconds.p99) s"'
insights=$(ask '{ dashboardInsights { insights { title severity } cached generatedAt } }') ||
    fail "dashboardInsights was refused"
show "$insights" '.dashboardInsights | "insights: \(.insights | length)", (.insights[] | "\(.severity): \(.title)")'
wait_for "the trend shows the completed tasks" 'query { historicalTrends(metrics: [TASKS_COMPLETED], bucket: MINUTE) {
    metric points { at value } } }' '{}' '[.historicalTrends[0].points[].value // 0] | add >= 3'
show "$seen" '.historicalTrends[0] | "\(.metric) by minute: \([.points[].value // 0] | map(select(. > 0)) | tostring)"'

begin "The worker goes away: reads come from the cache, new tasks are kept"
stopped_pid=$(child worker) || fail "expected: a child \"windlass worker\" of process $up_pid"
kill -STOP "$stopped_pid"
wait_for "reads are marked CACHE" "$read_task" "$(variables "$fetched")" '.task.source == "CACHE"'
show "$seen" '.task | "task \(.id) is \(.status), source \(.source)"'
made=$(ask "$create_task" '{ "i": { "type": "noop" } }') || fail "createTask was refused"
demand "the task is kept, not accepted" "$made" '.createTask.accepted == false'
kept=$(id_of "$made")
seen=$(ask "$read_task" "$(variables "$kept")") || fail "the kept task cannot be read"
demand "it tells what it waits for" "$seen" '.task.status == "PENDING" and .task.why.code == "NOT_ACCEPTED"'
show "$seen" '.task | "the new task is \(.status), accepted \(.accepted): \(.why.text)"'

begin "The worker is back: the kept task runs"
kill -CONT "$stopped_pid"
stopped_pid=
wait_for "the kept task was accepted and has completed" "$read_task" "$(variables "$kept")" \
    '.task | .status == "COMPLETED" and .accepted and .source == "LIVE"'
show "$seen" '.task | "task \(.id) is \(.status), accepted \(.accepted), source \(.source)"'

begin "Stop: what is open is finished, the database last"
stop_up || fail "windlass up ended with exit code $?"
printf '\ntour: all of it went as told, in %s s\n' "$SECONDS"
