/* What time does to sessions: deadlines of leases, silence, waits that are over. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/session_priv.h"

enum { CLOCK_MAX_MS = 1'000 };

/* ── a lease that ends without its executor ── */

struct lease_ending {
    struct intent intent;
    struct shard *s;
    struct uuid task;
    int64_t fence;
    void (*end)(struct batch *b, struct live *task);
};

/* NULL: somebody else has ended it. */
static struct live *still_running(const struct shard *s, const struct lease_ending *ending)
{
    struct live *task = live_find(s->live, ending->task);
    bool is_running =
        task && task->state == LIVE_RUNNING && live_run_of(s->live, task).fence == ending->fence;
    return is_running ? task : NULL;
}

static void apply_ending(struct intent *intent, struct batch *b)
{
    const struct lease_ending *ending = container_of(intent, struct lease_ending, intent);
    struct live *task = still_running(b->s, ending);
    if (task)
        ending->end(b, task);
}

/* Refused: the clock shall see it again. */
static void ending_done(struct intent *intent, const struct err *err)
{
    struct lease_ending *ending = container_of(intent, struct lease_ending, intent);
    struct live *task = err ? still_running(ending->s, ending) : NULL;
    if (task) {
        live_lift(ending->s->live, task);
        task->flags &= (uint8_t)~LIVE_ENDING;
        live_place(ending->s->live, task, shard_now_us(ending->s));
    }
    mem_free(ending);
}

static void end_lease(struct shard *s, const struct live *task,
                      void (*end)(struct batch *b, struct live *task))
{
    struct err e;
    struct lease_ending *ending = mem_new(struct lease_ending);
    *ending = (struct lease_ending){ .intent = { .apply = apply_ending, .done = ending_done },
                                     .s = s,
                                     .task = task->id,
                                     .fence = live_run_of(s->live, task).fence,
                                     .end = end };
    if (!shard_submit(s, &ending->intent, &e))
        ending_done(&ending->intent, &e);
}

void session_return_orphan(struct shard *s, const struct live *task)
{
    end_lease(s, task, lease_lost);
}

/* ── what is due ── */

/* One that is past its deadline is told to stop, and ended a while later. */
static void look_at_deadlines(struct session_set *set)
{
    enum { AT_ONCE_MAX = 1'000 };
    struct shard *s = set->s;
    int64_t now_us = shard_now_us(s);
    for (size_t i = 0; i < AT_ONCE_MAX; i++) {
        struct live *task = live_first_deadline(s->live);
        if (!task || live_deadline_us(task) > now_us)
            return;
        bool is_told = task->flags & LIVE_OVERDUE;
        live_lift(s->live, task);
        task->flags |= is_told ? LIVE_ENDING : LIVE_OVERDUE;
        live_place(s->live, task, now_us);
        if (is_told)
            end_lease(s, task, lease_timed_out);
        else
            session_command(set, task);
    }
}

static void expire(struct session_set *set)
{
    int64_t now_us = clock_mono_us();
    list_each (node, &set->all) {
        struct session *session = container_of(node, struct session, node);
        if (session->expires_us > now_us || session->is_ending)
            continue;
        log_warn("session.expired", "worker=%s leases=%u", log_quote(session->worker),
                 session->leases);
        session_end(set, session, false);
    }
}

static void wake_late(struct session_set *set)
{
    int64_t now_us = clock_mono_us();
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (wait->until_us > now_us)
            continue;
        session_unpark(wait);
        wait->wake(wait);
    }
}

/* ── the timer ── */

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return min_of(a_us, b_us);
}

/* How long until something is due, at most CLOCK_MAX_MS. */
static int64_t next_ms(const struct session_set *set)
{
    const struct shard *s = set->s;
    int64_t now_us = shard_now_us(s), mono_us = clock_mono_us();
    int64_t left_us = CLOCK_MAX_MS * CLOCK_MS;
    const struct live *due = live_first_due(s->live), *end = live_first_deadline(s->live);
    if (due && set->parked_count > 0)
        left_us = sooner(left_us, due->at_us - now_us);
    if (set->token_us > 0 && set->parked_count > 0)
        left_us = sooner(left_us, set->token_us - mono_us);
    if (end)
        left_us = sooner(left_us, live_deadline_us(end) - now_us);
    list_each (node, &set->parked)
        left_us = sooner(left_us, container_of(node, struct lease_wait, node)->until_us - mono_us);
    return max_of((left_us + CLOCK_MS - 1) / CLOCK_MS, (int64_t)1);
}

void session_set_clock(struct session_set *set)
{
    int64_t delay_ms = next_ms(set);
    int64_t at_us = clock_mono_us() + delay_ms * CLOCK_MS;
    if (io_timer_is_running(set->clock) && set->clock_us <= at_us)
        return;
    set->clock_us = at_us;
    io_timer_start(set->clock, delay_ms);
}

void session_on_clock(void *owner)
{
    struct session_set *set = owner;
    struct shard *s = set->s;
    wake_late(set);
    if (shard_is_leading(s)) {
        live_ripen(s->live, shard_now_us(s));
        live_refill(s->live, clock_mono_us());
        look_at_deadlines(set);
        expire(set);
        shard_wake(s);
    }
    session_set_clock(set);
}
