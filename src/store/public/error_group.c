#include "store/public/error_group.h"

#include "store/public/error_group_sql.h"

struct db_step error_group_sync_step(struct arena *a, const struct uuid *ids, size_t count)
{
    return (struct db_step){ &error_group_sync,
                             error_group_sync_args(a, ids, count, NULL, 0, NULL, 0, 0) };
}

struct db_step error_group_sync_ranges_step(struct arena *a, const struct uuid *froms,
                                            const struct uuid *tos, size_t count, int16_t shard)
{
    return (struct db_step){ &error_group_sync,
                             error_group_sync_args(a, NULL, 0, froms, count, tos, count, shard) };
}

struct db_step error_group_list_step(struct arena *a, const struct error_group_query *query)
{
    size_t count = query->range_count;
    struct stats_range_columns c = stats_range_columns(a, query->ranges, count);
    return (struct db_step){ &error_group_list,
                             error_group_list_args(a, c.spans_s, count, c.from_us, count, c.to_us,
                                                   count, query->ranges[0].from_us, query->type,
                                                   (int64_t)query->count_max) };
}

struct db_step error_group_expire_step(struct arena *a, int64_t span_s, int64_t before_us,
                                       size_t count_max)
{
    return (struct db_step){ &error_group_expire,
                             error_group_expire_args(a, (int32_t)span_s, before_us,
                                                     (int64_t)count_max) };
}

struct db_step error_group_hold_step(void)
{
    return (struct db_step){ &error_group_hold, NULL };
}

struct db_step error_group_forget_step(struct arena *a, size_t count_max)
{
    return (struct db_step){ &error_group_forget, error_group_forget_args(a, (int64_t)count_max) };
}
