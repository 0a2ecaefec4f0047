#include "store/public/stats.h"

#include "store/public/stats_sql.h"

struct db_step stats_totals_step(void)
{
    return (struct db_step){ &stats_totals, NULL };
}

struct db_step stats_task_counts_step(void)
{
    return (struct db_step){ &stats_task_counts, NULL };
}

struct stats_range_columns stats_range_columns(struct arena *a, const struct stats_range *ranges,
                                               size_t count)
{
    struct stats_range_columns columns = { arena_new_array(a, count, int64_t),
                                           arena_new_array(a, count, int64_t),
                                           arena_new_array(a, count, int64_t) };
    for (size_t i = 0; i < count; i++) {
        columns.spans_s[i] = ranges[i].span_s;
        columns.from_us[i] = ranges[i].from_us;
        columns.to_us[i] = ranges[i].to_us;
    }
    return columns;
}

static struct db_args *range_args(struct arena *a, const struct stats_range *ranges, size_t count)
{
    struct stats_range_columns c = stats_range_columns(a, ranges, count);
    return stats_rollups_args(a, c.spans_s, count, c.from_us, count, c.to_us, count);
}

struct db_step stats_rollups_step(struct arena *a, const struct stats_range *ranges, size_t count)
{
    return (struct db_step){ &stats_rollups, range_args(a, ranges, count) };
}

struct db_step stats_type_rollups_step(struct arena *a, const struct stats_range *ranges,
                                       size_t count)
{
    return (struct db_step){ &stats_type_rollups, range_args(a, ranges, count) };
}

struct db_step stats_expire_step(struct arena *a, int64_t span_s, int64_t before_us,
                                 size_t count_max)
{
    return (struct db_step){ &stats_expire,
                             stats_expire_args(a, (int32_t)span_s, before_us, (int64_t)count_max) };
}

struct db_step stats_trend_tasks_step(struct arena *a, const struct stats_buckets *b)
{
    return (struct db_step){ &stats_trend_tasks,
                             stats_trend_tasks_args(a, (int32_t)b->span_s, b->from_us, b->to_us,
                                                    b->task_type) };
}

struct db_step stats_trend_times_step(struct arena *a, const struct stats_buckets *b)
{
    return (struct db_step){ &stats_trend_times,
                             stats_trend_times_args(a, (int32_t)b->span_s, b->from_us, b->to_us,
                                                    b->task_type, b->has_waits, b->has_runs) };
}

struct db_step stats_trend_users_step(struct arena *a, const struct stats_buckets *b)
{
    return (struct db_step){ &stats_trend_users,
                             stats_trend_users_args(a, b->from_us, b->to_us, b->bucket_s) };
}

struct db_step stats_trend_messages_step(struct arena *a, const struct stats_buckets *b)
{
    return (struct db_step){ &stats_trend_messages,
                             stats_trend_messages_args(a, b->from_us, b->to_us, b->bucket_s) };
}
