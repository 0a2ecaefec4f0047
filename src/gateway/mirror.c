#include "gateway/mirror_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/mirror_audit.h"
#include "gateway/own_rows.h"

enum {
    RENEWALS = 4, /* within the lease's time */
    ASK_DEADLINE_US = 3 * CLOCK_S,
    WRITE_DEADLINE_US = 30 * CLOCK_S,
    ROLLUP_RETRY_MS = 200,
};

/* ── writing ── */

bool mirror_write(struct mirror *m, const struct db_step *steps, size_t count, db_reply_fn *fn,
                  void *owner)
{
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + WRITE_DEADLINE_US,
                                  .fn = fn,
                                  .owner = owner };
    struct err e;
    if (db_pool_call(m->loop->pool, &call, NULL, &e))
        return true;
    if (e.code != ERR_INVALID && e.code != ERR_LIMIT)
        return false;
    /* A value that cannot even be sent: told as the tables would tell it. */
    db_reply_fail(fn, owner, &e);
    return true;
}

bool mirror_is_refusal(const struct db_reply *reply)
{
    enum err_code code = reply->err->code;
    return !reply->is_in_doubt &&
           (code == ERR_INVALID || code == ERR_LIMIT ||
            (code == ERR_CONFLICT && !db_sqlstate_is_retriable(reply->sqlstate)));
}

/* ── the lease ── */

void mirror_stand_by(struct mirror *m)
{
    if (m->phase != MIRROR_STANDBY)
        log_info("mirror.standby", "shard=%zu holder=%s", m->shard, m->holder_text);
    m->phase = MIRROR_STANDBY;
    own_rows_end(m->gw->own_rows[m->shard]);
    mirror_apply_clear(m);
    mirror_snapshot_clear(m);
    rollups_destroy(m->rollups);
    m->rollups = rollups_create();
}

static void take_over(struct mirror *m, const struct mirror_state *state)
{
    int64_t seq;
    if (worker_parse_cursor(state->snapshot_cursor, m->shard, &seq)) {
        log_info("mirror.held", "snapshot=%.*s", STR_FMT(state->snapshot_cursor));
        if (!worker_parse_cursor(state->cursor, m->shard, &m->stored))
            m->stored = -1;
        mirror_snapshot_resume(m, seq, state->has_after ? &state->snapshot_after : NULL);
    } else if (worker_parse_cursor(state->cursor, m->shard, &seq)) {
        log_info("mirror.held", "cursor=%.*s", STR_FMT(state->cursor));
        mirror_follow(m, seq);
    } else {
        log_info("mirror.held", "shard=%zu cursor=none", m->shard);
        m->stored = -1;
        mirror_snapshot_start(m);
    }
}

static void know_state(struct mirror *m, const struct mirror_state *state)
{
    int64_t seq = -1;
    m->stored_at_us = state->updated_at_us;
    bool has_cursor = worker_parse_cursor(state->cursor, m->shard, &seq);
    feed_set_outbox_waiting(m->gw, m->shard, state->outbox_waiting, m->puts_before);
    feed_set_outbox_oldest(m->gw, m->shard, state->outbox_oldest_us);
    feed_set_outbox_apart(m->gw, m->shard, state->has_apart);
    if (!state->is_held) {
        if (m->phase != MIRROR_STANDBY)
            mirror_stand_by(m);
        if (has_cursor && str_is_empty(state->snapshot_cursor))
            feed_table_reached(m->feed, seq);
        return;
    }
    if (m->phase == MIRROR_STANDBY)
        take_over(m, state);
    else if (m->phase == MIRROR_FOLLOW && has_cursor)
        mirror_apply_checked(m, seq);
    mirror_audit_look(m->audit, state);
    if ((state->outbox_waiting > 0 || state->is_apart_due) && feed_is_up(m->gw, m->shard))
        outbox_forward(m);
}

static void asked(void *owner, const struct db_reply *reply)
{
    struct mirror *m = owner;
    struct mirror_state state;
    m->is_asking = false;
    if (!m->is_running)
        return;
    if (reply->err == NULL && mirror_read_state(reply->rows[2], &state))
        know_state(m, &state);
    else if (reply->err != NULL)
        log_debug("mirror.lease", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    io_timer_start(m->lease_timer, m->lease_ms / RENEWALS);
}

struct ask {
    struct mirror *m;
    struct arena *arena;
};

static void ask_replied(void *owner, const struct db_reply *reply)
{
    struct ask *ask = owner;
    struct arena *a = ask->arena;
    asked(ask->m, reply);
    arena_destroy(a);
}

static void ask(void *owner)
{
    struct mirror *m = owner;
    struct err e;
    if (m->is_asking || !m->is_running)
        return;
    m->puts_before = feed_outbox_puts(m->gw, m->shard);
    struct arena *a = arena_create(1 << 16);
    struct ask *kept = arena_new(a, struct ask);
    *kept = (struct ask){ m, a };
    const struct db_step steps[] = { mirror_async_step(),
                                     mirror_hold_step(a, &m->lease, m->lease_ms),
                                     mirror_read_step(a, &m->lease) };
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = countof(steps),
                                  .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = ask_replied,
                                  .owner = kept };
    m->is_asking = db_pool_call(m->loop->pool, &call, NULL, &e);
    if (m->is_asking)
        return;
    arena_destroy(a);
    io_timer_start(m->lease_timer, m->lease_ms / RENEWALS);
}

void mirror_recheck(struct mirror *m)
{
    if (m->is_running && !m->is_asking)
        io_timer_start(m->lease_timer, ROLLUP_RETRY_MS);
}

/* ── what the feed says ── */

void mirror_begin_again(struct mirror *m)
{
    mirror_apply_clear(m);
    rollups_destroy(m->rollups);
    m->rollups = rollups_create();
    m->gap_since_us = m->stored_at_us;
    mirror_snapshot_start(m);
}

/* A window that is being stored comes to its end first: it must not move counters that the snapshot
 * has set. */
void mirror_lost_track(struct mirror *m)
{
    if (m->phase != MIRROR_FOLLOW)
        return;
    if (m->applying != NULL)
        m->is_lost = true;
    else
        mirror_begin_again(m);
}

struct mirror_stats mirror_stats(const struct mirror *m)
{
    return m->stats;
}

/* ── life ── */

void mirror_name(size_t shard, char ret_name[MIRROR_NAME_MAX])
{
    snprintf(ret_name, MIRROR_NAME_MAX, shard > 0 ? "tasks-%zu" : "tasks", shard);
}

static void name_lease(struct mirror *m)
{
    uuid_format(uuid_v7(), m->holder_text);
    mirror_name(m->shard, m->name_text);
    m->lease = (struct mirror_lease){ .name = str_of_c(m->name_text),
                                      .holder = str_of_c(m->holder_text),
                                      .shard = (int16_t)m->shard };
}

struct mirror *mirror_create(struct gateway *gw, struct feed *feed, size_t shard)
{
    struct mirror *m = mem_new(struct mirror);
    *m = (struct mirror){ .gw = gw,
                          .loop = &gw->loops[0],
                          .feed = feed,
                          .shard = shard,
                          .lease_ms = conf_duration_us(gw->conf, CONF_MIRROR_LEASE) / CLOCK_MS,
                          .rollups = rollups_create(),
                          .backoff = { .min_ms = 50, .max_ms = 2'000 } };
    name_lease(m);
    m->lease_timer = io_timer_create(m->loop->io, ask, m);
    mirror_apply_init(m);
    m->audit = mirror_audit_create(m);
    return m;
}

void mirror_begin(struct mirror *m)
{
    m->is_running = true;
    ask(m);
}

static void released(void *owner, const struct db_reply *reply)
{
    (void)reply;
    arena_destroy(owner);
}

/* The lease is given up at once, so that another gateway need not wait for its end. */
static void release(struct mirror *m)
{
    struct arena *a = arena_create(1 << 12);
    struct err e;
    const struct db_step step = mirror_release_step(a, &m->lease);
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                                  .fn = released,
                                  .owner = a };
    if (!db_pool_call(m->loop->pool, &call, NULL, &e))
        arena_destroy(a);
}

void mirror_end(struct mirror *m)
{
    bool was_held = m->phase != MIRROR_STANDBY;
    m->is_running = false;
    io_timer_stop(m->lease_timer);
    mirror_stand_by(m);
    if (was_held)
        release(m);
}

void mirror_destroy(struct mirror *m)
{
    if (m == NULL)
        return;
    mirror_apply_clear(m);
    mirror_snapshot_clear(m);
    mirror_audit_destroy(m->audit);
    rollups_destroy(m->rollups);
    io_timer_destroy(m->lease_timer);
    io_timer_destroy(m->flush_timer);
    io_timer_destroy(m->retry_timer);
    mem_free(m);
}
