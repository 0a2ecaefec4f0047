#include "schema/server.h"

#include "db/conn.h"
#include "schema/server_sql.h"

enum column {
    ENCODING,
    IS_CRASH_SAFE,
    IS_COMMIT_KEPT,
    IS_READ_ONLY,
    CONNECTIONS_MAX,
    CONNECTIONS,
    LONGEST_TRANSACTION_S,
    SIZE_BYTES,
    NOW
};

bool schema_server_look(struct db_conn *conn, struct schema_server *ret_server, struct err *e)
{
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(conn, &server_look, NULL, &rows, e))
        return false;
    *ret_server = (struct schema_server){
        .version = db_conn_server_version(conn),
        .is_utf8 = str_eq_c(db_rows_text(rows, 0, ENCODING), "UTF8"),
        .is_crash_safe = db_rows_bool(rows, 0, IS_CRASH_SAFE),
        .is_commit_kept = db_rows_bool(rows, 0, IS_COMMIT_KEPT),
        .is_read_only = db_rows_bool(rows, 0, IS_READ_ONLY),
        .connections_max = db_rows_i64(rows, 0, CONNECTIONS_MAX),
        .connections = db_rows_i64(rows, 0, CONNECTIONS),
        .longest_transaction_s = db_rows_i64(rows, 0, LONGEST_TRANSACTION_S),
        .size_bytes = db_rows_i64(rows, 0, SIZE_BYTES),
        .now_us = db_rows_time(rows, 0, NOW),
    };
    return true;
}

bool schema_server_leader(struct db_conn *conn, struct schema_leader *ret_leader, struct err *e)
{
    enum { LEADER, IS_HELD };
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(conn, &server_leader, NULL, &rows, e))
        return false;
    struct schema_leader leader = { .was_led = db_rows_count(rows) > 0 };
    if (leader.was_led) {
        leader.is_held = db_rows_bool(rows, 0, IS_HELD);
        snprintf(leader.name, sizeof leader.name, "%.*s", STR_FMT(db_rows_text(rows, 0, LEADER)));
    }
    *ret_leader = leader;
    return true;
}
