/*
 * drop: finished tasks are removed, one by one or a whole day of ids: the log, the rows, the
 * counters and the feed's event. For an intent's `apply`.
 */
#pragma once
#include "worker/shard_priv.h"

struct drop {
    struct uuid id;
    int64_t seq; /* the number of its end: it must still be that one, else the batch is refused */
    uint32_t type;
    enum rule_state state;
    struct str by; /* the person who deletes it; empty: nobody */
};

/* Its id is remembered where it may be sent again: it is refused then. */
void drop_task(struct batch *b, const struct drop *task);

/* So many tasks of a type that ended so. */
struct drop_count {
    uint32_t type;
    enum rule_state state;
    int64_t count;
};
/* The day, counted from 1970, goes whole; nothing else may be dropped in that batch. */
void drop_day(struct batch *b, int64_t day, const struct drop_count *counts, size_t count);
