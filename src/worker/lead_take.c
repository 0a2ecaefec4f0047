/*
 * lead_take: taking over. It begins with a lease that is free and ends with a leader: TAKING in the
 * picture of lead.h.
 */
#include "base/clock.h"
#include "base/log.h"
#include "store/queue/batch_sql.h"
#include "store/queue/lead_sql.h"
#include "store/queue/retain_sql.h"
#include "worker/batch_priv.h"
#include "worker/group.h"
#include "worker/inbox.h"
#include "worker/lead_priv.h"
#include "worker/logs.h"
#include "worker/retain.h"
#include "worker/session.h"
#include "worker/sums.h"
#include "worker/tick.h"

enum {
    LOG_PARTS_AHEAD = 2,
    WRITER_AGE_US = 300'000, /* of a transaction that a leader left behind, at least */
};

static void read_end(struct lead *lead);

static void jobs_loaded(void *owner, const struct err *err)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (s->role != SHARD_TAKING)
        return;
    if (err) {
        int64_t again_ms = lead_unread(lead, &lead->takes, err);
        log_error("lead.load_failed", "again_ms=%lld error=%s", (long long)again_ms,
                  log_quote(str_of_c(err_text(err))));
        shard_step_down(s, "what there is could not be read");
        return;
    }
    backoff_reset(&lead->backoff);
    backoff_reset(&lead->takes);
    lead->unread = (struct err){ 0 };
    s->end = s->committed = lead->end + 1;
    s->at_mono_us = clock_mono_us();
    s->role = SHARD_LEADING;
    tick_start(s->tick, lead->ckpt_seq);
    logs_start(s->logs, s->committed);
    groups_start(s->groups);
    retain_start(s->retain);
    inbox_start(s->inbox);
    log_info("shard.leads", "epoch=%lld next=%lld unfinished=%zu sum=%016llx shard=%d",
             (long long)s->epoch, (long long)s->end, live_count(s->live),
             (unsigned long long)sums_of_memory(s), s->id);
    session_set_start(s->sessions);
    if (s->job_hooks)
        s->job_hooks->start(s);
    shard_wake(s);
}

static void loaded(void *owner, const struct err *err)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    lead_forget_load(lead);
    if (!err && s->job_hooks)
        s->job_hooks->load(s, jobs_loaded, lead);
    else
        jobs_loaded(lead, err);
}

static void epoch_written(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    lead->call = NULL;
    if (reply->err &&
        (reply->is_in_doubt || strcmp(reply->sqlstate, DB_STATE_UNIQUE_VIOLATION) == 0)) {
        read_end(lead); /* a second epoch row would do no harm */
        return;
    }
    if (reply->err) {
        lead_failed(lead, reply->err);
        return;
    }
    if (db_rows_count(reply->rows[1]) == 0) {
        shard_step_down(s, "another worker has taken the lease");
        return;
    }
    s->confirmed_us = clock_mono_us();
    if (!lead->load)
        lead->load = load_create(s);
    load_finish(lead->load, lead->ckpt_seq, lead->end, loaded, lead);
}

static void write_epoch(struct lead *lead)
{
    struct shard *s = lead->s;
    struct ops_writer log;
    ops_init(&log);
    ops_put(&log, &(struct change){ .op = OP_NONE, .id = uuid_v7() });
    ops_finish(&log);
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(lead->a, STR("1s"), STR("8s")) },
        { &batch_log_epoch,
          batch_log_epoch_args(lead->a, s->id, lead->end, s->epoch, clock_wall_us(),
                               buf_str(&log.ops), buf_str(&log.ids)) },
    };
    ops_clear(&log);
    lead_call(lead, DB_LANE_WRITE, steps, countof(steps), epoch_written);
}

static void make_parts(struct lead *lead);

static void parts_made(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (!lead_answered(lead, reply))
        return;
    if (db_rows_i64(reply->rows[2], 0, 0) == RETAIN_DAYS_AT_ONCE)
        make_parts(lead);
    else
        write_epoch(lead);
}

static void make_parts(struct lead *lead)
{
    struct shard *s = lead->s;
    int64_t part = lead->end / SHARD_LOG_SPAN;
    arena_reset(lead->a);
    s->log_room = (part + LOG_PARTS_AHEAD) * SHARD_LOG_SPAN;
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(lead->a, STR("2s"), STR("8s")) },
        { &retain_log_make, retain_log_make_args(lead->a, part, part + LOG_PARTS_AHEAD - 1) },
        { &retain_day_make, retain_days_to_make(s, lead->a) },
    };
    lead_call(lead, DB_LANE_WRITE, steps, countof(steps), parts_made);
}

static void end_read(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (!lead_answered(lead, reply))
        return;
    lead->end = db_rows_i64(reply->rows[0], 0, 0);
    make_parts(lead);
}

static void read_end(struct lead *lead)
{
    arena_reset(lead->a);
    const struct db_step step = { &lead_log_end, lead_log_end_args(lead->a, lead->s->id) };
    lead_call(lead, DB_LANE_READ, &step, 1, end_read);
}

/* Then on: who leads reads the log's end, who could not take the lease looks again. */
static void writers_ended(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (!lead_answered(lead, reply))
        return;
    int64_t count = db_rows_i64(reply->rows[0], 0, 0);
    if (count > 0)
        log_warn("lead.writers_ended", "count=%lld", (long long)count);
    if (lead->s->role == SHARD_TAKING)
        read_end(lead);
    else
        lead_look_later(lead, lead->look_ms);
}

/* What the leader before left in the middle must not hold up the next one. */
static void end_writers(struct lead *lead, int64_t epoch)
{
    arena_reset(lead->a);
    const struct db_step step = { &lead_end_writers,
                                  lead_end_writers_args(lead->a, lead->s->id, epoch,
                                                        str_of_c(lead->s->name), WRITER_AGE_US,
                                                        lead->looked_until_us) };
    lead_call(lead, DB_LANE_READ, &step, 1, writers_ended);
}

static void taken(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (reply->err && strcmp(reply->sqlstate, DB_STATE_LOCK_NOT_AVAILABLE) == 0) {
        lead->call = NULL; /* somebody holds the row, without a lease */
        end_writers(lead, lead->looked_epoch);
        return;
    }
    if (!lead_answered(lead, reply))
        return;
    const struct db_rows *rows = reply->rows[1];
    if (db_rows_count(rows) == 0) { /* another was faster */
        lead_look_later(lead, lead->look_ms);
        return;
    }
    s->epoch = db_rows_i64(rows, 0, 0);
    lead->ckpt_seq = db_rows_i64(rows, 0, 1);
    s->role = SHARD_TAKING;
    s->confirmed_us = clock_mono_us();
    io_timer_repeat(lead->renew, s->options.lease_us / CLOCK_MS / 4);
    end_writers(lead, s->epoch);
}

void lead_take_over(struct lead *lead, const struct db_rows *looked)
{
    struct shard *s = lead->s;
    lead->looked_epoch = db_rows_i64(looked, 0, 0);
    lead->looked_until_us = db_rows_time(looked, 0, 5);
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(lead->a, STR("1s"), STR("8s")) },
        { &lead_take, lead_take_args(lead->a, s->id, lead->looked_epoch, lead->looked_until_us,
                                     str_of_c(s->name), s->options.lease_us) },
    };
    lead_call(lead, DB_LANE_WRITE, steps, countof(steps), taken);
}
