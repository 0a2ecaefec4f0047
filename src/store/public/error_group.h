/*
 * error_group: failed tasks whose errors share one template.
 * SQL: error_group.sql.
 */
#pragma once
#include "db/pool.h"

/* The largest first; `type` NULL: of all. */
[[nodiscard]] struct db_step error_group_list_step(struct arena *a, int64_t since_us,
                                                   const struct str *type, size_t count_max);
enum error_group_column {
    ERROR_GROUP_TYPE,
    ERROR_GROUP_TEMPLATE,
    ERROR_GROUP_COUNT,
    ERROR_GROUP_FIRST_AT,
    ERROR_GROUP_LAST_AT,
    ERROR_GROUP_SAMPLE, /* id of the newest */
};
