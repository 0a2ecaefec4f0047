/*
 * tick: the lazy checkpoint. Each second, off the commit path and asynchronously, it writes what
 * changed among the unfinished tasks to task_live, the counters, and the number up to which that is
 * so, in transactions guarded by the epoch. A restart reads them and the log's tail.
 */
#pragma once
#include "worker/shard_priv.h"

[[nodiscard]] struct tick *tick_create(struct shard *s);
void tick_destroy(struct tick *tick); /* accepts NULL */
/* From the number on that the tables are at. */
void tick_start(struct tick *tick, int64_t ckpt_seq);
/* Forgets what was marked. */
void tick_stop(struct tick *tick);

/* The task has changed, or is new. */
void tick_mark(struct tick *tick, struct live *task);
/* It is gone, and task_live may hold it. */
void tick_gone(struct tick *tick, struct uuid id);
/* What a restart would read from; the log must be kept from there on. */
[[nodiscard]] int64_t tick_seq(const struct tick *tick);
