#include "gateway/sweep.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway_priv.h"
#include "store/public/conversation.h"
#include "store/public/insight.h"
#include "store/public/session.h"

enum { DEADLINE_US = 10 * CLOCK_S };

static struct db_step expire_sessions(struct arena *a)
{
    (void)a;
    return session_expire_step();
}

static const struct swept {
    const char *event;
    struct db_step (*step)(struct arena *a);
    size_t batch; /* so many rows are returned where there may be more; 0: never */
} everything[] = {
    { "sessions.expire", expire_sessions, 0 },
    { "conversations.purge", conversation_purge_step, CONVERSATION_PURGE_MAX },
    { "insights.purge", insight_purge_step, 0 },
};

struct sweep {
    struct gateway_loop *loop;
    const struct swept *what;
    struct arena *arena; /* it lives in it */
};

static void begin(struct gateway_loop *loop, const struct swept *what);

static void log_failure(const struct swept *what, const struct err *e)
{
    log_debug(what->event, "error=%s", log_quote(str_of_c(e->message)));
}

static void swept(void *owner, const struct db_reply *reply)
{
    struct sweep sweep = *(const struct sweep *)owner;
    bool is_more = reply->err == NULL && sweep.what->batch > 0 &&
                   db_rows_count(reply->rows[0]) == sweep.what->batch;
    if (reply->err != NULL)
        log_failure(sweep.what, reply->err);
    if (is_more)
        begin(sweep.loop, sweep.what);
    arena_destroy(sweep.arena);
}

static void begin(struct gateway_loop *loop, const struct swept *what)
{
    struct arena *a = arena_create(1 << 16);
    struct sweep *sweep = arena_new(a, struct sweep);
    struct db_step step = what->step(a);
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = swept,
                                  .owner = sweep };
    struct err e;
    *sweep = (struct sweep){ loop, what, a };
    if (db_pool_call(loop->pool, &call, NULL, &e))
        return;
    log_failure(what, &e);
    arena_destroy(a);
}

void sweep_hourly(struct gateway_loop *loop)
{
    for (size_t i = 0; i < countof(everything); i++)
        begin(loop, &everything[i]);
}
