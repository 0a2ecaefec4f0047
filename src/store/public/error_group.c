#include "store/public/error_group.h"

#include "store/public/error_group_sql.h"

struct db_step error_group_sync_scope_step(struct arena *a, const struct error_group_scope *scope)
{
    return (struct db_step){ &error_group_sync,
                             error_group_sync_args(a, scope->ids, scope->id_count, scope->froms,
                                                   scope->range_count, scope->tos,
                                                   scope->range_count, scope->shard) };
}

struct db_step error_group_sync_step(struct arena *a, const struct uuid *ids, size_t count)
{
    const struct error_group_scope scope = { .ids = ids, .id_count = count };
    return error_group_sync_scope_step(a, &scope);
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

struct db_step error_group_stray_step(struct arena *a, size_t count_max)
{
    return (struct db_step){ &error_group_stray, error_group_stray_args(a, (int64_t)count_max) };
}

struct db_step error_group_mend_step(struct arena *a, const int64_t *ids, size_t count)
{
    return (struct db_step){ &error_group_mend, error_group_mend_args(a, ids, count) };
}

struct db_step error_group_forget_step(struct arena *a, size_t count_max)
{
    return (struct db_step){ &error_group_forget, error_group_forget_args(a, (int64_t)count_max) };
}
