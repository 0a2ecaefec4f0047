/*
 * facts: what the ai service is told of tasks and jobs, read from the mirror's tables step by step
 * and written as the `facts` of docs/protocol.md. Bounded: the busiest types, the newest failures,
 * so many jobs.
 */
#pragma once
#include "gateway/gateway_priv.h"

enum {
    FACTS_SERIES_MAX = 50, /* task types */
    FACTS_JOBS_TOLD_MAX = 500,
    FACTS_ERRORS_TOLD_MAX = 50,
    FACTS_HOURS_MAX = 24 * 30,
};

/* `e` NULL: `json` is the object, in the call's arena. Comes once, from the loop. */
typedef void facts_fn(void *owner, struct str json, const struct err *e);

/*
 * Of the last `hours` hours, the running one among them. `a` lives until `fn` has come.
 *
 * Errors (at once, then `fn` never comes, or by `fn`): UNAVAILABLE, TIMEOUT.
 * Cost: six reads on the slow lane, one after the other.
 */
[[nodiscard]] bool facts_gather(struct gateway_loop *loop, struct arena *a, int hours,
                                int64_t deadline_us, facts_fn *fn, void *owner, struct err *e);
