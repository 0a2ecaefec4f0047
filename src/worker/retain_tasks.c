/*
 * retain_tasks: of a pass, what removes finished tasks that are too old: the days of ids one after
 * the other, each whole or in paced batches, then again for the types that keep less.
 *
 *   days ──▶ a day's state ──▶ its counts, or its expired rows ──▶ an intent ──▶ paced: the next
 *                 │ no more
 *                 └──▶ the types' expired rows, a day at a time ──▶ no more: retain_sweep
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/queue/retain_sql.h"
#include "worker/deps.h"
#include "worker/drop.h"
#include "worker/retain_priv.h"
#include "worker/settings.h"

enum {
    TYPES_IN = 60,    /* passes between two over what types keep for less */
    PACE_MS = 100,    /* between two batches of deletions */
    EXPIRE_MAX = 500, /* rows of one such batch */
    SHORT_FIRST = 16,
};

static void ask_day(struct retain *t);
static void ask_types(struct retain *t);

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
        retain_end_pass(t);
        return;
    }
    if (t->is_whole)
        log_info("retain.dropped", "day=%lld", (long long)t->days[t->day_at]);
    if (t->is_whole || t->gone_count < EXPIRE_MAX)
        t->day_at++;
    retain_look_in(t, PACE_MS);
}

static void submit(struct retain *t)
{
    struct err e;
    t->intent = (struct intent){ .apply = apply_removal, .done = removal_done, .is_alone = true };
    t->is_intent_out = shard_submit(t->s, &t->intent, &e);
    if (!t->is_intent_out)
        retain_end_pass(t);
}

void retain_tasks_next(struct retain *t)
{
    if (t->is_by_type)
        ask_types(t);
    else
        ask_day(t);
}

static void counts_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
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
    if (!retain_answered(t, reply))
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
    retain_tasks_next(t);
}

static int64_t before_us(const struct retain *t)
{
    return t->now_us - max_of(t->s->options.retention_us, t->s->options.id_past_us);
}

static void state_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
        return;
    bool has_unfinished = db_rows_bool(reply->rows[0], 0, 0);
    bool has_young = db_rows_bool(reply->rows[0], 0, 1);
    int32_t day = (int32_t)t->days[t->day_at];
    arena_reset(t->a);
    if (has_unfinished || has_young)
        retain_ask(t, &retain_expired, retain_expired_args(t->a, day, before_us(t), EXPIRE_MAX),
                   expired_read);
    else
        retain_ask(t, &retain_day_counts, retain_day_counts_args(t->a, day), counts_read);
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
    return day * CLOCK_DAY_US >= newest_us;
}

static void ask_types(struct retain *t)
{
    size_t n = t->short_count;
    if (n == 0 || t->day_at >= t->day_total || is_too_young(t, t->days[t->day_at])) {
        retain_sweep(t);
        return;
    }
    t->checked_seq = t->s->committed;
    arena_reset(t->a);
    retain_ask(t, &retain_expired_types,
               retain_expired_types_args(t->a, (int32_t)t->days[t->day_at], t->short_types, n,
                                         t->short_befores, n, EXPIRE_MAX),
               expired_read);
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
    retain_ask(t, &retain_day_state,
               retain_day_state_args(t->a, (int32_t)t->days[t->day_at], before_us(t)), state_read);
}

static void days_read(void *owner, const struct db_reply *reply)
{
    struct retain *t = owner;
    if (!retain_answered(t, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    int64_t first_kept = (t->now_us - t->s->options.id_past_us) / CLOCK_DAY_US - 1;
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

void retain_tasks_begin(struct retain *t)
{
    arena_reset(t->a);
    retain_ask(t, &retain_days, NULL, days_read);
}
