#include "gateway/upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "gateway/gateway_priv.h"
#include "gateway/spans.h"
#include "store/public/audit.h"
#include "store/public/conversation.h"
#include "store/public/error_group.h"
#include "store/public/insight.h"
#include "store/public/outbox.h"
#include "store/public/session.h"

enum {
    BATCH_ROWS = 2'000,
    AUDIT_ROWS = 1'000,
    BATCH_DEADLINE_US = 10 * CLOCK_S,
    ARENA_BYTES = 1 << 18, /* of a batch */
    ACT_S = 3'600,         /* longer than any request takes, and than the mirror of a worker lags */
    ACT_LATE_S = 7 * SPAN_DAY_S, /* a worker that was away for longer tells of no act's end */
};

static int64_t count_rows(const struct db_rows *rows)
{
    return (int64_t)db_rows_count(rows);
}

/* How many a step has taken, where it does not affect them itself. */
typedef int64_t kept_count_fn(const struct db_rows *rows);

#define EXPIRING(kind, span, kept)                                                                 \
    {                                                                                              \
        .what = (kind), .span_s = (span), .kept_s = (kept), .option = CONF_COUNT,                  \
        .batch = BATCH_ROWS                                                                        \
    }
#define ROLLUPS(span, retention)                                                                   \
    {                                                                                              \
        .what = KEPT_ROLLUPS, .span_s = (span), .option = (retention), .batch = BATCH_ROWS         \
    }

/* What is kept, and for how long. The counts of errors are only ever asked for by windows. */
static const struct kept {
    int64_t span_s;
    int64_t kept_s;      /* 0: as `option` says */
    kept_count_fn *read; /* NULL: the rows that the step affects */
    const char *event;   /* of the log, where there were some; NULL: none */
    enum {
        KEPT_SESSIONS,
        KEPT_CONVERSATIONS,
        KEPT_INSIGHTS,
        KEPT_ROLLUPS,
        KEPT_ERRORS,
        KEPT_GROUPS,
        KEPT_ENDS, /* the first and the last failures of those groups */
        KEPT_AUDIT,
        KEPT_ACTS,
        KEPT_OUTBOX
    } what;
    enum conf_id option;
    unsigned batch; /* rows of a full one, behind which there may be more */
    enum log_level level;
} kept[] = {
    { .what = KEPT_OUTBOX,
      .option = CONF_OUTBOX_MAX_AGE,
      .batch = BATCH_ROWS,
      .read = outbox_expired,
      .event = "outbox.expired",
      .level = LOG_WARN },
    EXPIRING(KEPT_SESSIONS, 0, 0), /* what is over says so itself */
    { .what = KEPT_ACTS,
      .kept_s = ACT_S,
      .option = CONF_COUNT,
      .batch = AUDIT_ROWS,
      .read = audit_settled,
      .event = "audit.settled",
      .level = LOG_WARN },
    { .what = KEPT_CONVERSATIONS, /* of those that were deleted, the messages */
      .option = CONF_COUNT,
      .batch = CONVERSATION_PURGE_MAX,
      .read = count_rows },
    EXPIRING(KEPT_INSIGHTS, 0, 0),
    ROLLUPS(SPAN_MINUTE_S, CONF_MINUTES_RETENTION),
    ROLLUPS(5 * SPAN_MINUTE_S, CONF_MINUTES_RETENTION),
    ROLLUPS(SPAN_HOUR_S, CONF_HOURS_RETENTION),
    EXPIRING(KEPT_ERRORS, SPAN_MINUTE_S, 2 * SPAN_DAY_S),
    EXPIRING(KEPT_ERRORS, 5 * SPAN_MINUTE_S, 2 * SPAN_DAY_S),
    EXPIRING(KEPT_ERRORS, SPAN_HOUR_S, 12 * SPAN_DAY_S),
    EXPIRING(KEPT_ERRORS, SPAN_DAY_S, 110 * SPAN_DAY_S),
    EXPIRING(KEPT_ERRORS, 10 * SPAN_DAY_S, 110 * SPAN_DAY_S),
    EXPIRING(KEPT_GROUPS, 0, 0),
    EXPIRING(KEPT_ENDS, 0, 0),
    { .what = KEPT_AUDIT,
      .option = CONF_AUDIT_RETENTION,
      .batch = AUDIT_ROWS,
      .read = audit_expired,
      .event = "audit.expired",
      .level = LOG_INFO },
};

struct batch {
    struct gateway_loop *loop;
    struct arena *arena;
    const struct kept *kept;
    bool is_full; /* as was found before something was done */
};

void upkeep_begin(struct gateway_loop *loop)
{
    loop->upkeep.at = 0;
}

/* A full batch: there may be more. */
static bool was_full(const struct kept *k, const struct db_rows *rows)
{
    int64_t count = k->read != NULL ? k->read(rows) : (int64_t)db_rows_affected(rows);
    if (count > 0 && k->event != NULL)
        log_at(k->level, k->event, "count=%lld", (long long)count);
    return count == k->batch;
}

static void done(void *owner, const struct db_reply *reply)
{
    const struct batch *batch = owner;
    struct upkeep *upkeep = &batch->loop->upkeep;
    upkeep->is_busy = false;
    if (reply->err != NULL) /* the next hour tries again */
        log_warn("upkeep.failed", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    bool is_through =
        reply->err != NULL ||
        (!was_full(batch->kept, reply->rows[reply->rows_count - 1]) && !batch->is_full);
    /* It may have begun anew meanwhile. */
    if (is_through && upkeep->at == (size_t)(batch->kept - kept))
        upkeep->at++;
    arena_destroy(batch->arena);
}

static bool run(struct batch *batch, enum db_lane lane, const struct db_step *steps, size_t count,
                db_reply_fn *fn)
{
    struct err e;
    const struct db_call call = { .lane = lane,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + BATCH_DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = fn,
                                  .owner = batch };
    if (db_pool_call(batch->loop->pool, &call, NULL, &e))
        return true;
    arena_destroy(batch->arena); /* the next second tries again */
    return false;
}

/* Those alone are mended under the lock. */
static void found_ends(void *owner, const struct db_reply *reply)
{
    struct batch *batch = owner;
    size_t count = reply->err == NULL ? db_rows_count(reply->rows[0]) : 0;
    int64_t *ids = arena_new_array(batch->arena, count, int64_t);
    if (count == 0) {
        done(batch, reply);
        return;
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = db_rows_i64(reply->rows[0], i, 0);
    batch->is_full = count == batch->kept->batch;
    const struct db_step steps[] = { error_group_hold_step(),
                                     error_group_mend_step(batch->arena, ids, count) };
    batch->loop->upkeep.is_busy = run(batch, DB_LANE_WRITE, steps, countof(steps), done);
}

/* The worker takes no older ids, nor knows for longer which ones it has had. */
static int64_t outbox_kept_us(const struct conf *conf)
{
    int64_t past_us = conf_duration_us(conf, CONF_ID_PAST);
    int64_t most_us = max_of(past_us - (int64_t)SPAN_DAY_S * CLOCK_S, past_us / 2);
    return min_of(conf_duration_us(conf, CONF_OUTBOX_MAX_AGE), most_us);
}

/* An act outlives no entry of its own. */
static int64_t late_us(const struct conf *conf)
{
    return min_of(conf_duration_us(conf, CONF_AUDIT_RETENTION), (int64_t)ACT_LATE_S * CLOCK_S);
}

static size_t steps_of(const struct kept *k, const struct conf *conf, struct arena *a,
                       struct db_step steps[2])
{
    int64_t kept_us =
        k->option != CONF_COUNT ? conf_duration_us(conf, k->option) : k->kept_s * CLOCK_S;
    int64_t before_us = clock_wall_us() - kept_us;
    switch (k->what) {
    case KEPT_SESSIONS:
        steps[0] = session_expire_step(a, k->batch);
        return 1;
    case KEPT_CONVERSATIONS:
        steps[0] = conversation_purge_step(a);
        return 1;
    case KEPT_INSIGHTS:
        steps[0] = insight_purge_step(a);
        return 1;
    case KEPT_ROLLUPS:
        steps[0] = stats_expire_step(a, k->span_s, before_us, k->batch);
        return 1;
    case KEPT_ERRORS:
        steps[0] = error_group_expire_step(a, k->span_s, before_us, k->batch);
        return 1;
    case KEPT_AUDIT:
        steps[0] = audit_expire_step(a, kept_us, (int32_t)k->batch);
        return 1;
    case KEPT_ACTS:
        steps[0] = audit_settle_step(a, kept_us, late_us(conf), k->batch);
        return 1;
    case KEPT_OUTBOX:
        steps[0] = outbox_expire_step(
            a, outbox_kept_us(conf),
            STR("the Worker Service was out of reach for longer than outbox-max-age allows"),
            STR("the Worker Service refused it, or what it depends on, for longer than "
                "outbox-max-age allows"),
            k->batch);
        return 1;
    case KEPT_ENDS:
        steps[0] = error_group_stray_step(a, k->batch);
        return 1;
    case KEPT_GROUPS:
        break;
    }
    steps[0] = error_group_hold_step();
    steps[1] = error_group_forget_step(a, k->batch);
    return 2;
}

void upkeep_tick(struct gateway_loop *loop)
{
    struct upkeep *upkeep = &loop->upkeep;
    struct db_step steps[2];
    if (upkeep->is_busy || upkeep->at >= countof(kept))
        return;
    struct arena *a = arena_create(ARENA_BYTES);
    struct batch *batch = arena_new(a, struct batch);
    *batch = (struct batch){ loop, a, &kept[upkeep->at], false };
    size_t count = steps_of(batch->kept, loop->gateway->conf, a, steps);
    upkeep->is_busy = batch->kept->what == KEPT_ENDS
                          ? run(batch, DB_LANE_SLOW, steps, count, found_ends)
                          : run(batch, DB_LANE_WRITE, steps, count, done);
}
