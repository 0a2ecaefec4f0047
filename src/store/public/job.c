#include "store/public/job.h"

#include "store/public/job_sql.h"

struct db_step job_recent_runs_step(struct arena *a, const struct uuid *ids, size_t id_count,
                                    size_t count)
{
    return (struct db_step){ &job_recent_runs,
                             job_recent_runs_args(a, ids, id_count, (int64_t)count) };
}
