/*
 * feed_made: how a task was made that has been deleted since, for whoever reads its beginning late:
 * the audit log tells who made it. Source: docs/protocol.md "Feed and snapshot".
 */
#pragma once
#include "worker/shard_priv.h"

struct db_rows;

/* The event of number `seq`, in the place of an `add`, of a row of read_made. False: that row is
 * not of this beginning. */
[[nodiscard]] bool feed_made_put(struct buf *out, const struct shard *s, const struct db_rows *rows,
                                 size_t row, int64_t seq, int64_t at_us);
