/*
 * conn: one blocking connection, for work at start-up and for tools (schema, migrate, doctor,
 * psql, the command line, tests). Services answer requests through db/pool.h.
 *
 * URL: whatever libpq takes, "postgresql://user:secret@h1,h2/db?target_session_attrs=read-write"
 * or "host=/run/x dbname=y". Errors name the purpose given with a statement; they never hold a
 * value or a password.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "db/rows.h"
#include "db/statement.h"

struct db_conn;

struct db_conn_options {
    struct str url;
    const char *application_name; /* seen in pg_stat_activity; NULL: "windlass" */
    const char *database;         /* instead of the URL's; NULL: that one */
    int64_t connect_timeout_ms;   /* for each host and address, rounded up to seconds; 0: 10 s */
};

/* Errors: INVALID for the URL; UNAVAILABLE, origin DATABASE, with libpq's reason. */
[[nodiscard]] bool db_conn_open(const struct db_conn_options *options, struct db_conn **ret_conn,
                                struct err *e);
void db_conn_destroy(struct db_conn *conn); /* accepts NULL; rolls an open transaction back */
DEFINE_SCOPED(db_conn);

/*
 * Runs SQL without values; it may hold several statements, which then are one transaction unless
 * it says otherwise. `purpose` ("create table users") begins the error's text.
 */
[[nodiscard]] bool db_conn_exec(struct db_conn *conn, const char *purpose, struct str sql,
                                struct err *e);
/* Runs one statement with values (NULL: none). Owns: the caller unrefs the rows (may be NULL). */
[[nodiscard]] bool db_conn_query(struct db_conn *conn, const char *purpose, struct str sql,
                                 const struct db_args *args, struct db_rows **ret_rows,
                                 struct err *e);
/* The same for a statement with a name, which is its purpose. */
[[nodiscard]] bool db_conn_run(struct db_conn *conn, const struct db_statement *statement,
                               const struct db_args *args, struct db_rows **ret_rows,
                               struct err *e);
/*
 * Has the server parse and plan the statement and compares its parameters: what the test of all
 * .sql files calls. Errors: INTERNAL with the server's message.
 */
[[nodiscard]] bool db_conn_check(struct db_conn *conn, const struct db_statement *statement,
                                 struct err *e);

[[nodiscard]] bool db_conn_begin(struct db_conn *conn, struct err *e);
/* One in which nothing can be written, nor the mode be changed, whatever its statements say. */
[[nodiscard]] bool db_conn_begin_read_only(struct db_conn *conn, struct err *e);
[[nodiscard]] bool db_conn_commit(struct db_conn *conn, struct err *e);
/* Harmless outside a transaction and on a broken connection. */
void db_conn_rollback(struct db_conn *conn);

/*
 * Waits for the advisory lock, which ends with the transaction. For locks among our own programs:
 * keys are listed in docs/operations.md.   Errors: TIMEOUT.
 */
[[nodiscard]] bool db_conn_lock(struct db_conn *conn, int64_t key, int64_t timeout_ms,
                                struct err *e);
/* statement_timeout for the rest of this transaction; 0: none. */
[[nodiscard]] bool db_conn_limit(struct db_conn *conn, int64_t timeout_ms, struct err *e);

/* `row` holds one, valid during the call. False: no more is wanted. */
typedef bool db_row_fn(void *owner, const struct db_rows *row);

struct db_stream {
    const char *purpose;
    struct str sql;
    const struct db_args *args; /* NULL: none */
    db_row_fn *on_row;
    void *owner;
    int stop_fd;             /* readable: the statement is cancelled; -1: never */
    bool is_cancelled_early; /* when no more is wanted; else the rest is read and thrown away */
};

/*
 * Runs one statement, by the protocol that takes no second one, row by row: a long answer is never
 * held. `ret_rows` has the columns and db_rows_affected, of a cancelled one NULL.
 * Errors: as db_conn_query; CANCELLED by stop_fd.   Owns: the caller unrefs the rows.
 */
[[nodiscard]] bool db_conn_stream(struct db_conn *conn, const struct db_stream *stream,
                                  struct db_rows **ret_rows, struct err *e);

/* NOTICE, WARNING and the like, as they come; `severity` as the server spells it. */
typedef void db_notice_fn(void *owner, struct str severity, struct str message);
void db_conn_on_notice(struct db_conn *conn, db_notice_fn *fn, void *owner);

/* Of the last failed call: "" where the server did not say. */
[[nodiscard]] const char *db_conn_sqlstate(const struct db_conn *conn);
[[nodiscard]] const char *db_conn_constraint(const struct db_conn *conn);
/* Of the last failed db_conn_exec: the line of its SQL, from 1; 0 where the server did not say. */
[[nodiscard]] int db_conn_line(const struct db_conn *conn);

/* 150020 for 15.20. */
[[nodiscard]] int db_conn_server_version(const struct db_conn *conn);
[[nodiscard]] bool db_conn_is_broken(const struct db_conn *conn);

/* `"name"`, as an identifier in SQL; for names that come from a table of ours or of the server. */
[[nodiscard]] struct str db_quote_name(struct arena *a, struct str name);
/* `'text'`, as a literal; for DDL, where values cannot be parameters. No U+0000. */
[[nodiscard]] struct str db_quote_text(struct arena *a, struct str text);

/* "host=… port=… dbname=… user=…" for logs and doctor: no password. Errors: INVALID. */
[[nodiscard]] bool db_url_describe(struct arena *a, struct str url, struct str *ret_text,
                                   struct err *e);
/*
 * The URL as libpq's own variables, "PGHOST=…", "PGPASSWORD=…", in the arena and ended by NULL: for
 * programs such as psql, whose arguments everybody can read. Errors: INVALID.
 */
[[nodiscard]] bool db_url_variables(struct arena *a, struct str url,
                                    const char *const **ret_variables, struct err *e);
