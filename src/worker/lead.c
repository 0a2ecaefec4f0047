#include "worker/lead.h"

#include <signal.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queue/batch_sql.h"
#include "store/queue/lead_sql.h"
#include "store/queue/retain_sql.h"
#include "worker/batch_priv.h"
#include "worker/group.h"
#include "worker/inbox.h"
#include "worker/logs.h"
#include "worker/retain.h"
#include "worker/session.h"
#include "worker/sums.h"
#include "worker/tick.h"

enum {
    RETRY_FIRST_MS = 50,
    RETRY_MAX_MS = 1'000,
    LOG_PARTS_AHEAD = 2,
    WRITER_AGE_US = 300'000, /* of a transaction that a leader left behind, at least */
    LOOK_MAX_MS = 250,       /* between two looks of a standby */
    LOOK_LEAVING_MS = 10,    /* while the leader is about to go */
    LEAVE_NOTICE_MS = 300, /* what a leader gives the standby to look so often; over LOOK_MAX_MS */
};

struct lead {
    struct shard *s;
    struct io_timer *look, *renew;
    struct backoff backoff;
    struct arena *a;         /* of the call that is out */
    struct db_request *call; /* of looking and taking */
    struct arena *renew_a;
    struct db_request *renewal;
    int64_t renewal_us;
    struct load *load; /* the memory's; a standby's follows the log */
    int64_t ckpt_seq, end;
    int64_t looked_epoch; /* whose lease is free */
    bool is_started, is_ended, is_standing_by;
    bool is_warm; /* the load has once been at the log's end */
    int64_t look_ms;
    int64_t seen_until_us, seen_us; /* the lease's end, and since when (monotonic) it is that */
    struct io_timer *notice;
    io_fn *done; /* of leaving, then of the end */
    void *owner;
};

static void look(void *owner);
static void read_end(struct lead *lead);

/* ── calls ── */

static void forget_call(struct lead *lead)
{
    if (lead->call)
        db_request_forget(lead->call);
    lead->call = NULL;
}

static void forget_load(struct lead *lead)
{
    load_destroy(take(lead->load));
    lead->is_warm = false;
}

static void look_later(struct lead *lead, int64_t delay_ms)
{
    if (!lead->is_ended)
        io_timer_start(lead->look, delay_ms);
}

static void failed(struct lead *lead, const struct err *err)
{
    struct shard *s = lead->s;
    lead->is_standing_by = false;
    log_debug("lead.failed", "error=%s", log_quote(str_of_c(err_text(err))));
    if (s->role == SHARD_TAKING)
        shard_step_down(s, "the database failed while taking over");
    else
        look_later(lead, backoff_next_ms(&lead->backoff));
}

static void call(struct lead *lead, enum db_lane lane, const struct db_step *steps, size_t count,
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
        failed(lead, &e);
    }
}

/* The reply of a call: false when it failed, which has then been dealt with. */
static bool answered(struct lead *lead, const struct db_reply *reply)
{
    lead->call = NULL;
    if (!reply->err)
        return true;
    failed(lead, reply->err);
    return false;
}

/* ── taking over ── */

static void jobs_loaded(void *owner, const struct err *err)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (s->role != SHARD_TAKING)
        return;
    if (err) {
        log_error("lead.load_failed", "error=%s", log_quote(str_of_c(err_text(err))));
        shard_step_down(s, "what there is could not be read");
        return;
    }
    backoff_reset(&lead->backoff);
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
    forget_load(lead);
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
        failed(lead, reply->err);
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
        { &batch_begin, batch_begin_args(lead->a, STR("1s"), STR("8s")) },
        { &batch_log, batch_log_args(lead->a, s->id, lead->end, 1, s->epoch, clock_wall_us(),
                                     buf_str(&log.ops), buf_str(&log.ids), STR(""), STR("")) },
    };
    ops_clear(&log);
    call(lead, DB_LANE_WRITE, steps, countof(steps), epoch_written);
}

static void make_parts(struct lead *lead);

static void parts_made(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (!answered(lead, reply))
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
        { &batch_begin, batch_begin_args(lead->a, STR("2s"), STR("8s")) },
        { &retain_log_make, retain_log_make_args(lead->a, part, part + LOG_PARTS_AHEAD - 1) },
        { &retain_day_make, retain_days_to_make(s, lead->a) },
    };
    call(lead, DB_LANE_WRITE, steps, countof(steps), parts_made);
}

static void end_read(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (!answered(lead, reply))
        return;
    lead->end = db_rows_i64(reply->rows[0], 0, 0);
    make_parts(lead);
}

static void read_end(struct lead *lead)
{
    arena_reset(lead->a);
    const struct db_step step = { &lead_log_end, lead_log_end_args(lead->a, lead->s->id) };
    call(lead, DB_LANE_READ, &step, 1, end_read);
}

/* Then on: who leads reads the log's end, who could not take the lease looks again. */
static void writers_ended(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (!answered(lead, reply))
        return;
    int64_t count = db_rows_i64(reply->rows[0], 0, 0);
    if (count > 0)
        log_warn("lead.writers_ended", "count=%lld", (long long)count);
    if (lead->s->role == SHARD_TAKING)
        read_end(lead);
    else
        look_later(lead, lead->look_ms);
}

/* What the leader before left in the middle must not hold up the next one. */
static void end_writers(struct lead *lead, int64_t epoch)
{
    arena_reset(lead->a);
    const struct db_step step = { &lead_end_writers,
                                  lead_end_writers_args(lead->a, lead->s->id, epoch,
                                                        str_of_c(lead->s->name), WRITER_AGE_US) };
    call(lead, DB_LANE_READ, &step, 1, writers_ended);
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
    if (!answered(lead, reply))
        return;
    const struct db_rows *rows = reply->rows[1];
    if (db_rows_count(rows) == 0) { /* another was faster */
        look_later(lead, lead->look_ms);
        return;
    }
    s->epoch = db_rows_i64(rows, 0, 0);
    lead->ckpt_seq = db_rows_i64(rows, 0, 1);
    s->role = SHARD_TAKING;
    s->confirmed_us = clock_mono_us();
    io_timer_repeat(lead->renew, s->options.lease_us / CLOCK_MS / 4);
    end_writers(lead, s->epoch);
}

/* ── standing by ── */

static void followed(void *owner, const struct err *err)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (err) { /* it begins anew at the next look */
        log_warn("lead.not_followed", "error=%s", log_quote(str_of_c(err_text(err))));
        forget_load(lead);
        shard_forget(s);
        return;
    }
    if (!lead->is_warm)
        log_info("lead.warm", "unfinished=%zu", live_count(s->live));
    lead->is_warm = true;
}

static void told(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (answered(lead, reply))
        look_later(lead, lead->look_ms);
}

/* Somebody else leads: what he has written since is read, and he is told that we are there. */
static void stand_by(struct lead *lead, const struct db_rows *rows)
{
    struct shard *s = lead->s;
    bool is_leaving = db_rows_bool(rows, 0, 3), is_to_be_told = db_rows_bool(rows, 0, 4);
    backoff_reset(&lead->backoff);
    if (!lead->load)
        lead->load = load_create(s);
    if (!load_is_following(lead->load))
        load_follow(lead->load, db_rows_i64(rows, 0, 2), followed, lead);
    if (is_leaving || !is_to_be_told || !lead->is_warm) {
        look_later(lead, is_leaving ? LOOK_LEAVING_MS : lead->look_ms);
        return;
    }
    const struct db_step steps[] = {
        { &batch_begin_async, batch_begin_async_args(lead->a, STR("1s"), STR("2s")) },
        { &lead_stand_by, lead_stand_by_args(lead->a, s->id, db_rows_i64(rows, 0, 0)) },
    };
    call(lead, DB_LANE_WRITE, steps, countof(steps), told);
}

static void made(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    if (answered(lead, reply))
        look(lead);
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
    log_error("lead.refused", "shard=%d error=\"this database holds the log of shard %lld\"",
              lead->s->id, (long long)other);
    lead->is_ended = true;
    (void)kill(getpid(), SIGTERM); /* its frame drains, and whoever started it tries again */
}

static void looked(void *owner, const struct db_reply *reply)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (!answered(lead, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    arena_reset(lead->a);
    if (db_rows_i64(rows, 0, 7) >= 0) {
        refuse(lead, db_rows_i64(rows, 0, 7));
        return;
    }
    if (!db_rows_bool(rows, 0, 6)) {
        const struct db_step steps[] = {
            { &batch_begin, batch_begin_args(lead->a, STR("1s"), STR("8s")) },
            { &lead_alone, NULL },
            { &lead_make, lead_make_args(lead->a, s->id) },
        };
        call(lead, DB_LANE_WRITE, steps, countof(steps), made);
        return;
    }
    bool is_free = is_unrenewed(lead, db_rows_time(rows, 0, 5)) || db_rows_bool(rows, 0, 1);
    lead->is_standing_by = !is_free;
    if (!is_free) {
        stand_by(lead, rows);
        return;
    }
    lead->looked_epoch = db_rows_i64(rows, 0, 0);
    const struct db_step steps[] = {
        { &batch_begin, batch_begin_args(lead->a, STR("1s"), STR("8s")) },
        { &lead_take,
          lead_take_args(lead->a, s->id, db_rows_i64(rows, 0, 0), db_rows_time(rows, 0, 5),
                         str_of_c(s->name), s->options.lease_us) },
    };
    call(lead, DB_LANE_WRITE, steps, countof(steps), taken);
}

static void look(void *owner)
{
    struct lead *lead = owner;
    struct shard *s = lead->s;
    if (lead->is_ended || lead->call)
        return;
    if (s->is_leaving || s->role != SHARD_STANDBY) { /* a batch's outcome is not certain yet */
        look_later(lead, RETRY_FIRST_MS);
        return;
    }
    arena_reset(lead->a);
    const struct db_step step = { &lead_look, lead_look_args(lead->a, s->id, str_of_c(s->name),
                                                             s->options.lease_us) };
    call(lead, DB_LANE_READ, &step, 1, looked);
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
        { &batch_begin_async, batch_begin_async_args(lead->renew_a, STR("1s"), STR("2s")) },
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
        { &batch_begin_async, batch_begin_async_args(lead->a, STR("1s"), STR("2s")) },
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
    lead->look = io_timer_create(s->loop, look, lead);
    lead->renew = io_timer_create(s->loop, renew, lead);
    lead->notice = io_timer_create(s->loop, notice_over, lead);
    lead->look_ms = min_of(s->options.lease_us / CLOCK_MS / 8, (int64_t)LOOK_MAX_MS);
    return lead;
}

static void forget_renewal(struct lead *lead)
{
    if (lead->renewal)
        db_request_forget(lead->renewal);
    lead->renewal = NULL;
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
    look(lead);
}

void lead_again(struct lead *lead)
{
    io_timer_stop(lead->renew);
    forget_call(lead);
    forget_load(lead);
    look_later(lead, backoff_next_ms(&lead->backoff));
}

bool lead_is_standing_by(const struct lead *lead)
{
    return lead->s->role == SHARD_STANDBY && lead->is_standing_by;
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
    forget_load(lead);
    s->role = SHARD_ENDED;
    struct err e;
    arena_reset(lead->a);
    const struct db_step step = { &lead_give_back, lead_give_back_args(lead->a, s->id, s->epoch) };
    const struct db_call c = { .lane = DB_LANE_WRITE,
                               .steps = &step,
                               .step_count = 1,
                               .deadline_us = clock_mono_us() + s->options.lease_us,
                               .fn = given_back,
                               .owner = lead };
    if (!has_it || !db_pool_call(s->pool, &c, &lead->call, &e)) {
        lead->call = NULL;
        done(owner);
    }
}
