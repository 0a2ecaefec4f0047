/*
 * feed_subscribers: who subscribed to the feeds on one loop, found by what they want to hear of, so
 * that a change costs those alone whom it may concern. Thread: the loop's.
 */
#pragma once
#include "gateway/feed_priv.h"
#include "gateway/task_filter.h"

struct feed_subscribers;

[[nodiscard]] struct feed_subscribers *feed_subscribers_create(void);
/* Nobody is subscribed any more. Accepts NULL. */
void feed_subscribers_destroy(struct feed_subscribers *subscribers);

/*
 * For the tasks that the filter asks for, of which it may hear more than that; NULL: for
 * everything. What is dropped is told to everybody.
 */
[[nodiscard]] struct feed_subscription *feed_subscribers_add(struct feed_subscribers *subscribers,
                                                             const struct task_filter *filter,
                                                             feed_fn *fn, void *owner);
/* All from the event on that has the index `from`: each subscriber once, if there is anything for
 * him. `batch` NULL: changes of the shard were missed, which concerns everybody. */
void feed_subscribers_tell(struct feed_subscribers *subscribers, size_t shard,
                           const struct feed_batch *batch, size_t from);
