#include "worker/lead.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queue/batch_sql.h"
#include "store/queue/lead_sql.h"
#include "worker/batch_priv.h"
#include "worker/lead_priv.h"
#include "worker/sums.h"

enum {
    RETRY_FIRST_MS = 50,
    RETRY_MAX_MS = 1'000,
    FOLLOW_MAX_MS = 10'000, /* between two readings of what cannot be followed */
    LOOK_MAX_MS = 250,      /* between two looks of a standby */
    LEAVE_NOTICE_MS = 300,  /* what a leader gives the standby to look so often; over LOOK_MAX_MS */
};

/* ── calls ── */

static void forget_call(struct lead *lead)
{
    if (lead->call)
        db_request_forget(lead->call);
    lead->call = NULL;
}

static void forget_renewal(struct lead *lead)
{
    if (lead->renewal)
        db_request_forget(lead->renewal);
    lead->renewal = NULL;
}

void lead_forget_load(struct lead *lead)
{
    load_destroy(take(lead->load));
    lead->is_warm = lead->has_told_warm = false;
}

void lead_look_later(struct lead *lead, int64_t delay_ms)
{
    if (!lead->is_ended)
        io_timer_start(lead->look, delay_ms);
}

void lead_failed(struct lead *lead, const struct err *err)
{
    struct shard *s = lead->s;
    lead->is_standing_by = lead->is_reached = false;
    log_debug("lead.failed", "error=%s", log_quote(str_of_c(err_text(err))));
    if (s->role == SHARD_TAKING)
        shard_step_down(s, "the database failed while taking over");
    else
        lead_look_later(lead, backoff_next_ms(&lead->backoff));
}

void lead_call(struct lead *lead, enum db_lane lane, const struct db_step *steps, size_t count,
               db_reply_fn *fn)
{
    struct err e;
    const struct db_call c = { .lane = lane,
                               .steps = steps,
                               .step_count = count,
                               .deadline_us = clock_mono_us() + SHARD_CALL_MS * CLOCK_MS,
                               .fn = fn,
                               .owner = lead };
    if (!db_pool_call(lead->s->pool, &c, &lead->call, &e)) {
        lead->call = NULL;
        lead_failed(lead, &e);
    }
}

bool lead_answered(struct lead *lead, const struct db_reply *reply)
{
    lead->call = NULL;
    if (!reply->err)
        return lead->is_reached = true;
    lead_failed(lead, reply->err);
    return false;
}

/* ── looking ── */

static void made(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (lead_answered(lead, reply))
        lead_look_now(lead);
}

/* For as long as a lease lasts, by our own clock: it is over, also where the database's clock was
 * set back since and lets it seem to last for hours. */
static bool is_unrenewed(struct lead *lead, int64_t until_us)
{
    int64_t now_us = clock_mono_us();
    if (until_us != lead->seen_until_us)
        lead->seen_us = now_us;
    lead->seen_until_us = until_us;
    return now_us - lead->seen_us > lead->s->options.lease_us;
}

/* Its numbers would stand between those of another log's feed, and its tasks in two shards. */
static void refuse(struct lead *lead, int64_t other)
{
    err_set(&lead->refusal, ERR_INVALID, "this database holds the log of shard %lld",
            (long long)other);
    log_error("lead.refused", "shard=%d error=%s", lead->s->id,
              log_quote(str_of_c(lead->refusal.message)));
    lead->is_ended = true;
    (void)kill(getpid(), SIGTERM); /* its frame drains, then asks whether it was good */
}

/* Who led is gone: what could not be read beside him is read at once, but not for ever anew. */
static void found(struct lead *lead, bool is_free, int64_t epoch)
{
    bool is_news = is_free && !(lead->was_free && epoch == lead->free_epoch);
    if (is_news && epoch != lead->s->epoch)
        lead->follow_us = 0;
    lead->was_free = is_free;
    lead->free_epoch = is_free ? epoch : lead->free_epoch;
}

static void looked(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (!lead_answered(lead, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    arena_reset(lead->a);
    if (db_rows_i64(rows, 0, 7) >= 0) {
        refuse(lead, db_rows_i64(rows, 0, 7));
        return;
    }
    if (!db_rows_bool(rows, 0, 6)) {
        const struct db_step steps[] = {
            { &batch_limits, batch_limits_args(lead->a, STR("1s"), STR("8s")) },
            { &lead_alone, NULL },
            { &lead_make, lead_make_args(lead->a, s->id) },
        };
        lead_call(lead, DB_LANE_WRITE, steps, countof(steps), made);
        return;
    }
    bool is_free = is_unrenewed(lead, db_rows_time(rows, 0, 5)) || db_rows_bool(rows, 0, 1);
    lead->is_standing_by = !is_free;
    found(lead, is_free, db_rows_i64(rows, 0, 0));
    if (!is_free) {
        lead_wait(lead, rows);
    } else if (lead->is_warm) {
        lead_take_over(lead, rows);
    } else {
        lead->may_take = true;
        lead_follow(lead, rows);
        lead_look_later(lead, lead->look_ms);
    }
}

void lead_look_now(void *owner)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (lead->is_ended || lead->call)
        return;
    if (s->is_leaving || s->role != SHARD_STANDBY) { /* a batch's outcome is not certain yet */
        lead_look_later(lead, RETRY_FIRST_MS);
        return;
    }
    arena_reset(lead->a);
    const struct db_step step = { &lead_look, lead_look_args(lead->a, s->id, str_of_c(s->name),
                                                             s->options.lease_us) };
    lead_call(lead, DB_LANE_READ, &step, 1, looked);
}

/* ── keeping it ── */

static void renewed(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    lead->renewal = NULL;
    if (reply->err) {
        log_debug("lead.not_renewed", "error=%s", log_quote(str_of_c(err_text(reply->err))));
        return;
    }
    if (db_rows_count(reply->rows[1]) > 0)
        s->confirmed_us = max_of(s->confirmed_us, lead->renewal_us);
    else
        shard_step_down(s, "another worker has taken the lease");
}

static void renew(void *owner)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    struct err e;
    if (lead->renewal)
        return;
    arena_reset(lead->renew_a);
    const struct db_step steps[] = {
        { &batch_limits_async, batch_limits_async_args(lead->renew_a, STR("1s"), STR("2s")) },
        { &lead_renew, lead_renew_args(lead->renew_a, s->id, s->epoch, s->options.lease_us) },
    };
    lead->renewal_us = clock_mono_us();
    const struct db_call c = { .lane = DB_LANE_WRITE,
                               .steps = steps,
                               .step_count = countof(steps),
                               .deadline_us = lead->renewal_us + s->options.lease_us,
                               .is_idempotent = true,
                               .fn = renewed,
                               .owner = lead };
    if (!db_pool_call(s->pool, &c, &lead->renewal, &e))
        lead->renewal = NULL;
}

/* ── leaving ── */

static void notice_over(void *owner)
{
    struct lead *lead = owner;
    io_fn *done = take(lead->done);
    done(lead->owner);
}

static void leave_told(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    lead->call = NULL;
    bool is_awaited =
        !reply->err && db_rows_count(reply->rows[1]) > 0 && db_rows_bool(reply->rows[1], 0, 0);
    if (is_awaited)
        io_timer_start(lead->notice, LEAVE_NOTICE_MS);
    else
        notice_over(lead);
}

void lead_leave(struct lead *lead, io_fn *done, void *owner)
{
    struct shard *s = lead->s;
    struct err e;
    lead->done = done;
    lead->owner = owner;
    if (s->role != SHARD_LEADING || lead->call) {
        notice_over(lead);
        return;
    }
    arena_reset(lead->a);
    const struct db_step steps[] = {
        { &batch_limits_async, batch_limits_async_args(lead->a, STR("1s"), STR("2s")) },
        { &lead_leave_row, lead_leave_row_args(lead->a, s->id, s->epoch) },
    };
    const struct db_call c = { .lane = DB_LANE_WRITE,
                               .steps = steps,
                               .step_count = countof(steps),
                               .deadline_us = clock_mono_us() + s->options.lease_us,
                               .is_idempotent = true,
                               .fn = leave_told,
                               .owner = lead };
    if (!db_pool_call(s->pool, &c, &lead->call, &e)) {
        lead->call = NULL;
        notice_over(lead);
    }
}

/* ── life ── */

struct lead *lead_create(struct shard *s)
{
    struct lead *lead = mem_new(struct lead);
    lead->s = s;
    lead->a = arena_create(0);
    lead->renew_a = arena_create(0);
    lead->backoff = (struct backoff){ .min_ms = RETRY_FIRST_MS, .max_ms = RETRY_MAX_MS };
    lead->follows = (struct backoff){ .min_ms = RETRY_FIRST_MS, .max_ms = FOLLOW_MAX_MS };
    lead->takes = lead->follows;
    lead->look = io_timer_create(s->loop, lead_look_now, lead);
    lead->renew = io_timer_create(s->loop, renew, lead);
    lead->notice = io_timer_create(s->loop, notice_over, lead);
    lead->look_ms = min_of(s->options.lease_us / CLOCK_MS / 8, (int64_t)LOOK_MAX_MS);
    return lead;
}

void lead_destroy(struct lead *lead)
{
    if (!lead)
        return;
    forget_call(lead);
    forget_renewal(lead);
    load_destroy(lead->load);
    io_timer_destroy(lead->look);
    io_timer_destroy(lead->renew);
    io_timer_destroy(lead->notice);
    arena_destroy(lead->a);
    arena_destroy(lead->renew_a);
    mem_free(lead);
}

void lead_start(struct lead *lead)
{
    lead->is_started = true;
    lead_look_now(lead);
}

void lead_again(struct lead *lead)
{
    io_timer_stop(lead->renew);
    forget_renewal(lead); /* its answer would be taken for one about the next lease */
    forget_call(lead);
    lead_forget_load(lead);
    lead_look_later(lead, backoff_next_ms(&lead->backoff));
}

bool lead_is_standing_by(const struct lead *lead)
{
    return lead->s->role == SHARD_STANDBY && lead->is_standing_by;
}

const char *lead_not_ready(const struct lead *lead)
{
    if (lead->s->role == SHARD_LEADING || lead_is_standing_by(lead))
        return NULL;
    if (lead->s->role == SHARD_TAKING)
        return "taking over";
    if (!lead->is_reached)
        return "the database is out of reach";
    return lead->unread.code == ERR_NONE ? "reading the log" : lead->unread.message;
}

bool lead_was_good(const struct lead *lead, struct err *e)
{
    if (lead->refusal.code != ERR_NONE)
        *e = lead->refusal;
    return lead->refusal.code == ERR_NONE;
}

static void given_back(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    lead->call = NULL;
    if (reply->err)
        log_warn("lead.not_given_back", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    else
        log_info("shard.left", "epoch=%lld next=%lld unfinished=%zu sum=%016llx",
                 (long long)lead->s->epoch, (long long)lead->s->end, live_count(lead->s->live),
                 (unsigned long long)sums_of_memory(lead->s));
    lead->done(lead->owner);
}

void lead_end(struct lead *lead, io_fn *done, void *owner)
{
    struct shard *s = lead->s;
    bool has_it = s->role == SHARD_LEADING || s->role == SHARD_TAKING;
    lead->is_ended = true;
    lead->done = done;
    lead->owner = owner;
    io_timer_stop(lead->look);
    io_timer_stop(lead->renew);
    forget_call(lead);
    lead_forget_load(lead);
    s->role = SHARD_ENDED;
    struct err e;
    arena_reset(lead->a);
    /* Whoever waits for the lease waits as long for its end. */
    struct str limit = arena_printf(lead->a, "%lldms", (long long)(s->options.lease_us / CLOCK_MS));
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(lead->a, limit, limit) },
        { &lead_give_back, lead_give_back_args(lead->a, s->id, s->epoch) },
    };
    const struct db_call c = { .lane = DB_LANE_WRITE,
                               .steps = steps,
                               .step_count = countof(steps),
                               .deadline_us = clock_mono_us() + s->options.lease_us,
                               .fn = given_back,
                               .owner = lead };
    if (!has_it || !db_pool_call(s->pool, &c, &lead->call, &e)) {
        lead->call = NULL;
        done(owner);
    }
}
