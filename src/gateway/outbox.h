/*
 * outbox: what is accepted while the worker is away: kept in a table with its visible row, in one
 * commit that is on the disk before anybody is told, and sent, oldest first, once the worker is
 * back. One shard's entries do not wait for another's. One gateway sends: the one that keeps the
 * shard's mirror.
 * Source: ARCHITECTURE.md, "Accepted means kept".
 */
#pragma once
#include "gateway/feed.h"
#include "store/public/outbox.h"
#include "store/public/task_mirror.h"

/* What is put in, at once or not at all. All of it lives in `arena` until `fn` comes. */
struct outbox_put {
    struct gateway_loop *loop;
    size_t shard; /* whose worker is to get it */
    struct arena *arena;
    const struct outbox_entry *entries;
    size_t entry_count;
    int64_t
        aside_count; /* where some of them step aside at once: how many have, up to outbox-max */
    const struct mirror_row *tasks, *jobs; /* the visible rows */
    size_t task_count, job_count;
    int64_t deadline_us;
    /* Comes once, never from within outbox_put. `e` NULL: it is kept. */
    void (*fn)(void *owner, const struct err *e);
    void *owner;
};

/* Errors: then `fn` does not come. UNAVAILABLE of origin WORKER where outbox-max is reached, and
 * what the database's pool says. */
[[nodiscard]] bool outbox_begin(struct outbox_put *put, struct err *e);

/* Whether a worker that answers so takes it some other time: too much to do, no leader between two
 * batches, no database. */
[[nodiscard]] static inline bool outbox_is_put_off(int64_t status)
{
    return status == 429 || status > 500;
}
/* Whether something waits for that shard's worker, so that what comes now must wait behind it.
 * Thread: any. */
[[nodiscard]] static inline bool outbox_is_waiting(const struct gateway *gw, size_t shard)
{
    return feed_shard_outbox_waiting(gw, shard) > 0;
}
/* Whether anything is in it, of whatever shard. Thread: any. */
[[nodiscard]] static inline bool outbox_has_any(const struct gateway *gw)
{
    return feed_outbox_waiting(gw) > 0 || feed_has_outbox_apart(gw);
}
