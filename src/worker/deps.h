/*
 * deps: tasks that wait for others. A blocked task is in no heap; when the last of those that it
 * waits for has succeeded, it is ready in the same batch. One that failed blocks on, until it is
 * tried again and succeeds, or the blocked one is cancelled.
 */
#pragma once
#include "worker/shard_priv.h"

struct deps;

enum { DEPS_MAX = 100 }; /* that one task may wait for */

[[nodiscard]] struct deps *deps_create(void);
void deps_destroy(struct deps *deps); /* accepts NULL */
void deps_clear(struct deps *deps);

/* `task` waits for `on`, which has not succeeded; outside of a batch. */
void deps_add(struct deps *deps, struct uuid task, struct uuid on);
/* The same in a batch, whose undo takes it back. */
void deps_add_in(struct batch *b, struct uuid task, struct uuid on);
/* In a batch: `on` has succeeded; those that waited for nothing else begin to wait for a slot. */
void deps_succeeded(struct batch *b, struct uuid on);
[[nodiscard]] size_t deps_count(const struct deps *deps); /* tasks that are waited for */
