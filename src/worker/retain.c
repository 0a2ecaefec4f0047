#include "worker/retain.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/queue/batch_sql.h"
#include "store/queue/inbox_sql.h"
#include "store/queue/retain_sql.h"
#include "store/queue/tick_sql.h"
#include "worker/deps.h"
#include "worker/drop.h"
#include "worker/settings.h"
#include "worker/tick.h"

enum {
    FIRST_MS = 2'000,
    LOOK_MS = 1'000,  /* for room in the log */
    PASSES_IN = 60,   /* looks between two passes over what is old */
    TYPES_IN = 60,    /* passes between two over what types keep for less */
    PACE_MS = 100,    /* between two batches of deletions */
    EXPIRE_MAX = 500, /* rows of one such batch */
    DAYS_AHEAD = 7,
    LOG_PARTS_AHEAD = 3,
    SHORT_FIRST = 16,
    CALL_MS = 30'000,
};
static const int64_t day_us = INT64_C(86'400'000'000);

struct retain {
    struct shard *s;
    struct io_timer *timer;
    struct arena *a; /* of one call, and of the intent after it */
    struct db_request *call;
    struct intent intent;
    bool is_on, is_busy, is_intent_out;
    unsigned looks;
    unsigned passes;
    int64_t now_us; /* of the pass */
    int64_t *days;  /* that there are, counted from 1970, in order */
    size_t day_total, day_capacity;
    size_t day_count; /* so many of them are old enough to be looked at */
    size_t day_at;
    /* Types that keep less than the others, and from when on. */
    int64_t *short_types, *short_befores;
    size_t short_count, short_capacity;
    bool is_by_type;     /* the days are gone through for these */
    int64_t checked_seq; /* what was committed when the day was looked at */
    bool is_whole;       /* the day goes whole */
    struct drop *expired;
    struct drop_count *counts;
    size_t gone_count; /* of either */
    int64_t log_part;
};

static void ask_day(struct retain *t);
static void begin_types(struct retain *t);
static void ask_types(struct retain *t);
static void sweep(struct retain *t);
static void ask_log_parts(struct retain *t);

const struct db_args *retain_days_to_make(const struct shard *s, struct arena *a)
{
    int64_t now_us = clock_wall_us();
    return retain_day_make_args(a, (int32_t)((now_us - s->options.id_past_us) / day_us - 1),
                                (int32_t)(now_us / day_us + DAYS_AHEAD), RETAIN_DAYS_AT_ONCE);
}

/* ── calls ── */

static void look_in(struct retain *t, int64_t ms)
{
    if (t->is_on)
        io_timer_start(t->timer, ms);
}

static void end_pass(struct retain *t)
{
    t->is_busy = false;
    look_in(t, LOOK_MS);
}

static void call(struct retain *t, enum db_lane lane, const struct db_step *steps, size_t count,
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
    end_pass(t);
}

static void ask(struct retain *t, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    const struct db_step step = { statement, args };
    call(t, DB_LANE_SLOW, &step, 1, fn);
}

static bool answered(struct retain *t, const struct db_reply *reply)
{
    t->call = NULL;
    if (!reply->err)
        return true;
    log_warn("retain.failed", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    end_pass(t);
    return false;
}

/* ── what is removed ── */

/* A task of the day that was reopened meanwhile would be unfinished. What failed stays until all
 * that depend on it have failed as well. */
static void apply_removal(struct intent *intent, struct batch *b)
{
    struct retain *t = container_of(intent, struct retain, intent);
    if (b->s->reopened_seq >= t->checked_seq || deps_is_failing(b->s->deps))
        return;
    if (t->is_whole)
        drop_day(b, t->days[t->day_at], t->counts, t->gone_count);
    for (size_t i = 0; i < t->gone_count && !t->is_whole; i++)
        if (!live_find(b->s->live, t->expired[i].id))
            drop_task(b, &t->expired[i]);
}

static void removal_done(struct intent *intent, const struct err *err)
{
    struct retain *t = container_of(intent, struct retain, intent);
    t->is_intent_out = false;
    if (!t->is_on)
        return;
    if (err) {
        log_info("retain.delayed", "error=%s", log_quote(str_of_c(err_text(err))));
        end_pass(t);
        return;
    }
    if (t->is_whole)
        log_info("retain.dropped", "day=%lld", (long long)t->days[t->day_at]);
    if (t->is_whole || t->gone_count < EXPIRE_MAX)
        t->day_at++;
    look_in(t, PACE_MS);
}

static void submit(struct retain *t)
{
    struct err e;
    t->intent = (struct intent){ .apply = apply_removal, .done = removal_done, .is_alone = true };
    t->is_intent_out = shard_submit(t->s, &t->intent, &e);
    if (!t->is_intent_out)
        end_pass(t);
}

static void next_day(struct retain *t)
{
    if (t->is_by_type)
        ask_types(t);
    else
        ask_day(t);
}

static void counts_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    t->gone_count = db_rows_count(rows);
    t->counts = arena_new_array(t->a, t->gone_count, struct drop_count);
    for (size_t i = 0; i < t->gone_count; i++)
        t->counts[i] = (struct drop_count){ .type = (uint32_t)db_rows_i64(rows, i, 0),
                                            .state = (enum rule_state)db_rows_i64(rows, i, 1),
                                            .count = db_rows_i64(rows, i, 2) };
    t->is_whole = true;
    submit(t);
}

static void expired_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    t->gone_count = db_rows_count(rows);
    t->expired = arena_new_array(t->a, t->gone_count, struct drop);
    for (size_t i = 0; i < t->gone_count; i++)
        t->expired[i] = (struct drop){ .id = db_rows_uuid(rows, i, 0),
                                       .type = (uint32_t)db_rows_i64(rows, i, 1),
                                       .state = (enum rule_state)db_rows_i64(rows, i, 2),
                                       .seq = db_rows_i64(rows, i, 3) };
    t->is_whole = false;
    if (t->gone_count > 0) {
        submit(t);
        return;
    }
    t->day_at++;
    next_day(t);
}

static int64_t before_us(const struct retain *t)
{
    return t->now_us - max_of(t->s->options.retention_us, t->s->options.id_past_us);
}

static void state_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    bool has_unfinished = db_rows_bool(reply->rows[0], 0, 0);
    bool has_young = db_rows_bool(reply->rows[0], 0, 1);
    int32_t day = (int32_t)t->days[t->day_at];
    arena_reset(t->a);
    if (has_unfinished || has_young)
        ask(t, &retain_expired, retain_expired_args(t->a, day, before_us(t), EXPIRE_MAX),
            expired_read);
    else
        ask(t, &retain_day_counts, retain_day_counts_args(t->a, day), counts_read);
}

/* ── types that keep their tasks for less ── */

static void add_short(struct retain *t, uint32_t type, int64_t kept_us)
{
    if (t->short_count == t->short_capacity) {
        t->short_capacity = t->short_capacity ? t->short_capacity * 2 : SHORT_FIRST;
        t->short_types = mem_resize(t->short_types, t->short_capacity, sizeof(int64_t));
        t->short_befores = mem_resize(t->short_befores, t->short_capacity, sizeof(int64_t));
    }
    t->short_types[t->short_count] = type;
    t->short_befores[t->short_count++] = t->now_us - kept_us;
}

static void begin_types(struct retain *t)
{
    t->day_at = t->short_count = 0;
    t->is_by_type = true;
    for (uint32_t i = 0; t->passes % TYPES_IN == 1 && i < t->s->type_count; i++) {
        int64_t kept_us = settings_retention_us(t->s, i);
        if (kept_us < t->s->options.retention_us)
            add_short(t, i, kept_us);
    }
    ask_types(t);
}

/* None of its tasks is as old as that. */
static bool is_too_young(const struct retain *t, int64_t day)
{
    int64_t newest_us = 0;
    for (size_t i = 0; i < t->short_count; i++)
        newest_us = max_of(newest_us, t->short_befores[i]);
    return day * day_us >= newest_us;
}

static void ask_types(struct retain *t)
{
    size_t n = t->short_count;
    if (n == 0 || t->day_at >= t->day_total || is_too_young(t, t->days[t->day_at])) {
        sweep(t);
        return;
    }
    t->checked_seq = t->s->committed;
    arena_reset(t->a);
    ask(t, &retain_expired_types,
        retain_expired_types_args(t->a, (int32_t)t->days[t->day_at], t->short_types, n,
                                  t->short_befores, n, EXPIRE_MAX),
        expired_read);
}

/* ── what is kept beside the tasks ── */

static void swept(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (answered(t, reply))
        ask_log_parts(t);
}

static void sweep(struct retain *t)
{
    int32_t forgotten = (int32_t)((t->now_us - t->s->options.id_past_us) / day_us - 1);
    arena_reset(t->a);
    const struct db_step steps[] = {
        { &batch_begin, batch_begin_args(t->a, STR("200ms"), STR("8s")) },
        { &tick_guard, tick_guard_args(t->a, t->s->id, t->s->epoch) },
        { &retain_gone_sweep, retain_gone_sweep_args(t->a, forgotten) },
        { &inbox_sweep, inbox_sweep_args(t->a, t->now_us - t->s->options.retention_us) },
    };
    call(t, DB_LANE_WRITE, steps, countof(steps), swept);
}

/* ── days ── */

static void ask_day(struct retain *t)
{
    if (t->day_at >= t->day_count) {
        begin_types(t);
        return;
    }
    t->checked_seq = t->s->committed;
    arena_reset(t->a);
    ask(t, &retain_day_state,
        retain_day_state_args(t->a, (int32_t)t->days[t->day_at], before_us(t)), state_read);
}

static void days_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    int64_t first_kept = (t->now_us - t->s->options.id_past_us) / day_us - 1;
    size_t n = db_rows_count(rows);
    if (n > t->day_capacity) {
        t->day_capacity = n;
        t->days = mem_resize(t->days, n, sizeof *t->days);
    }
    t->day_count = t->day_at = 0;
    t->day_total = n;
    for (size_t i = 0; i < n; i++) {
        t->days[i] = db_rows_i64(rows, i, 0);
        t->day_count += t->days[i] < first_kept;
    }
    t->is_by_type = false;
    t->passes++;
    ask_day(t);
}

/* ── the log ── */

static void log_dropped(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    log_info("retain.log_dropped", "part=%lld", (long long)t->log_part);
    end_pass(t);
}

static void newest_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    int64_t newest_us = db_rows_i64(reply->rows[0], 0, 0);
    if (newest_us > t->now_us - t->s->options.feed_retention_us) {
        end_pass(t);
        return;
    }
    arena_reset(t->a);
    const struct db_step steps[] = {
        { &batch_begin, batch_begin_args(t->a, STR("200ms"), STR("8s")) },
        { &tick_guard, tick_guard_args(t->a, t->s->id, t->s->epoch) },
        { &retain_log_drop, retain_log_drop_args(t->a, t->log_part) },
    };
    call(t, DB_LANE_WRITE, steps, countof(steps), log_dropped);
}

static void log_parts_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    if (db_rows_count(rows) == 0) {
        end_pass(t);
        return;
    }
    t->log_part = db_rows_i64(rows, 0, 0); /* the oldest */
    int64_t from = t->log_part * SHARD_LOG_SPAN, to = from + SHARD_LOG_SPAN;
    if (to > tick_seq(t->s->tick)) {
        end_pass(t);
        return;
    }
    arena_reset(t->a);
    ask(t, &retain_log_newest, retain_log_newest_args(t->a, t->s->id, from, to), newest_read);
}

static void ask_log_parts(struct retain *t)
{
    ask(t, &retain_log_parts, NULL, log_parts_read);
}

/* ── making ── */

static void make_parts(struct retain *t);

static void made(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!answered(t, reply))
        return;
    t->s->log_room = max_of(t->s->log_room, t->log_part * SHARD_LOG_SPAN);
    shard_wake(t->s);
    if (db_rows_i64(reply->rows[2], 0, 0) == RETAIN_DAYS_AT_ONCE) {
        make_parts(t);
        return;
    }
    if (t->looks % PASSES_IN != 1) {
        end_pass(t);
        return;
    }
    t->now_us = clock_wall_us();
    arena_reset(t->a);
    ask(t, &retain_days, NULL, days_read);
}

static void make_parts(struct retain *t)
{
    int64_t part = t->s->end / SHARD_LOG_SPAN;
    t->log_part = part + LOG_PARTS_AHEAD; /* the first that there is not */
    arena_reset(t->a);
    const struct db_step steps[] = {
        { &batch_begin, batch_begin_args(t->a, STR("1s"), STR("8s")) },
        { &retain_log_make, retain_log_make_args(t->a, part, part + LOG_PARTS_AHEAD - 1) },
        { &retain_day_make, retain_days_to_make(t->s, t->a) },
    };
    call(t, DB_LANE_WRITE, steps, countof(steps), made);
}

static void on_timer(void *owner)
{
    struct retain *t = owner;
    if (t->is_intent_out || t->call)
        return;
    if (t->is_busy) { /* paced: the next rows, or the next day */
        next_day(t);
        return;
    }
    t->looks++;
    bool is_time = t->looks % PASSES_IN == 1;
    bool is_short = t->s->log_room - t->s->end < SHARD_LOG_SPAN;
    if (!is_time && !is_short) {
        look_in(t, LOOK_MS);
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
    look_in(t, FIRST_MS);
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
