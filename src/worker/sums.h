/*
 * sums: what tells whether two hold the same, without comparing all of it.
 * Source: docs/protocol.md "Sums".
 */
#pragma once
#include "worker/shard_priv.h"

/*
 * Of the unfinished tasks and the counters, as they are in memory: the same for a leader, and for
 * whoever loads or follows what he has written, at the same number. It stands in the log where
 * leading begins and ends.
 * Cost: some 20 ns a task.
 */
[[nodiscard]] uint64_t sums_of_memory(const struct shard *s);
