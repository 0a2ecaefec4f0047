/* lead_wait: standing by. The log is followed to its end, so that who takes over has it in memory.
 */
#include "base/clock.h"
#include "base/log.h"
#include "store/queue/batch_sql.h"
#include "store/queue/lead_sql.h"
#include "worker/batch_priv.h"
#include "worker/lead_priv.h"

enum { LOOK_LEAVING_MS = 10 }; /* while the leader is about to go */

int64_t lead_unread(struct lead *lead, struct backoff *backoff, const struct err *err)
{
    int64_t again_ms = err->code == ERR_INTERNAL ? backoff_next_ms(backoff) : 0;
    lead->follow_us = clock_mono_us() + again_ms * CLOCK_MS;
    err_set(&lead->unread, err->code, "cannot read the log: %s", err->message);
    return again_ms;
}

/* Once for each load. */
static void tell_warm(struct lead *lead)
{
    if (!lead->is_warm || lead->has_told_warm || !lead->is_standing_by)
        return;
    lead->has_told_warm = true;
    log_info("lead.warm", "unfinished=%zu", live_count(lead->s->live));
}

/* It begins anew at a later look: all is read once more, so what no reading mends is read ever more
 * seldom. */
static void not_followed(struct lead *lead, const struct err *err)
{
    int64_t again_ms = lead_unread(lead, &lead->follows, err);
    lead_forget_load(lead);
    shard_forget(lead->s);
    if (lead->may_take)
        log_error("lead.load_failed", "again_ms=%lld error=%s", (long long)again_ms,
                  log_quote(str_of_c(err_text(err))));
    else
        log_warn("lead.not_followed", "again_ms=%lld error=%s", (long long)again_ms,
                 log_quote(str_of_c(err_text(err))));
}

static void followed(void *owner, const struct err *err)
{
    struct lead *lead = owner;
    bool may_take = lead->may_take;
    if (err)
        not_followed(lead, err);
    else
        backoff_reset(&lead->follows);
    lead->is_warm = !err;
    lead->may_take = false;
    tell_warm(lead);
    if (!err && may_take)
        lead_look_now(lead);
}

void lead_follow(struct lead *lead, const struct db_rows *rows)
{
    if (clock_mono_us() < lead->follow_us)
        return;
    if (!lead->load)
        lead->load = load_create(lead->s);
    if (!load_is_following(lead->load))
        load_follow(lead->load, db_rows_i64(rows, 0, 2), followed, lead);
}

static void told(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (lead_answered(lead, reply))
        lead_look_later(lead, lead->look_ms);
}

void lead_wait(struct lead *lead, const struct db_rows *rows)
{
    struct shard *s = lead->s;
    bool is_leaving = db_rows_bool(rows, 0, 3), is_to_be_told = db_rows_bool(rows, 0, 4);
    backoff_reset(&lead->backoff);
    lead->may_take = false;
    tell_warm(lead);
    lead_follow(lead, rows);
    if (is_leaving || !is_to_be_told || !lead->is_warm) {
        lead_look_later(lead, is_leaving ? LOOK_LEAVING_MS : lead->look_ms);
        return;
    }
    const struct db_step steps[] = {
        { &batch_limits_async, batch_limits_async_args(lead->a, STR("1s"), STR("2s")) },
        { &lead_stand_by, lead_stand_by_args(lead->a, s->id, db_rows_i64(rows, 0, 0)) },
    };
    lead_call(lead, DB_LANE_WRITE, steps, countof(steps), told);
}
