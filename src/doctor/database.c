/* The server behind the URL, and its schemas. */
#include "base/base.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/conn.h"
#include "doctor/doctor.h"
#include "schema/schema.h"
#include "schema/server.h"

enum {
    VERSION_MIN = SCHEMA_SERVER_VERSION_MIN * 10000, /* as the server counts: 150000 */
    TRANSACTION_S_MAX = 3600,
    CLOCK_DIFFERENCE_MAX_US = 2 * CLOCK_S,
    CONNECTIONS_BESIDE_POOLS = 10, /* migrate, doctor, psql */
};

static void check_promises(struct doctor *d, const struct schema_server *server)
{
    if (server->version < VERSION_MIN)
        doctor_report(d, "database", DOCTOR_FAILURE, "upgrade the server",
                      "PostgreSQL %d is too old, %d is needed", server->version / 10000,
                      SCHEMA_SERVER_VERSION_MIN);
    if (!server->is_utf8)
        doctor_report(
            d, "database", DOCTOR_FAILURE,
            "make the database anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            "its encoding is not UTF8");
    if (server->is_read_only)
        doctor_report(d, "database", DOCTOR_FAILURE,
                      "name the primary in database-url, or add target_session_attrs=read-write",
                      "it is read-only, perhaps a replica");
    if (!server->is_crash_safe)
        doctor_report(d, "database", DOCTOR_FAILURE, "set fsync and full_page_writes to on",
                      "a crash of the machine may destroy it: fsync or full_page_writes is off");
    if (!server->is_commit_kept)
        doctor_report(d, "database", DOCTOR_FAILURE, "set synchronous_commit to on",
                      "a crash may lose what was acknowledged: synchronous_commit is off");
}

static void check_load(struct doctor *d, const struct schema_server *server,
                       int64_t clock_difference_us)
{
    int64_t loops = conf_int(d->conf, CONF_GATEWAY_LOOPS);
    loops = loops ? loops : (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
    int64_t wanted = loops * (conf_int(d->conf, CONF_DB_READ_CONNECTIONS) +
                              conf_int(d->conf, CONF_DB_WRITE_CONNECTIONS) +
                              conf_int(d->conf, CONF_DB_SLOW_CONNECTIONS)) +
                     CONNECTIONS_BESIDE_POOLS;
    if (server->connections_max < wanted)
        doctor_report(d, "database", DOCTOR_WARNING,
                      "raise max_connections, or lower gateway-loops or the db-…-connections",
                      "it allows %" PRId64 " connections, a gateway with these settings wants up "
                      "to %" PRId64,
                      server->connections_max, wanted);
    if (server->longest_transaction_s > TRANSACTION_S_MAX)
        doctor_report(d, "database", DOCTOR_WARNING,
                      "find who holds it in pg_stat_activity, and end it",
                      "a transaction has been open for %" PRId64 " minutes: tables grow meanwhile",
                      server->longest_transaction_s / 60);
    if (clock_difference_us > CLOCK_DIFFERENCE_MAX_US ||
        clock_difference_us < -CLOCK_DIFFERENCE_MAX_US)
        doctor_report(d, "database", DOCTOR_WARNING, "start a time service (NTP) on both machines",
                      "its clock differs from this machine's by %" PRId64 " s",
                      clock_difference_us / CLOCK_S);
}

static bool open_database(struct doctor *d, const char *url, const char *check,
                          struct db_conn **ret_conn)
{
    const struct db_conn_options options = {
        .url = str_of_c(url),
        .application_name = "windlass doctor",
        .connect_timeout_ms = conf_duration_us(d->conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS,
    };
    struct err e;
    if (db_conn_open(&options, ret_conn, &e))
        return true;
    doctor_report_err(
        d, check, &e,
        "check its URL (database-url, or that of a shard), that the server runs, and that "
        "pg_hba.conf lets this role in");
    return false;
}

static bool check_server(struct doctor *d, struct db_conn *conn, const char *url)
{
    struct schema_server server;
    struct str where;
    struct err e;
    int64_t before_us = clock_wall_us();
    if (!schema_server_look(conn, &server, &e) ||
        !db_url_describe(d->arena, str_of_c(url), &where, &e)) {
        doctor_report_err(d, "database", &e, "see the server's log");
        return false;
    }
    size_t findings = d->count;
    check_promises(d, &server);
    check_load(d, &server, server.now_us - (before_us + clock_wall_us()) / 2);
    if (d->count == findings)
        doctor_report(d, "database", DOCTOR_OK, NULL,
                      "PostgreSQL %d.%d, %" PRId64 " of %" PRId64 " connections, %" PRId64
                      " MiB (%.*s)",
                      server.version / 10000, server.version % 10000, server.connections,
                      server.connections_max, server.size_bytes >> 20, STR_FMT(where));
    return true;
}

/* The first thing that the schema lacks, and how many there are. */
struct missing {
    struct arena *arena;
    struct str first;
    size_t count;
};

static void note_missing(enum schema_report kind, struct str text, void *owner)
{
    struct missing *missing = owner;
    if (kind == SCHEMA_REPORT_MISSING && missing->count++ == 0)
        missing->first = arena_copy(missing->arena, text);
}

/* True when all is there. */
static bool check_schema(struct doctor *d, const char *url, const struct schema_set *set,
                         const char *check)
{
    struct missing missing = { .arena = d->arena };
    const struct schema_options options = { .set = set,
                                            .lock_timeout_ms = DOCTOR_STATEMENT_MS,
                                            .report = note_missing,
                                            .owner = &missing };
    struct err e;
    if (schema_prepare(str_of_c(url), SCHEMA_MODE_CHECK, &options, &e))
        return true;
    if (missing.count > 0)
        doctor_report(d, check, DOCTOR_FAILURE,
                      "windlass migrate run; in development windlass migrate sync",
                      "%s needs what is not there: %.*s%s", schema_version(),
                      STR_FMT(missing.first), missing.count > 1 ? ", and more" : "");
    else
        doctor_report_err(d, check, &e, "windlass migrate status tells more");
    return false;
}

static void check_leader(struct doctor *d, struct db_conn *conn, const char *check)
{
    struct schema_leader leader;
    struct err e;
    if (!schema_server_leader(conn, &leader, &e))
        doctor_report_err(d, check, &e, "see the server's log");
    else if (leader.is_held)
        doctor_report(d, check, DOCTOR_OK, NULL, "its schema is complete, %s leads it",
                      leader.name);
    else if (leader.was_led)
        doctor_report(d, check, DOCTOR_WARNING,
                      "start a worker: `windlass up` does, or `windlass worker`",
                      "no worker leads it: tasks wait, and new ones are kept by the gateway");
    else
        doctor_report(d, check, DOCTOR_OK, NULL,
                      "its schema is complete, no worker has led it yet");
}

void doctor_check_server(struct doctor *d, const char *url)
{
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    if (!open_database(d, url, "database", &conn) || !check_server(d, conn, url))
        return;
    if (check_schema(d, url, &schema_public, "schema"))
        doctor_report(d, "schema", DOCTOR_OK, NULL, "%s, complete", schema_version());
    if (!check_schema(d, url, &schema_worker, "queue"))
        return;
    check_leader(d, conn, "queue");
    if (check_schema(d, url, &schema_windlass, "enqueue"))
        doctor_report(d, "enqueue", DOCTOR_OK, NULL,
                      "windlass.enqueue is there, for those alone who were given it");
}

void doctor_check_shard(struct doctor *d, int shard, const char *url)
{
    const char *check = arena_printf(d->arena, "shard%d", shard).ptr;
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    if (open_database(d, url, check, &conn) && check_schema(d, url, &schema_worker, check) &&
        check_schema(d, url, &schema_windlass, check))
        check_leader(d, conn, check);
}
