#include "gateway/audit_keep.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/public/audit.h"

enum { EXPIRE_DEADLINE_US = 10 * CLOCK_S };

struct expiry {
    struct gateway_loop *loop;
    struct arena *arena;
};

/* A full batch: there may be more. */
static void expired(void *owner, const struct db_reply *reply)
{
    struct expiry *expiry = owner;
    struct gateway_loop *loop = expiry->loop;
    int64_t gone = reply->err == NULL ? audit_expired(reply->rows[0]) : 0;
    if (reply->err != NULL) /* the next hour tries again */
        log_warn("audit.not-expired", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    else if (gone > 0)
        log_info("audit.expired", "count=%lld", (long long)gone);
    loop->has_old_audit = gone == AUDIT_KEEP_BATCH;
    loop->is_audit_asked = false;
    arena_destroy(expiry->arena);
}

void audit_keep_tick(struct gateway_loop *loop, bool is_due)
{
    struct err e;
    if ((!is_due && !loop->has_old_audit) || loop->is_audit_asked)
        return;
    struct arena *a = arena_create(1 << 14);
    struct expiry *expiry = arena_new(a, struct expiry);
    *expiry = (struct expiry){ loop, a };
    const struct db_step step = audit_expire_step(
        a, conf_duration_us(loop->gateway->conf, CONF_AUDIT_RETENTION), AUDIT_KEEP_BATCH);
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + EXPIRE_DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = expired,
                                  .owner = expiry };
    loop->is_audit_asked = db_pool_call(loop->pool, &call, NULL, &e);
    if (!loop->is_audit_asked)
        arena_destroy(a);
}
