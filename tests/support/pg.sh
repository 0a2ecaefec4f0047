# shellcheck shell=bash disable=SC2034 # PG_REPLY is for the caller
# pg.sh: the private PostgreSQL of support/pg.h, for script tests in bash. Source it.
#   pg_start [SETTINGS]   starts a server; sets DATABASE_URL (a new, empty database)
#   pg_tell WORD          kill, stop, launch, wait, suspend, resume; or database, which sets PG_REPLY
#   pg_end                stops it; its end comes with the script's end too
# WINDLASS_TEST_PG_RUN names the program pg_run of the build folder.

pg_start() {
    coproc PG { exec "${WINDLASS_TEST_PG_RUN:?names no pg_run}" "$@"; }
    read -r DATABASE_URL <&"${PG[0]}" || { echo "no test server" >&2; return 1; }
    export DATABASE_URL
}

pg_tell() {
    echo "$1" >&"${PG[1]}"
    read -r PG_REPLY <&"${PG[0]}" || { echo "test server: $1 failed" >&2; return 1; }
}

pg_end() {
    local pid=$PG_PID
    eval "exec ${PG[1]}>&-"
    wait "$pid"
}
