#include "store/public/facts.h"

#include "store/public/facts_sql.h"

struct db_step facts_overview_step(void)
{
    return (struct db_step){ &facts_overview, NULL };
}

struct db_step facts_types_step(struct arena *a, int64_t since_us, size_t limit)
{
    return (struct db_step){ &facts_types, facts_types_args(a, since_us, (int64_t)limit) };
}

struct db_step facts_totals_step(struct arena *a, const struct str *types, size_t type_count)
{
    return (struct db_step){ &facts_totals, facts_totals_args(a, types, type_count) };
}

struct db_step facts_rollups_step(struct arena *a, const struct str *types, size_t type_count,
                                  int64_t since_us)
{
    return (struct db_step){ &facts_rollups, facts_rollups_args(a, types, type_count, since_us) };
}

struct db_step facts_jobs_step(struct arena *a, size_t limit)
{
    return (struct db_step){ &facts_jobs, facts_jobs_args(a, (int64_t)limit) };
}

struct db_step facts_errors_step(struct arena *a, size_t limit)
{
    return (struct db_step){ &facts_errors,
                             facts_errors_args(a, FACTS_FAILED_LOOK_MAX, (int64_t)limit) };
}

struct db_step facts_oldest_step(struct arena *a)
{
    return (struct db_step){ &facts_oldest, facts_oldest_args(a, FACTS_PENDING_LOOK_MAX) };
}
