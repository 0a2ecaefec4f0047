/*
 * feed: the workers' changes, followed by every gateway process: one long poll a shard, on the
 * first loop. Its events go to the shard's mirror (where this process holds its lease) and to
 * whoever subscribed, on any loop. Nothing of it comes from the tables.
 *
 *   poll --> decode --> tell the loops --> subscribers
 *               `-----> mirror (first loop) --> tables
 *
 * Numbers are of one shard: those of two cannot be compared.
 * Source: docs/protocol.md "Feed and snapshot"; ARCHITECTURE.md.
 */
#pragma once
#include "gateway/gateway_priv.h"
#include "schema/entities.h"

enum feed_op {
    FEED_NONE, /* a number that concerns nobody; subscribers do not get it */
    FEED_ADD,
    FEED_START,
    FEED_FINISH,
    FEED_WAIT,
    FEED_REOPEN,
    FEED_NOTE,
    FEED_DROP,
    FEED_JOB,
    FEED_JOB_GONE,
    FEED_TYPE,
    FEED_QUEUE,
    FEED_RECORD,
    FEED_MADE, /* as NONE, where a task began that has left since; it concerns its record alone */
    FEED_OP_COUNT
};

/* So many tasks of that type and status have left with a DROP. */
struct feed_count {
    struct str type;
    enum task_status status;
    int64_t count;
};

struct json_value;

struct feed_event {
    enum feed_op op;
    int64_t seq;     /* the row's version after it */
    int64_t at_us;   /* wall: when it happened, by the worker's clock */
    struct uuid id;  /* of the task; of the job for JOB and JOB_GONE */
    struct str type; /* of the task */
    /*
     * What the event tells, in PostgreSQL's text form ("2026-11-23 08:30:00.25+00"; "in-progress"),
     * COL_tasks_COUNT cells, or COL_jobs_COUNT for JOB; those whose bit (1 << column) is not in
     * `told` are not known from it. ptr NULL: null. ADD and JOB tell all, MADE who made it and what
     * a row never changes of. NULL for the others.
     */
    uint64_t told;
    const struct str *cells;

    bool is_gone; /* NONE, MADE: of a task that left before this was read: nobody counts it */
    int from;     /* enum task_status before a FINISH or REOPEN */
    /* START: how long it waited; FINISH: how long it ran; -1: not known. */
    int64_t took_us;

    /* DROP: these, or all with from_id <= id < to_id where is_range. */
    const struct uuid *ids;
    size_t id_count;
    bool is_range;
    struct uuid from_id, to_id;
    const struct feed_count *counts;
    size_t count_count;

    /* TYPE, QUEUE, RECORD: the object as the worker tells it. JOB, JOB_GONE: who changed what
     * (`change`); NULL: nobody did. */
    const struct json_value *object;
    struct str actor; /* who did it, as people know them; empty: nobody in person */
};

/* enum task_status before the event; -1: the task was not there, or its status stays. */
[[nodiscard]] int feed_status_before(const struct feed_event *event);

/*
 * Called with what came of a shard, in order; everything lives during the call. `count` 0: changes
 * were missed (the gateway was away for longer than the worker keeps them), so read anew.
 */
typedef void feed_fn(void *owner, size_t shard, const struct feed_event *events, size_t count);

struct feed_subscription;
/* Accepts NULL. From within its `fn`, too. */
void feed_unsubscribe(struct feed_subscription *subscription);

/* The first number of the shard that the loop has yet to be told of, or an earlier one: who
 * subscribes now gets all from it on. 0: the worker's is not known yet. */
[[nodiscard]] int64_t feed_position(const struct gateway_loop *loop, size_t shard);

/*
 * Whether what the tables hold of tasks and jobs is LIVE: all that the workers of all shards had
 * done at some time within feed-lag-max is in them, whichever gateways keep the mirrors. By the
 * monotonic clock. Thread: any.
 */
[[nodiscard]] bool feed_is_live(const struct gateway *gw);
/* How old the tables' tasks and jobs are at most; INT64_MAX: not known yet. Thread: any. */
[[nodiscard]] int64_t feed_lag_us(const struct gateway *gw);
[[nodiscard]] int64_t feed_shard_lag_us(const struct gateway *gw, size_t shard);
/* Whether the shard's are LIVE, and since when (wall) they are or are not. Thread: any. */
[[nodiscard]] bool feed_shard_is_live(const struct gateway *gw, size_t shard,
                                      int64_t *ret_since_us);
/* Entries of the outbox: of all gateways, as known for about a second. Thread: any. */
[[nodiscard]] int64_t feed_outbox_waiting(const struct gateway *gw);
[[nodiscard]] int64_t feed_shard_outbox_waiting(const struct gateway *gw, size_t shard);
/* Whether some have stepped aside, which do not count there. Thread: any. */
[[nodiscard]] bool feed_has_outbox_apart(const struct gateway *gw);
/* Since when (wall) the oldest of them waits; 0: none does. Thread: any. */
[[nodiscard]] int64_t feed_outbox_oldest_us(const struct gateway *gw);
/* Whether the shard's worker answered the last time that it was asked for changes, and since when
 * (wall) it does or does not. Without a worker-url it never does. Thread: any. */
[[nodiscard]] bool feed_worker_is_up(const struct gateway *gw, size_t shard, int64_t *ret_since_us);
