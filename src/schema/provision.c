#include "schema/provision.h"

#include "base/arena.h"
#include "db/conn.h"

enum { ARENA_BYTES = 64 * 1024 };

/* Passwords stand in these statements, so the server is told not to log them. */
static bool make_roles(struct db_conn *conn, struct arena *a, const struct schema_role *roles,
                       size_t role_count, struct err *e)
{
    struct str sql = STR("SET log_statement = 'none'; SET log_min_error_statement = 'panic'; "
                         "SET log_min_duration_statement = -1;");
    for (size_t i = 0; i < role_count; i++) {
        struct str name = db_quote_name(a, roles[i].name);
        sql = arena_printf(a,
                           "%.*s\nDO $$ BEGIN CREATE ROLE %.*s LOGIN; EXCEPTION WHEN "
                           "duplicate_object THEN NULL; END $$;\nALTER ROLE %.*s PASSWORD %.*s;",
                           STR_FMT(sql), STR_FMT(name), STR_FMT(name),
                           STR_FMT(db_quote_text(a, roles[i].password)));
    }
    return db_conn_exec(conn, "make roles", sql, e);
}

bool schema_has_database(struct db_conn *conn, struct str database, bool *ret_has_it, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    struct db_args *args = db_args_create(a);
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    db_args_text(args, database);
    if (!db_conn_query(conn, "find database",
                       STR("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1"), args, &rows,
                       e))
        return false;
    *ret_has_it = db_rows_count(rows) > 0;
    return true;
}

bool schema_provision(struct db_conn *conn, struct str database, const struct schema_role *roles,
                      size_t role_count, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    struct str name = db_quote_name(a, database);
    bool has_it = false;
    assert(role_count > 0);
    if (!make_roles(conn, a, roles, role_count, e) ||
        !schema_has_database(conn, database, &has_it, e))
        return false;
    struct str create = arena_printf(a, "CREATE DATABASE %.*s OWNER %.*s", STR_FMT(name),
                                     STR_FMT(db_quote_name(a, roles[0].name)));
    if (!has_it && !db_conn_exec(conn, "create database", create, e))
        return false;
    struct str grants = arena_printf(a, "REVOKE ALL ON DATABASE %.*s FROM PUBLIC;", STR_FMT(name));
    for (size_t i = 1; i < role_count; i++)
        grants =
            arena_printf(a, "%.*s\nGRANT CONNECT, TEMPORARY ON DATABASE %.*s TO %.*s;",
                         STR_FMT(grants), STR_FMT(name), STR_FMT(db_quote_name(a, roles[i].name)));
    return db_conn_exec(conn, "grant connect", grants, e);
}
