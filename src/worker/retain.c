#include "worker/retain.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/queue/batch_sql.h"
#include "store/queue/inbox_sql.h"
#include "store/queue/retain_sql.h"
#include "store/queue/tick_sql.h"
#include "worker/retain_priv.h"
#include "worker/tick.h"

enum {
    FIRST_MS = 2'000,
    LOOK_MS = 1'000, /* for room in the log */
    PASSES_IN = 60,  /* looks between two passes over what is old */
    DAYS_AHEAD = 7,
    LOG_PARTS_AHEAD = 3,
    CALL_MS = 30'000,
};

const struct db_args *retain_days_to_make(const struct shard *s, struct arena *a)
{
    int64_t now_us = clock_wall_us();
    return retain_day_make_args(a, (int32_t)((now_us - s->options.id_past_us) / CLOCK_DAY_US - 1),
                                (int32_t)(now_us / CLOCK_DAY_US + DAYS_AHEAD), RETAIN_DAYS_AT_ONCE);
}

/* ── calls ── */

void retain_look_in(struct retain *t, int64_t ms)
{
    if (t->is_on)
        io_timer_start(t->timer, ms);
}

void retain_end_pass(struct retain *t)
{
    t->is_busy = false;
    retain_look_in(t, LOOK_MS);
}

void retain_call(struct retain *t, enum db_lane lane, const struct db_step *steps, size_t count,
                 db_reply_fn *fn)
{
    struct err e;
    const struct db_call c = { .lane = lane,
                               .steps = steps,
                               .step_count = count,
                               .deadline_us = clock_mono_us() + CALL_MS * CLOCK_MS,
                               .fn = fn,
                               .owner = t };
    if (db_pool_call(t->s->pool, &c, &t->call, &e))
        return;
    t->call = NULL;
    retain_end_pass(t);
}

void retain_ask(struct retain *t, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    const struct db_step step = { statement, args };
    retain_call(t, DB_LANE_SLOW, &step, 1, fn);
}

bool retain_answered(struct retain *t, const struct db_reply *reply)
{
    t->call = NULL;
    if (!reply->err)
        return true;
    log_warn("retain.failed", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    retain_end_pass(t);
    return false;
}

/* ── the log ── */

static void log_dropped(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
        return;
    log_info("retain.log_dropped", "part=%lld", (long long)t->log_part);
    retain_end_pass(t);
}

static void newest_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
        return;
    int64_t newest_us = db_rows_i64(reply->rows[0], 0, 0);
    if (newest_us > t->now_us - t->s->options.feed_retention_us) {
        retain_end_pass(t);
        return;
    }
    arena_reset(t->a);
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(t->a, STR("200ms"), STR("8s")) },
        { &tick_guard, tick_guard_args(t->a, t->s->id, t->s->epoch) },
        { &retain_log_drop, retain_log_drop_args(t->a, t->log_part) },
    };
    retain_call(t, DB_LANE_WRITE, steps, countof(steps), log_dropped);
}

static void log_parts_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    if (db_rows_count(rows) == 0) {
        retain_end_pass(t);
        return;
    }
    t->log_part = db_rows_i64(rows, 0, 0); /* the oldest */
    int64_t from = t->log_part * SHARD_LOG_SPAN, to = from + SHARD_LOG_SPAN;
    if (to > tick_seq(t->s->tick)) {
        retain_end_pass(t);
        return;
    }
    arena_reset(t->a);
    retain_ask(t, &retain_log_newest, retain_log_newest_args(t->a, t->s->id, from, to),
               newest_read);
}

static void ask_log_parts(struct retain *t)
{
    retain_ask(t, &retain_log_parts, NULL, log_parts_read);
}

/* ── what is kept beside the tasks ── */

static void swept(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (retain_answered(t, reply))
        ask_log_parts(t);
}

void retain_sweep(struct retain *t)
{
    int32_t forgotten = (int32_t)((t->now_us - t->s->options.id_past_us) / CLOCK_DAY_US - 1);
    arena_reset(t->a);
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(t->a, STR("200ms"), STR("8s")) },
        { &tick_guard, tick_guard_args(t->a, t->s->id, t->s->epoch) },
        { &retain_gone_sweep, retain_gone_sweep_args(t->a, forgotten) },
        { &inbox_sweep, inbox_sweep_args(t->a, t->now_us - t->s->options.retention_us) },
    };
    retain_call(t, DB_LANE_WRITE, steps, countof(steps), swept);
}

/* ── making ── */

static void make_parts(struct retain *t);

static void made(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
        return;
    t->s->log_room = max_of(t->s->log_room, t->log_part * SHARD_LOG_SPAN);
    shard_wake(t->s);
    if (db_rows_i64(reply->rows[2], 0, 0) == RETAIN_DAYS_AT_ONCE) {
        make_parts(t);
        return;
    }
    if (t->looks % PASSES_IN != 1) {
        retain_end_pass(t);
        return;
    }
    t->now_us = clock_wall_us();
    retain_tasks_begin(t);
}

static void make_parts(struct retain *t)
{
    int64_t part = t->s->end / SHARD_LOG_SPAN;
    t->log_part = part + LOG_PARTS_AHEAD; /* the first that there is not */
    arena_reset(t->a);
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(t->a, STR("1s"), STR("8s")) },
        { &retain_log_make, retain_log_make_args(t->a, part, part + LOG_PARTS_AHEAD - 1) },
        { &retain_day_make, retain_days_to_make(t->s, t->a) },
    };
    retain_call(t, DB_LANE_WRITE, steps, countof(steps), made);
}

static void on_timer(void *owner)
{
    struct retain *t = owner;
    if (t->is_intent_out || t->call)
        return;
    if (t->is_busy) { /* paced: the next rows, or the next day */
        retain_tasks_next(t);
        return;
    }
    t->looks++;
    bool is_time = t->looks % PASSES_IN == 1;
    bool is_short = t->s->log_room - t->s->end < SHARD_LOG_SPAN;
    if (!is_time && !is_short) {
        retain_look_in(t, LOOK_MS);
        return;
    }
    t->is_busy = true;
    make_parts(t);
}

/* ── life ── */

struct retain *retain_create(struct shard *s)
{
    struct retain *t = mem_new(struct retain);
    t->s = s;
    t->a = arena_create(0);
    t->timer = io_timer_create(s->loop, on_timer, t);
    return t;
}

void retain_start(struct retain *t)
{
    t->is_on = true;
    t->is_busy = false;
    t->looks = t->passes = 0;
    retain_look_in(t, FIRST_MS);
}

void retain_stop(struct retain *t)
{
    t->is_on = false;
    io_timer_stop(t->timer);
    if (t->call)
        db_request_forget(t->call);
    t->call = NULL;
}

void retain_destroy(struct retain *t)
{
    if (!t)
        return;
    retain_stop(t);
    io_timer_destroy(t->timer);
    arena_destroy(t->a);
    mem_free(t->days);
    mem_free(t->short_types);
    mem_free(t->short_befores);
    mem_free(t);
}
