/*
 * sql: one statement on a named database, on a thread of its own with a connection of its own, so
 * that nothing of it stays behind. Members, connections and result: docs/task-types.md.
 *
 *   connect --> BEGIN [READ ONLY], time-out --> the statement, row by row --> COMMIT --> told
 *      a cancelled attempt: stop_fd --> the thread cancels the statement, and ends by itself
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/conn.h"
#include "db/sqlstate.h"
#include "io/detached.h"
#include "json/check.h"
#include "payload/inputs.h"
#include "runner/runner_priv.h"
#include "runner/tail.h"
#include "runner/types_priv.h"

enum {
    CONNECT_TIMEOUT_MS = 10'000,
    ROWS_BYTES_MAX = 128 << 10, /* of the rows as JSON; the worker bounds results */
    CELL_ARENA_BYTES = 4 << 20,
    RESULT_LEVELS = 3, /* of the result, around a cell */
};

/* The thread's, until it is done. */
struct work {
    struct arena *arena; /* of what follows */
    struct sql_connection connection;
    struct str statement;
    struct db_args *args;
    int64_t rows_max, timeout_ms;
    int stop_fd;
    /* What it found. */
    struct buf columns, rows; /* JSON, without the brackets */
    size_t row_count;
    struct buf result; /* JSON */
    bool is_truncated, is_done, may_go_well;
    char sqlstate[DB_SQLSTATE_LEN + 1];
    struct err err;
};

struct state {
    struct io_detached *thread; /* NULL: none */
    struct work *work;
};

/* ── cells ── */

static bool is_numeric(uint32_t oid)
{
    enum { OID = 26, FLOAT4 = 700, NUMERIC = 1700 };
    return oid == DB_OID_INT2 || oid == DB_OID_INT4 || oid == DB_OID_INT8 || oid == OID ||
           oid == FLOAT4 || oid == DB_OID_FLOAT8 || oid == NUMERIC;
}

/* A database whose encoding is SQL_ASCII gives any bytes. */
static struct str valid(struct arena *a, struct str text)
{
    if (str_is_utf8(text))
        return text;
    struct buf out;
    buf_init(&out, 0);
    tail_put_valid(&out, text);
    struct str copy = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return copy;
}

/* What PostgreSQL's type says where JSON has the like, else its text. */
static void put_cell(struct json_writer *w, const struct db_rows *row, size_t column)
{
    uint32_t oid = db_rows_column_oid(row, column);
    struct str text = db_rows_text(row, 0, column);
    bool may_be_json = oid == DB_OID_JSON || oid == DB_OID_JSONB || is_numeric(oid);
    scoped(arena_destroyp) struct arena *a = arena_create(CELL_ARENA_BYTES);
    const struct json_value *value;
    struct err ignored;
    if (db_rows_is_null(row, 0, column))
        json_write_null(w);
    else if (oid == DB_OID_BOOL)
        json_write_bool(w, str_eq_c(text, "t"));
    else if (may_be_json && json_parse_carrier(a, text, -RESULT_LEVELS, &value, &ignored))
        json_write_value(w, value); /* NaN and Infinity are none */
    else
        json_write_string(w, valid(a, text));
}

static void note_columns(struct work *work, const struct db_rows *rows)
{
    if (work->columns.len > 0)
        return;
    for (size_t i = 0; i < db_rows_columns(rows); i++) {
        if (i > 0)
            buf_put_char(&work->columns, ',');
        json_put_string(&work->columns, valid(work->arena, str_of_c(db_rows_column_name(rows, i))));
    }
}

static bool on_row(void *owner, const struct db_rows *row)
{
    struct work *work = owner;
    size_t before = work->rows.len;
    note_columns(work, row);
    if (work->row_count >= (size_t)work->rows_max) {
        work->is_truncated = true;
        return false;
    }
    if (before > 0)
        buf_put_char(&work->rows, ',');
    struct json_writer w = json_writer_to(&work->rows);
    json_begin_array(&w);
    for (size_t i = 0; i < db_rows_columns(row); i++)
        put_cell(&w, row, i);
    json_end_array(&w);
    if (work->rows.len > ROWS_BYTES_MAX) {
        work->rows.len = before;
        work->is_truncated = true;
        return false;
    }
    work->row_count++;
    return true;
}

static void put_array(struct json_writer *w, struct str key, const struct buf *items)
{
    json_key(w, key);
    json_begin_array(w);
    if (items->len > 0)
        json_write_raw(w, buf_str(items));
    json_end_array(w);
}

/* ── on the thread ── */

/* `rows` NULL: it was cancelled when it had given enough. */
static void write_result(struct work *work, const struct db_rows *rows, int64_t started_us)
{
    struct json_writer w = json_writer_to(&work->result);
    json_begin_object(&w);
    if (rows)
        note_columns(work, rows);
    put_array(&w, STR("columns"), &work->columns);
    put_array(&w, STR("rows"), &work->rows);
    json_key_c(&w, "row_count");
    if (rows)
        json_write_u64(&w, db_rows_affected(rows));
    else
        json_write_null(&w);
    json_key_c(&w, "is_truncated");
    json_write_bool(&w, work->is_truncated);
    json_key_c(&w, "duration_ms");
    json_write_i64(&w, (clock_mono_us() - started_us) / CLOCK_MS);
    json_end_object(&w);
}

static bool run(struct work *work, struct db_conn *conn, struct err *e)
{
    int64_t started_us = clock_mono_us();
    struct db_rows *rows = NULL;
    const struct db_stream stream = {
        .purpose = "sql",
        .sql = work->statement,
        .args = work->args,
        .on_row = on_row,
        .owner = work,
        .stop_fd = work->stop_fd,
        .is_cancelled_early = work->connection.is_read_only,
    };
    bool is_begun =
        work->connection.is_read_only ? db_conn_begin_read_only(conn, e) : db_conn_begin(conn, e);
    if (!is_begun || !db_conn_limit(conn, work->timeout_ms, e) ||
        !db_conn_stream(conn, &stream, &rows, e))
        return false;
    write_result(work, rows, started_us);
    if (!rows) {
        db_conn_rollback(conn); /* there is nothing to keep */
        return true;
    }
    db_rows_unref(rows);
    return db_conn_commit(conn, e);
}

/* Whether it may go well another time. */
static bool is_retriable(const struct work *work, bool is_broken)
{
    const char *state = work->sqlstate;
    if (strcmp(state, "25006") == 0) /* to write where only reading is allowed: here or by us */
        return !work->connection.is_read_only;
    if (strcmp(state, "08P01") == 0) /* not as many parameters as the statement has */
        return is_broken;
    return is_broken || work->err.code == ERR_TIMEOUT || db_sqlstate_is_retriable(state) ||
           db_sqlstate_is_outage(state) || db_sqlstate_code(state) == ERR_UNAVAILABLE;
}

static void do_work(void *data)
{
    struct work *work = data;
    const struct db_conn_options options = { .url = work->connection.url,
                                             .application_name = "windlass-runner",
                                             .connect_timeout_ms = CONNECT_TIMEOUT_MS };
    struct db_conn *conn = NULL;
    if (!db_conn_open(&options, &conn, &work->err)) {
        work->may_go_well = true;
        return;
    }
    work->is_done = run(work, conn, &work->err);
    if (!work->is_done) {
        snprintf(work->sqlstate, sizeof work->sqlstate, "%s", db_conn_sqlstate(conn));
        work->may_go_well = is_retriable(work, db_conn_is_broken(conn));
    }
    db_conn_destroy(conn);
}

/* Of the thread's end, whoever is there to see it. */
static void discard(void *data)
{
    struct work *work = data;
    (void)close(work->stop_fd);
    buf_clear(&work->columns);
    buf_clear(&work->rows);
    buf_clear(&work->result);
    arena_destroy(work->arena);
}

/* ── on the loop ── */

static void done(void *owner)
{
    struct attempt *t = owner;
    struct state *state = t->state;
    const struct work *work = state->work;
    state->thread = NULL; /* it has begun to go */
    if (work->is_done) {
        attempt_complete(t, buf_str(&work->result));
        return;
    }
    struct str error = arena_printf(t->arena, "%s%s%s%s", work->err.message,
                                    work->sqlstate[0] ? " (SQLSTATE " : "", work->sqlstate,
                                    work->sqlstate[0] ? ")" : "");
    if (work->may_go_well)
        attempt_fail(t, error, 0);
    else
        attempt_fail_for_good(t, error);
}

static struct db_args *copy_params(struct arena *a, const struct payload_sql_input *input)
{
    struct db_args *args = db_args_create(a);
    for (size_t i = 0; i < input->param_count; i++) {
        if (input->params[i].ptr)
            db_args_text(args, input->params[i]);
        else
            db_args_null(args);
    }
    return args;
}

static struct work *make_work(const struct payload_sql_input *input,
                              const struct sql_connection *connection)
{
    struct arena *a = arena_create(0);
    struct work *work = arena_new(a, struct work);
    work->arena = a;
    work->connection = *connection;
    work->connection.url = arena_copy(a, connection->url);
    work->statement = arena_copy(a, input->statement);
    work->args = copy_params(a, input);
    work->rows_max =
        input->rows_max > 0 ? min_of(input->rows_max, connection->rows_max) : connection->rows_max;
    work->timeout_ms = input->timeout_ms > 0 ? min_of(input->timeout_ms, connection->timeout_ms)
                                             : connection->timeout_ms;
    work->stop_fd = eventfd(0, EFD_CLOEXEC);
    buf_init(&work->columns, 0);
    buf_init(&work->rows, 0);
    buf_init(&work->result, 0);
    return work;
}

static void start(struct attempt *t)
{
    const struct payload_sql_input *input = t->input;
    struct state *state = arena_new(t->arena, struct state);
    const struct sql_connection *connection =
        sql_connections_find(t->runner->sql_connections, input->connection);
    t->state = state;
    if (!connection) {
        attempt_fail_for_good(t, STR("$.connection: this runner has no connection of that name"));
        return;
    }
    state->work = make_work(input, connection);
    const struct io_detached_spec spec = {
        .work = do_work, .done = done, .discard = discard, .data = state->work, .owner = t
    };
    state->thread = io_detached_start(t->runner->loop, &spec);
    if (!state->thread)
        attempt_fail(t, STR("no thread or descriptor is left"), 0);
}

static void stop(struct attempt *t)
{
    const struct state *state = t->state;
    if (!state->thread)
        return;
    (void)eventfd_write(state->work->stop_fd, 1);
    io_detached_abandon(state->thread);
}

static bool is_offered(const struct runner *r)
{
    return r->sql_connections != NULL;
}

const struct task_type task_type_sql = {
    .schema = &payload_sql,
    .is_offered = is_offered,
    .start = start,
    .stop = stop,
};
