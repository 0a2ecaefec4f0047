/*
 * retain: partitions are made ahead; what has finished for longer than the retention is removed.
 *
 * A day of ids counts once it is older than id-past. It is dropped whole when it holds no
 * unfinished task and none that finished within the retention; else its expired rows are deleted in
 * paced batches. The feed tells either. What a type keeps for less than the others is deleted in
 * paced batches, too, looked for once an hour. Days of change_log's numbers go when they are older
 * than the feed's retention and behind the checkpoint.
 */
#pragma once
#include "worker/shard_priv.h"

[[nodiscard]] struct retain *retain_create(struct shard *s);
void retain_destroy(struct retain *retain); /* accepts NULL */
/* We lead: now and then from now on. */
void retain_start(struct retain *retain);
void retain_stop(struct retain *retain);

/* As many are made in one transaction; when it was so many, there may be more to make. */
enum { RETAIN_DAYS_AT_ONCE = 8 };
/* The arguments of retain_day_make for the days that new ids may have. */
[[nodiscard]] const struct db_args *retain_days_to_make(const struct shard *s, struct arena *a);
