/*
 * doubt: the connection died, or the deadline passed, after a batch was sent. On another connection
 * a row that concerns nobody is put at the batch's number:
 *
 *   settle ──▶ it went in ─────────────────────────▶ the batch never will: undone, tried again
 *     ▲  │     lock_timeout, or no answer at all ──┐
 *     └──┼────────────────────────────────────────┘  (somebody may still be writing there)
 *        └──▶ the number is taken ──▶ read the row:
 *                  epoch, ops and ids are the batch's ─────▶ it is committed
 *                  our epoch, and nobody's change ─────────▶ an earlier try of ours: never
 *                  another epoch ──────────────────────────▶ never, and somebody else leads
 *
 * Nobody is answered before one of these is certain.
 * Source: docs/decisions/0012-one-writer-queue.md.
 */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queue/batch_sql.h"
#include "store/queue/lead_sql.h"
#include "worker/batch_priv.h"
#include "worker/feed.h"
#include "worker/logrow.h"
#include "worker/meter.h"

enum { RETRY_FIRST_MS = 5, RETRY_MAX_MS = 500 };

struct doubt {
    struct batch *b;
    struct arena *a;
    struct io_timer *retry;
    struct backoff backoff;
    struct db_request *call;
};

static void settle(void *owner);

static void doubt_free(struct doubt *d)
{
    d->b->doubt = NULL;
    io_timer_destroy(d->retry);
    arena_destroy(d->a);
    mem_free(d);
}

static void again(struct doubt *d)
{
    io_timer_start(d->retry, backoff_next_ms(&d->backoff));
}

static void found(struct doubt *d, enum meter_doubt outcome)
{
    static const char *const names[] = { [METER_DOUBT_COMMITTED] = "committed",
                                         [METER_DOUBT_NEVER] = "never",
                                         [METER_DOUBT_OVERTAKEN] = "overtaken" };
    struct batch *b = d->b;
    struct shard *s = b->s;
    log_warn("doubt.settled", "seq=%lld changes=%zu outcome=%s", (long long)b->first, batch_size(b),
             names[outcome]);
    worker_meter_doubt(s->meter, outcome);
    doubt_free(d);
    if (outcome == METER_DOUBT_COMMITTED) {
        batch_committed(b);
    } else if (outcome == METER_DOUBT_NEVER) {
        feed_none(s->feed, b->first, b->at_us);
        batch_refused_behind(b, 1);
    } else {
        struct err e = { 0 };
        shard_refuse(&e);
        shard_step_down(s, "another worker has taken over while a commit was in doubt");
        batch_refused(b, &e);
    }
}

static void read_row(void *owner, const struct db_reply *reply)
{
    struct doubt *d = owner;
    const struct batch *b = d->b;
    d->call = NULL;
    if (reply->err || db_rows_count(reply->rows[0]) == 0) {
        again(d);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    struct str ops = bytes_of_hex(d->a, db_rows_text(rows, 0, 2));
    struct str ids = bytes_of_hex(d->a, db_rows_text(rows, 0, 3));
    bool is_ours = db_rows_i64(rows, 0, 0) == b->s->epoch;
    if (is_ours && str_eq(ops, b->sent_ops) && str_eq(ids, b->sent_ids))
        found(d, METER_DOUBT_COMMITTED);
    else
        found(d, is_ours ? METER_DOUBT_NEVER : METER_DOUBT_OVERTAKEN);
}

static bool call(struct doubt *d, enum db_lane lane, const struct db_step *steps, size_t count,
                 db_reply_fn *fn)
{
    struct err e;
    const struct db_call c = { .lane = lane,
                               .steps = steps,
                               .step_count = count,
                               .deadline_us = clock_mono_us() + SHARD_CALL_MS * CLOCK_MS,
                               .fn = fn,
                               .owner = d };
    if (db_pool_call(d->b->s->pool, &c, &d->call, &e))
        return true;
    d->call = NULL;
    again(d);
    return false;
}

static void settled(void *owner, const struct db_reply *reply)
{
    struct doubt *d = owner;
    struct batch *b = d->b;
    d->call = NULL;
    if (!reply->err) {
        found(d, METER_DOUBT_NEVER);
        return;
    }
    if (reply->is_in_doubt || strcmp(reply->sqlstate, DB_STATE_UNIQUE_VIOLATION) != 0) {
        again(d);
        return;
    }
    arena_reset(d->a);
    const struct db_step step = { &lead_row, lead_row_args(d->a, d->b->s->id, b->first) };
    call(d, DB_LANE_READ, &step, 1, read_row);
}

static void settle(void *owner)
{
    struct doubt *d = owner;
    struct batch *b = d->b;
    struct ops_writer log;
    arena_reset(d->a);
    ops_init(&log);
    ops_put(&log, &(struct change){ .op = OP_NONE, .id = uuid_v7() });
    ops_finish(&log);
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(d->a, STR("1s"), STR("3s")) },
        { &batch_log, batch_log_args(d->a, b->s->id, b->first, 1, b->s->epoch, b->at_us,
                                     buf_str(&log.ops), buf_str(&log.ids), STR(""), STR("")) },
    };
    ops_clear(&log);
    call(d, DB_LANE_WRITE, steps, countof(steps), settled);
}

void doubt_settle(struct batch *b)
{
    struct doubt *d = mem_new(struct doubt);
    log_warn("doubt.begins", "seq=%lld changes=%zu", (long long)b->first, batch_size(b));
    d->b = b;
    b->doubt = d;
    d->a = arena_create(0);
    d->backoff = (struct backoff){ .min_ms = RETRY_FIRST_MS, .max_ms = RETRY_MAX_MS };
    d->retry = io_timer_create(b->s->loop, settle, d);
    settle(d);
}

void doubt_forget(struct batch *b)
{
    if (!b->doubt)
        return;
    if (b->doubt->call)
        db_request_forget(b->doubt->call);
    doubt_free(b->doubt);
}
