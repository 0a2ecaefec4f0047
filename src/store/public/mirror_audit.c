#include "store/public/mirror_audit.h"

#include "store/public/mirror_audit_sql.h"

struct db_step mirror_audit_days_step(void)
{
    return (struct db_step){ &mirror_audit_days, NULL };
}

struct db_step mirror_audit_sums_step(struct arena *a, struct uuid after, struct uuid last,
                                      int64_t rows_max, int16_t shard)
{
    return (struct db_step){ &mirror_audit_sums,
                             mirror_audit_sums_args(a, after, last, rows_max, shard) };
}

bool mirror_audit_add_sums(const struct db_rows *rows,
                           struct mirror_audit_bucket buckets[MIRROR_AUDIT_BUCKETS],
                           struct uuid *ret_last, int64_t *ret_row_count)
{
    enum { BUCKET, COUNT, SUM, VERSION, LAST, ROWS };
    if (db_rows_count(rows) == 0)
        return false;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (db_rows_is_null(rows, i, BUCKET)) /* rows, but none of the worker's */
            continue;
        int64_t at = db_rows_i64(rows, i, BUCKET);
        assert(at >= 0 && at < MIRROR_AUDIT_BUCKETS);
        struct mirror_audit_bucket *b = &buckets[at];
        b->count += db_rows_i64(rows, i, COUNT);
        b->sum += db_rows_i64(rows, i, SUM);
        b->version = max_of(b->version, db_rows_i64(rows, i, VERSION));
    }
    *ret_last = db_rows_uuid(rows, 0, LAST);
    *ret_row_count = db_rows_i64(rows, 0, ROWS);
    return true;
}

struct db_step mirror_audit_figures_step(struct arena *a, const struct mirror_lease *lease)
{
    return (struct db_step){ &mirror_audit_figures,
                             mirror_audit_figures_args(a, lease->name, lease->shard) };
}

struct db_step mirror_audit_compare_step(struct arena *a, struct uuid after, struct uuid last,
                                         const struct mirror_audit_told *told, int64_t rows_max,
                                         int16_t shard)
{
    return (struct db_step){ &mirror_audit_compare,
                             mirror_audit_compare_args(a, after, last, told->ids, told->count,
                                                       told->versions, told->count, told->statuses,
                                                       told->count, shard, rows_max) };
}

struct db_step mirror_audit_clear_tasks_step(struct arena *a, const struct uuid *ids,
                                             const int64_t *versions, size_t count)
{
    return (struct db_step){ &mirror_audit_clear_tasks,
                             mirror_audit_clear_tasks_args(a, ids, count, versions, count) };
}

struct db_step mirror_audit_clear_jobs_step(struct arena *a, const struct uuid *ids,
                                            const int64_t *versions, size_t count)
{
    return (struct db_step){ &mirror_audit_clear_jobs,
                             mirror_audit_clear_jobs_args(a, ids, count, versions, count) };
}

struct db_step mirror_audit_ask_step(struct arena *a, const struct str *names, size_t count)
{
    return (struct db_step){ &mirror_audit_ask, mirror_audit_ask_args(a, names, count) };
}

struct db_step mirror_audit_begin_step(struct arena *a, const struct mirror_lease *lease)
{
    return (struct db_step){ &mirror_audit_begin, mirror_audit_begin_args(a, lease->name) };
}

struct db_step mirror_audit_end_step(struct arena *a, const struct mirror_lease *lease,
                                     struct str report)
{
    return (struct db_step){ &mirror_audit_end, mirror_audit_end_args(a, lease->name, report) };
}

struct db_step mirror_audit_read_step(struct arena *a, const struct str *names, size_t count)
{
    return (struct db_step){ &mirror_audit_read, mirror_audit_read_args(a, names, count) };
}
