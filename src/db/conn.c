#include "db/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "base/mem.h"
#include "db/rows_priv.h"
#include "db/db_transaction_sql.h"
#include "db/sqlstate.h"
#include "db/statement_priv.h"
#include "db/url_priv.h"

enum { CONNECT_TIMEOUT_MS = 10 * 1000 };

struct db_conn {
    PGconn *pq;
    db_notice_fn *on_notice;
    void *notice_owner;
    char sqlstate[DB_SQLSTATE_LEN + 1];
    char constraint[DB_NAME_MAX + 1];
    int position, line; /* of the last error in its SQL: characters and lines, from 1; 0: unknown */
};

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void take_notice(void *owner, const PGresult *notice)
{
    struct db_conn *conn = owner;
    if (!conn->on_notice)
        return;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    conn->on_notice(conn->notice_owner, str_of_c(severity), str_of_c(message));
}

bool db_conn_open(const struct db_conn_options *options, struct db_conn **ret_conn, struct err *e)
{
    scoped(mem_freep) char *url = mem_cstr(options->url);
    if (!db_url_check(url, e))
        return false;
    int64_t timeout_ms =
        options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    scoped(db_conn_destroyp) struct db_conn *conn = mem_new(struct db_conn);
    conn->pq = db_url_connect(url, options->database,
                              text_or(options->application_name, "windlass"), timeout_ms);
    if (PQstatus(conn->pq) != CONNECTION_OK) {
        char reason[160];
        db_connection_reason(conn->pq, reason, sizeof reason);
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE, "no connection: %s", reason);
    }
    if (!db_session_check(conn->pq, e))
        return false;
    (void)PQsetNoticeReceiver(conn->pq, take_notice, conn);
    *ret_conn = take(conn);
    return true;
}

void db_conn_destroy(struct db_conn *conn)
{
    if (!conn)
        return;
    PQfinish(conn->pq);
    mem_free(conn);
}

/* Takes the result; `ret_rows` may be NULL. */
static bool finish(struct db_conn *conn, const char *purpose, PGresult *result,
                   struct db_rows **ret_rows, struct err *e)
{
    conn->sqlstate[0] = conn->constraint[0] = '\0';
    conn->position = conn->line = 0;
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        if (ret_rows)
            *ret_rows = db_rows_create(result);
        else
            PQclear(result);
        return true;
    }
    const char *sqlstate = text_or(PQresultErrorField(result, PG_DIAG_SQLSTATE), "");
    const char *constraint = text_or(PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME), "");
    int64_t position;
    if (str_to_i64(str_of_c(PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION)), &position))
        conn->position = (int)position;
    snprintf(conn->sqlstate, sizeof conn->sqlstate, "%s", sqlstate);
    snprintf(conn->constraint, sizeof conn->constraint, "%s", constraint);
    if (*sqlstate) {
        db_result_fail(result, purpose, e);
    } else {
        char reason[120];
        db_connection_reason(conn->pq, reason, sizeof reason);
        err_set_from(e, ERR_ORIGIN_DATABASE,
                     db_conn_is_broken(conn) ? ERR_UNAVAILABLE : ERR_INTERNAL, "%s: %s", purpose,
                     *reason ? reason : "the answer is none that a statement gives");
    }
    PQclear(result);
    return false;
}

/* The server counts characters, of one to four bytes. */
static int line_at(struct str sql, int position)
{
    int line = 1;
    for (size_t i = 0; i < sql.len && position > 1; i++) {
        bool ends_character = i + 1 == sql.len || (sql.ptr[i + 1] & 0xc0) != 0x80;
        line += sql.ptr[i] == '\n';
        position -= ends_character;
    }
    return line;
}

bool db_conn_exec(struct db_conn *conn, const char *purpose, struct str sql, struct err *e)
{
    scoped(mem_freep) char *text = mem_cstr(sql);
    if (finish(conn, purpose, PQexec(conn->pq, text), NULL, e))
        return true;
    if (conn->position > 0)
        conn->line = line_at(sql, conn->position);
    return false;
}

static bool query(struct db_conn *conn, const char *purpose, const char *sql, const uint32_t *oids,
                  const struct db_args *args, struct db_rows **ret_rows, struct err *e)
{
    int count = args ? (int)args->count : 0;
    struct args_formats formats;
    return finish(conn, purpose,
                  PQexecParams(conn->pq, sql, count, oids, args ? args->values : NULL,
                               args ? args->lengths : NULL, args_formats(args, &formats), 0),
                  ret_rows, e);
}

bool db_conn_query(struct db_conn *conn, const char *purpose, struct str sql,
                   const struct db_args *args, struct db_rows **ret_rows, struct err *e)
{
    if (args && args->failure.code) {
        *e = args->failure;
        return err_in(e, "%s", purpose);
    }
    scoped(mem_freep) char *text = mem_cstr(sql);
    return query(conn, purpose, text, NULL, args, ret_rows, e);
}

bool db_conn_run(struct db_conn *conn, const struct db_statement *statement,
                 const struct db_args *args, struct db_rows **ret_rows, struct err *e)
{
    return db_args_check(args, statement, e) &&
           query(conn, statement->name, statement->sql, statement->oids, args, ret_rows, e);
}

/* The unnamed statement: nothing stays behind on the connection. */
bool db_conn_check(struct db_conn *conn, const struct db_statement *statement, struct err *e)
{
    if (!finish(conn, statement->name,
                PQprepare(conn->pq, "", statement->sql, statement->param_count, statement->oids),
                NULL, e))
        return false;
    PGresult *described = PQdescribePrepared(conn->pq, "");
    int count = PQnparams(described);
    if (!finish(conn, statement->name, described, NULL, e))
        return false;
    if (count != statement->param_count)
        return err_set(e, ERR_INTERNAL, "%s: the SQL uses %d parameters, its header names %d",
                       statement->name, count, statement->param_count);
    return true;
}

bool db_conn_begin(struct db_conn *conn, struct err *e)
{
    return db_conn_exec(conn, "begin", STR("BEGIN"), e);
}

/* The mode can be changed until the first query, which the setting is. */
bool db_conn_begin_read_only(struct db_conn *conn, struct err *e)
{
    const struct db_args args = { .count = 2, .values = { "default_transaction_read_only", "on" } };
    return db_conn_exec(conn, "begin", STR("BEGIN READ ONLY"), e) &&
           db_conn_run(conn, &db_transaction_set, &args, NULL, e);
}

/* COMMIT of a failed transaction rolls it back and reports success under that name. */
bool db_conn_commit(struct db_conn *conn, struct err *e)
{
    bool is_failed = PQtransactionStatus(conn->pq) == PQTRANS_INERROR;
    if (!db_conn_exec(conn, "commit", STR("COMMIT"), e))
        return false;
    return !is_failed || err_set_from(e, ERR_ORIGIN_DATABASE, ERR_INTERNAL,
                                      "commit: the transaction had failed and was rolled back");
}

void db_conn_rollback(struct db_conn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn->pq);
    if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
        PQclear(PQexec(conn->pq, "ROLLBACK"));
}

static bool set_timeout(struct db_conn *conn, const char *name, int64_t timeout_ms, struct err *e)
{
    char value[24];
    snprintf(value, sizeof value, "%" PRId64, timeout_ms);
    struct db_args args = { .count = 2, .values = { name, value } };
    return db_conn_run(conn, &db_transaction_set, &args, NULL, e);
}

bool db_conn_lock(struct db_conn *conn, int64_t key, int64_t timeout_ms, struct err *e)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, key);
    struct db_args args = { .count = 1, .values = { text } };
    return set_timeout(conn, "lock_timeout", timeout_ms, e) &&
           db_conn_run(conn, &db_transaction_lock, &args, NULL, e) &&
           set_timeout(conn, "lock_timeout", 0, e);
}

bool db_conn_limit(struct db_conn *conn, int64_t timeout_ms, struct err *e)
{
    return set_timeout(conn, "statement_timeout", timeout_ms, e);
}

void db_conn_on_notice(struct db_conn *conn, db_notice_fn *fn, void *owner)
{
    conn->on_notice = fn;
    conn->notice_owner = owner;
}

const char *db_conn_sqlstate(const struct db_conn *conn)
{
    return conn->sqlstate;
}

const char *db_conn_constraint(const struct db_conn *conn)
{
    return conn->constraint;
}

int db_conn_line(const struct db_conn *conn)
{
    return conn->line;
}

int db_conn_server_version(const struct db_conn *conn)
{
    return PQserverVersion(conn->pq);
}

bool db_conn_is_broken(const struct db_conn *conn)
{
    return PQstatus(conn->pq) != CONNECTION_OK;
}

/* ── row by row ── */

static void cancel(struct db_conn *conn)
{
    char ignored[64];
    PGcancel *handle = PQgetCancel(conn->pq);
    if (handle)
        (void)PQcancel(handle, ignored, sizeof ignored); /* else it goes on to its time-out */
    PQfreeCancel(handle);
}

/* Waits until a result can be taken. False: it shall stop, or the connection broke. */
static bool await_result(struct db_conn *conn, int stop_fd)
{
    while (PQisBusy(conn->pq)) {
        struct pollfd fds[] = { { .fd = PQsocket(conn->pq), .events = POLLIN },
                                { .fd = stop_fd, .events = POLLIN } };
        if (poll(fds, countof(fds), -1) < 0 && errno != EINTR)
            return false;
        if (fds[1].revents != 0 || PQconsumeInput(conn->pq) == 0)
            return false;
    }
    return true;
}

/* What is left of an answer that nobody wants any more. */
static void skip_results(struct db_conn *conn)
{
    for (PGresult *result; (result = PQgetResult(conn->pq)); PQclear(result)) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COPY_OUT && status != PGRES_COPY_IN && status != PGRES_COPY_BOTH)
            continue;
        PQclear(result); /* libpq would give it for ever */
        return;
    }
}

static bool hand_row(const struct db_stream *stream, PGresult *result)
{
    struct db_rows *row = db_rows_create(result);
    bool is_more_wanted = stream->on_row(stream->owner, row);
    db_rows_unref(row);
    return is_more_wanted;
}

static bool receive(struct db_conn *conn, const struct db_stream *stream, struct db_rows **ret_rows,
                    struct err *e)
{
    bool is_wanted = true;
    for (;;) {
        if (!await_result(conn, stream->stop_fd)) {
            bool is_broken = db_conn_is_broken(conn);
            cancel(conn);
            skip_results(conn);
            return err_set_from(e, ERR_ORIGIN_DATABASE, is_broken ? ERR_UNAVAILABLE : ERR_CANCELLED,
                                "%s: %s", stream->purpose,
                                is_broken ? "the connection was lost" : "cancelled");
        }
        PGresult *result = PQgetResult(conn->pq);
        if (PQresultStatus(result) != PGRES_SINGLE_TUPLE) {
            bool ok = finish(conn, stream->purpose, result, ret_rows, e);
            skip_results(conn);
            return ok;
        }
        if (is_wanted)
            is_wanted = hand_row(stream, result);
        else
            PQclear(result);
        if (is_wanted || !stream->is_cancelled_early)
            continue;
        cancel(conn);
        skip_results(conn);
        *ret_rows = NULL;
        return true;
    }
}

bool db_conn_stream(struct db_conn *conn, const struct db_stream *stream, struct db_rows **ret_rows,
                    struct err *e)
{
    const struct db_args *args = stream->args;
    struct args_formats formats;
    scoped(mem_freep) char *sql = mem_cstr(stream->sql);
    if (args && args->failure.code) {
        *e = args->failure;
        return err_in(e, "%s", stream->purpose);
    }
    if (PQsendQueryParams(conn->pq, sql, args ? (int)args->count : 0, NULL,
                          args ? args->values : NULL, args ? args->lengths : NULL,
                          args_formats(args, &formats), 0) == 0 ||
        PQsetSingleRowMode(conn->pq) == 0)
        return finish(conn, stream->purpose, NULL, NULL, e);
    return receive(conn, stream, ret_rows, e);
}

static struct str quote(struct arena *a, struct str text, char mark)
{
    assert(!text.len || !memchr(text.ptr, '\0', text.len));
    char *quoted = arena_alloc(a, text.len * 2 + 3);
    size_t len = 0;
    quoted[len++] = mark;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == mark)
            quoted[len++] = mark;
        quoted[len++] = text.ptr[i];
    }
    quoted[len++] = mark;
    return str_of(quoted, len);
}

struct str db_quote_name(struct arena *a, struct str name)
{
    return quote(a, name, '"');
}

/* Backslashes are plain since standard_conforming_strings became the default (9.1). */
struct str db_quote_text(struct arena *a, struct str text)
{
    return quote(a, text, '\'');
}
