/*
 * standing: how tasks stand that others are to wait for: memory knows the unfinished ones, the
 * tables, which were asked some time ago, the finished ones. Between that and the batch such a task
 * may finish or be opened again, which memory alone cannot tell: then it is UNKNOWN, and must be
 * looked up anew.
 */
#pragma once
#include "worker/shard_priv.h"

enum { STANDING_LOOKS_MAX = 4 }; /* what is unknown then does not exist */

enum standing { STANDING_SUCCEEDED, STANDING_OPEN, STANDING_FAILED, STANDING_UNKNOWN };

/* What the tables said. All zeros: nothing yet. */
struct standings {
    struct map *states;
    unsigned looks; /* how often they were asked */
    int64_t seq;    /* what was committed then */
};

struct worker;

/* Asks for `ids` and calls `fn`, which gives the rows to standings_read. The map ends with the
 * arena, which must outlive the call. */
void standings_ask(struct standings *st, struct worker *w, struct arena *a, const struct uuid *ids,
                   size_t count, db_reply_fn *fn, void *owner);
void standings_read(struct standings *st, const struct db_rows *rows);
/* The tables did not know it. */
[[nodiscard]] bool standing_is_gone(const struct standings *st, struct uuid on);
/* In `apply`. `ret_state` is set where it is FAILED: STATE_CANCELLED or STATE_DEAD. */
[[nodiscard]] enum standing standing_of(const struct standings *st, const struct shard *s,
                                        struct uuid on, enum rule_state *ret_state);
