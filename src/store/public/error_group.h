/*
 * error_group: failed tasks whose errors share one template. The mirror keeps them: behind each
 * statement that writes tasks it makes the groups of those that failed, or do no longer, agree.
 * SQL: error_group.sql.
 */
#pragma once
#include "store/public/stats.h"

/* Stands before the others that change something, in their transaction: one at a time does. */
[[nodiscard]] struct db_step error_group_hold_step(void);
/* Of these tasks; each may come more than once. */
[[nodiscard]] struct db_step error_group_sync_step(struct arena *a, const struct uuid *ids,
                                                   size_t count);
/* Of all of the shard from each `froms` to its `tos`. */
[[nodiscard]] struct db_step error_group_sync_ranges_step(struct arena *a, const struct uuid *froms,
                                                          const struct uuid *tos, size_t count,
                                                          int16_t shard);

struct error_group_query {
    const struct stats_range *ranges; /* the time that is looked at, at least one */
    size_t range_count;
    const struct str *type; /* NULL: of all */
    size_t count_max;
};
/* The largest first. */
[[nodiscard]] struct db_step error_group_list_step(struct arena *a,
                                                   const struct error_group_query *query);
enum error_group_column {
    ERROR_GROUP_TYPE,
    ERROR_GROUP_TEMPLATE,
    ERROR_GROUP_COUNT,
    ERROR_GROUP_FIRST_AT,
    ERROR_GROUP_LAST_AT,
    ERROR_GROUP_SAMPLE, /* id of the newest */
};

/* Counts of spans of one length that began before then; at most so many, db_rows_affected tells. */
[[nodiscard]] struct db_step error_group_expire_step(struct arena *a, int64_t span_s,
                                                     int64_t before_us, size_t count_max);
/* Groups without tasks; tells as above. */
[[nodiscard]] struct db_step error_group_forget_step(struct arena *a, size_t count_max);
