/*
 * mirror_audit: what the copies of tasks and jobs hold, for the one that compares them with the
 * worker's, and how the last comparison ended.
 * SQL: mirror_audit.sql.   Source: docs/protocol.md "Sums".
 */
#pragma once
#include "db/pool.h"
#include "schema/entities.h"
#include "store/public/mirror.h"

/* One column: days of ids, from 1970. */
[[nodiscard]] struct db_step mirror_audit_days_step(void);

/* Behind `after`, up to `last`, at most `rows_max` rows. */
[[nodiscard]] struct db_step mirror_audit_sums_step(struct arena *a, struct uuid after,
                                                    struct uuid last, int64_t rows_max,
                                                    int16_t shard);
enum { MIRROR_AUDIT_BUCKETS = 16 };
struct mirror_audit_bucket {
    int64_t count, sum, version; /* of the newest */
};
/* Adds them to `buckets`. False: there were no rows; else the last one that was looked at. */
[[nodiscard]] bool mirror_audit_add_sums(const struct db_rows *rows,
                                         struct mirror_audit_bucket buckets[MIRROR_AUDIT_BUCKETS],
                                         struct uuid *ret_last, int64_t *ret_row_count);

/* Rows of kind, text, text, number; see the SQL. */
[[nodiscard]] struct db_step mirror_audit_figures_step(struct arena *a,
                                                       const struct mirror_lease *lease);

struct mirror_audit_told {
    struct uuid *ids;
    int64_t *versions;
    struct str *statuses; /* labels */
    size_t count;
};
/*
 * Those that are otherwise among at most rows_max rows: id, version or null, whether it was told,
 * and the last id that was looked at, the same in each. There is one row at least; its id is null
 * where none is otherwise.
 */
[[nodiscard]] struct db_step mirror_audit_compare_step(struct arena *a, struct uuid after,
                                                       struct uuid last,
                                                       const struct mirror_audit_told *told,
                                                       int64_t rows_max, int16_t shard);
[[nodiscard]] struct db_step mirror_audit_clear_tasks_step(struct arena *a, const struct uuid *ids,
                                                           const int64_t *versions, size_t count);
[[nodiscard]] struct db_step mirror_audit_clear_jobs_step(struct arena *a, const struct uuid *ids,
                                                          const int64_t *versions, size_t count);

/* For the gateway that keeps the mirror, whichever that is. `names`: of those that are kept; the
 * row of a shard that was taken away stays. */
[[nodiscard]] struct db_step mirror_audit_ask_step(struct arena *a, const struct str *names,
                                                   size_t count);
[[nodiscard]] struct db_step mirror_audit_begin_step(struct arena *a,
                                                     const struct mirror_lease *lease);
[[nodiscard]] struct db_step
mirror_audit_end_step(struct arena *a, const struct mirror_lease *lease, struct str report);
/* Rows of name, asked, began, ended, report; all but the first may be null. */
[[nodiscard]] struct db_step mirror_audit_read_step(struct arena *a, const struct str *names,
                                                    size_t count);
