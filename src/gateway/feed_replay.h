/*
 * feed_replay: what a shard's worker has done since a number, for a subscriber who was away: pages of
 * the feed, asked of the worker, until there are enough.
 *
 * Source: docs/protocol.md "Feed and snapshot"; docs/subscriptions.md. Thread: the loop's.
 */
#pragma once
#include "gateway/feed.h"

struct feed_replay;

/*
 * A page in order; `next_seq` is the first number behind it, and all lives during the call. False:
 * there are enough. With `e` there are none, and it is the last call: NOT_FOUND where the worker
 * keeps them no more, LIMIT where there are too many; UNAVAILABLE, TIMEOUT.
 */
typedef bool feed_replay_fn(void *owner, size_t shard, const struct feed_event *events,
                            size_t count, int64_t next_seq, const struct err *e);

/* Errors: UNAVAILABLE, then `fn` never comes; it never does from within this call. */
[[nodiscard]] bool feed_replay_begin(struct gateway_loop *loop, size_t shard,
                                     int64_t from_seq, feed_replay_fn *fn, void *owner,
                                     struct feed_replay **ret_replay, struct err *e);
/* Nothing is called any more; also from within `fn`. */
void feed_replay_end(struct feed_replay *replay); /* accepts NULL */
