/*
 * error_group: failed tasks whose errors share one template. The mirror keeps them: behind each
 * statement that writes tasks it makes the groups of those that failed, or do no longer, agree.
 * SQL: error_group.sql.
 */
#pragma once
#include "store/public/stats.h"

/* Stands before the others that change something, in their transaction: one at a time does. */
[[nodiscard]] struct db_step error_group_hold_step(void);
/* Of these tasks, each perhaps more than once, and of all of the shard from each `froms` to its
 * `tos`. */
struct error_group_scope {
    const struct uuid *ids;
    size_t id_count;
    const struct uuid *froms, *tos;
    size_t range_count;
    int16_t shard;
};
[[nodiscard]] struct db_step error_group_sync_scope_step(struct arena *a,
                                                         const struct error_group_scope *scope);
/* The same of these tasks alone. */
[[nodiscard]] struct db_step error_group_sync_step(struct arena *a, const struct uuid *ids,
                                                   size_t count);

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
/* The ids, INT8, of groups of which the first or the last failure is noted wrongly, or not at all;
 * at most so many. */
[[nodiscard]] struct db_step error_group_stray_step(struct arena *a, size_t count_max);
/* Notes the first and the last failure of these. It stands behind error_group_hold_step. */
[[nodiscard]] struct db_step error_group_mend_step(struct arena *a, const int64_t *ids,
                                                   size_t count);
/* Groups without tasks; at most so many, db_rows_affected tells. */
[[nodiscard]] struct db_step error_group_forget_step(struct arena *a, size_t count_max);
