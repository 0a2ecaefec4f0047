#include "support/rig.h"

/* LOOK_US: as much of WAIT_US passes between two looks at most: a machine may be paused as a whole.
 */
enum { WAIT_US = 150 * CLOCK_S, LOOK_US = 10 * CLOCK_S, TICK_MS = 5 };

_Noreturn static void like_printf(1, 2) die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("rig: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

static void note_state(void *owner, bool is_up, const struct err *why)
{
    struct rig *rig = owner;
    assert(is_up == (why == NULL));
    rig->is_up = is_up;
    rig->ups += is_up;
    rig->downs += !is_up;
}

static void stop_loop(void *owner)
{
    io_loop_stop(((struct rig *)owner)->loop);
}

void rig_init_down(struct rig *rig, const char *url, const struct db_pool_options *options)
{
    *rig = (struct rig){ .loop = io_loop_create(), .arena = arena_create(1 << 20) };
    rig->tick = io_timer_create(rig->loop, stop_loop, rig);
    struct db_pool_options own = options ? *options : db_pool_defaults();
    own.url = str_of_c(url);
    own.on_state = note_state;
    own.owner = rig;
    struct err e = { 0 };
    if (!db_pool_create(rig->loop, &own, &rig->pool, &e))
        die("%s", err_text(&e));
}

void rig_init(struct rig *rig, const char *url, const struct db_pool_options *options)
{
    rig_init_down(rig, url, options);
    rig_wait_up(rig);
}

void rig_clear(struct rig *rig)
{
    db_pool_destroy(rig->pool);
    io_timer_destroy(rig->tick);
    io_loop_destroy(rig->loop);
    arena_destroy(rig->arena);
}

void rig_wait(struct rig *rig, rig_fact_fn *is_reached, void *owner)
{
    int64_t waited_us = 0, last_us = clock_mono_us();
    io_timer_repeat(rig->tick, TICK_MS);
    while (!is_reached(owner)) {
        io_loop_run(rig->loop);
        int64_t now_us = clock_mono_us();
        waited_us += min_of(now_us - last_us, (int64_t)LOOK_US);
        last_us = now_us;
        if (waited_us > WAIT_US)
            die("%s", "it never came true");
    }
    io_timer_stop(rig->tick);
}

static bool all_are_open(void *owner)
{
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        struct db_lane_stats stats = rig_stats(owner, (enum db_lane)i);
        if (stats.connections_open < stats.connections)
            return false;
    }
    return true;
}

void rig_wait_up(struct rig *rig)
{
    rig_wait(rig, all_are_open, rig);
    assert(db_pool_is_up(rig->pool));
}

struct calls {
    const struct rig_call *items;
    size_t count;
};

static bool all_done(void *owner)
{
    const struct calls *calls = owner;
    for (size_t i = 0; i < calls->count; i++)
        if (!calls->items[i].is_done)
            return false;
    return true;
}

void rig_wait_calls(struct rig *rig, struct rig_call *calls, size_t count)
{
    rig_wait(rig, all_done, &(struct calls){ calls, count });
}

void rig_wait_call(struct rig *rig, struct rig_call *call)
{
    rig_wait_calls(rig, call, 1);
}

static bool is_past(void *until_us)
{
    return clock_mono_us() >= *(int64_t *)until_us;
}

void rig_run(struct rig *rig, int64_t ms)
{
    int64_t until_us = clock_mono_us() + ms * CLOCK_MS;
    rig_wait(rig, is_past, &until_us);
}

struct db_step rig_step(struct rig *rig, const char *sql, size_t count, const char *const *values)
{
    uint32_t oids[DB_PARAMS_MAX] = { 0 };
    struct db_args *args = db_args_create(rig->arena);
    for (size_t i = 0; i < count; i++)
        db_args_text(args, str_of_c(values[i]));
    return (struct db_step){ db_statement_compose(rig->arena, str_of_c(sql), oids, count), args };
}

static void on_reply(void *owner, const struct db_reply *reply)
{
    struct rig_call *call = owner;
    assert(!call->is_done);
    call->is_done = true;
    call->is_in_doubt = reply->is_in_doubt;
    snprintf(call->sqlstate, sizeof call->sqlstate, "%s", reply->sqlstate);
    snprintf(call->constraint, sizeof call->constraint, "%s", reply->constraint);
    if (reply->err) {
        call->code = reply->err->code;
        call->origin = reply->err->origin;
        snprintf(call->message, sizeof call->message, "%s", err_text(reply->err));
    } else {
        struct db_rows *last = reply->rows[reply->rows_count - 1];
        call->results = reply->rows_count;
        call->rows = db_rows_count(last);
        if (call->rows && db_rows_columns(last))
            snprintf(call->value, sizeof call->value, "%.*s",
                     STR_FMT(str_first(db_rows_text(last, 0, 0), sizeof call->value - 1)));
    }
    io_loop_stop(call->rig->loop);
}

bool rig_start(struct rig *rig, enum db_lane lane, const struct db_step *steps, size_t count,
               int64_t timeout_ms, bool is_idempotent, struct rig_call *call)
{
    *call = (struct rig_call){ .rig = rig };
    struct err e = { 0 };
    if (db_pool_call(rig->pool,
                     &(struct db_call){ .lane = lane,
                                        .steps = steps,
                                        .step_count = count,
                                        .deadline_us = clock_mono_us() + timeout_ms * CLOCK_MS,
                                        .is_idempotent = is_idempotent,
                                        .goes_first = rig->goes_first,
                                        .fn = on_reply,
                                        .owner = call },
                     &call->request, &e))
        return true;
    call->is_done = true;
    call->code = e.code;
    call->origin = e.origin;
    snprintf(call->message, sizeof call->message, "%s", err_text(&e));
    return false;
}

void rig_ask(struct rig *rig, enum db_lane lane, const char *sql, struct rig_call *call)
{
    struct db_step step = rig_step(rig, sql, 0, NULL);
    (void)rig_start(rig, lane, &step, 1, RIG_LONG_MS, false, call);
    rig_wait_call(rig, call);
}

static struct db_conn *open_conn(const char *url)
{
    struct err e = { 0 };
    struct db_conn *conn = NULL;
    if (!db_conn_open(&(struct db_conn_options){ .url = str_of_c(url) }, &conn, &e))
        die("%s", err_text(&e));
    return conn;
}

int64_t rig_look(const char *url, const char *sql)
{
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(url);
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    struct err e = { 0 };
    if (!db_conn_query(conn, "look", str_of_c(sql), NULL, &rows, &e))
        die("%s", err_text(&e));
    return db_rows_i64(rows, 0, 0);
}

void rig_do(const char *url, const char *sql)
{
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(url);
    struct err e = { 0 };
    if (!db_conn_exec(conn, "set up", str_of_c(sql), &e))
        die("%s", err_text(&e));
}

struct db_lane_stats rig_stats(const struct rig *rig, enum db_lane lane)
{
    struct db_lane_stats stats;
    db_pool_stats(rig->pool, lane, &stats);
    return stats;
}
