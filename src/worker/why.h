/*
 * why: the reason why a task that waits does not run now, and when it will, where that is known.
 * The first that holds of: it depends on others; it is not due; its type or queue is paused; no
 * worker takes it; a limit; others stand before it.
 * Source: docs/protocol.md "The task object".
 */
#pragma once
#include "worker/shard_priv.h"

struct task_view;

/* `{"code", "text", "expected_at_us", "blocked_by"}` in the arena, at a view's moment; empty: it
 * does not wait. `view` is of the same task, with its payload. */
[[nodiscard]] struct str why_of_waiting(struct arena *a, struct shard *s, const struct live *task,
                                        const struct task_view *view);
