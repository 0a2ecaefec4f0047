#include "store/public/task_mirror.h"

#include "base/map.h"
#include "store/public/task_mirror_sql.h"

enum { VERSIONS_MAX = 10'000 }; /* of a page's range; rows beyond are written again */

/* ── columns as arrays ── */

/* Enums, jsonb and arrays travel as text; the statements cast them. */
static enum db_cells cells_of(enum schema_type type)
{
    switch (type) {
    case SCHEMA_INT4:
        return DB_CELLS_INT4;
    case SCHEMA_INT8:
        return DB_CELLS_INT8;
    case SCHEMA_FLOAT8:
        return DB_CELLS_FLOAT8;
    case SCHEMA_UUID:
        return DB_CELLS_UUID;
    case SCHEMA_TIMESTAMPTZ:
        return DB_CELLS_TIMESTAMPTZ;
    case SCHEMA_BOOL:
    case SCHEMA_INT2:
    case SCHEMA_TEXT:
    case SCHEMA_BYTEA:
    case SCHEMA_JSON:
    case SCHEMA_JSONB:
    case SCHEMA_TEXT_ARRAY:
    case SCHEMA_UUID_ARRAY:
    case SCHEMA_INT8_ARRAY:
    case SCHEMA_ENUM:
    case SCHEMA_ENUM_ARRAY:
    case SCHEMA_TYPE_COUNT:
        break;
    }
    return DB_CELLS_TEXT;
}

/* Without the nulls at its end, which unnest adds. */
static void add_column(struct db_args *args, const struct schema_table *table,
                       const struct mirror_row *rows, size_t count, int column)
{
    while (count > 0 && rows[count - 1].cells[column].ptr == NULL)
        count--;
    struct str *cells = arena_new_array(args->arena, count, struct str);
    for (size_t i = 0; i < count; i++)
        cells[i] = rows[i].cells[column];
    db_args_cells(args, cells_of(table->columns[column].type), cells, count);
}

/* ── tasks ── */

static const struct schema_table *tasks_table(void)
{
    return &schema_public.tables[TABLE_tasks];
}

static bool is_rising(const struct mirror_row *rows, size_t count)
{
    size_t i = 1;
    while (i < count && str_cmp(rows[i - 1].cells[COL_tasks_id], rows[i].cells[COL_tasks_id]) < 0)
        i++;
    return i >= count;
}

/* No statement may come to a row twice. */
static size_t once_each(struct arena *a, const struct mirror_row **rows, size_t count)
{
    if (is_rising(*rows, count))
        return count;
    scoped(map_destroyp) struct map *seen = map_create();
    struct mirror_row *kept = arena_new_array(a, count, struct mirror_row);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (map_put(seen, (*rows)[i].cells[COL_tasks_id], &kept[n]) == NULL)
            kept[n++] = (*rows)[i];
    *rows = kept;
    return n;
}

static struct db_step put_step(struct arena *a, const struct mirror_row *rows, size_t count,
                               bool is_accepted, int16_t shard, bool is_forced, bool are_found)
{
    static const int columns[] = {
        COL_tasks_id,
        COL_tasks_type,
        COL_tasks_status,
        COL_tasks_state,
        COL_tasks_priority,
        COL_tasks_payload,
        COL_tasks_result,
        COL_tasks_error,
        COL_tasks_error_template,
        COL_tasks_queue,
        COL_tasks_attempt,
        COL_tasks_max_attempts,
        COL_tasks_progress,
        COL_tasks_run_at,
        COL_tasks_started_at,
        COL_tasks_finished_at,
        COL_tasks_timeout_seconds,
        COL_tasks_idempotency_key,
        COL_tasks_depends_on,
        COL_tasks_job_id,
        COL_tasks_scheduled_for,
        COL_tasks_created_by,
        COL_tasks_why,
        COL_tasks_version,
        COL_tasks_created_at,
        COL_tasks_updated_at,
    };
    struct db_args *args = db_args_create(a);
    count = once_each(a, &rows, count);
    for (size_t i = 0; i < countof(columns); i++)
        add_column(args, tasks_table(), rows, count, columns[i]);
    db_args_bool(args, is_accepted);
    db_args_i64(args, shard);
    db_args_bool(args, is_forced);
    db_args_bool(args, are_found);
    return (struct db_step){ &task_mirror_put, args };
}

struct db_step task_mirror_put_step(struct arena *a, const struct mirror_row *rows, size_t count,
                                    bool is_accepted, int16_t shard)
{
    return put_step(a, rows, count, is_accepted, shard, false, false);
}

struct db_step task_mirror_replace_step(struct arena *a, const struct mirror_row *rows,
                                        size_t count, int16_t shard)
{
    return put_step(a, rows, count, true, shard, true, false);
}

struct db_step task_mirror_found_step(struct arena *a, const struct mirror_row *row, int16_t shard)
{
    return put_step(a, row, 1, true, shard, false, true);
}

/* ── new tasks ── */

/* Those that a task has later, or seldom: rows that have them are put. */
static bool is_new(const struct mirror_row *row)
{
    static const int later[] = { COL_tasks_result,     COL_tasks_error,        COL_tasks_progress,
                                 COL_tasks_started_at, COL_tasks_finished_at,  COL_tasks_why,
                                 COL_tasks_job_id,     COL_tasks_scheduled_for };
    const struct str *cells = row->cells;
    struct str attempt = cells[COL_tasks_attempt], depends_on = cells[COL_tasks_depends_on];
    for (size_t i = 0; i < countof(later); i++)
        if (cells[later[i]].ptr != NULL)
            return false;
    return str_eq_c(cells[COL_tasks_status], "pending") &&
           (attempt.ptr == NULL || str_eq_c(attempt, "0")) &&
           (depends_on.ptr == NULL || str_eq_c(depends_on, "{}"));
}

static bool is_same_cell(struct str a, struct str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && str_eq(a, b);
}

static bool is_one_value(const struct mirror_row *rows, size_t count, int column)
{
    size_t i = 1;
    while (i < count && is_same_cell(rows[i].cells[column], rows[0].cells[column]))
        i++;
    return i >= count;
}

bool task_mirror_add_step(struct arena *a, const struct mirror_row *rows, size_t count,
                          int16_t shard, struct db_step *ret_step)
{
    static const int own[] = { COL_tasks_id, COL_tasks_version, COL_tasks_payload,
                               COL_tasks_idempotency_key };
    static const int shared[] = {
        COL_tasks_type,         COL_tasks_state,           COL_tasks_priority,   COL_tasks_queue,
        COL_tasks_max_attempts, COL_tasks_timeout_seconds, COL_tasks_created_by, COL_tasks_run_at,
        COL_tasks_created_at,   COL_tasks_updated_at,
    };
    bool is_one[countof(shared)];
    for (size_t i = 0; i < count; i++)
        if (!is_new(&rows[i]))
            return false;
    struct db_args *args = db_args_create(a);
    for (size_t i = 0; i < countof(own); i++)
        add_column(args, tasks_table(), rows, count, own[i]);
    for (size_t i = 0; i < countof(shared); i++) {
        is_one[i] = is_one_value(rows, count, shared[i]);
        add_column(args, tasks_table(), rows, is_one[i] ? 0 : count, shared[i]);
    }
    for (size_t i = 0; i < countof(shared); i++) {
        const struct str *cell = &rows[0].cells[shared[i]];
        db_args_text_or_null(args, is_one[i] && cell->ptr != NULL ? cell : NULL);
    }
    db_args_i64(args, shard);
    *ret_step = (struct db_step){ &task_mirror_add, args };
    return true;
}

struct db_step task_mirror_versions_step(struct arena *a, const struct mirror_page *page)
{
    return (struct db_step){ &task_mirror_versions,
                             task_mirror_versions_args(a, page->after, page->last, VERSIONS_MAX) };
}

bool task_mirror_is_few(const struct db_rows *versions)
{
    return db_rows_count(versions) < VERSIONS_MAX;
}

size_t task_mirror_newer(struct mirror_row *rows, size_t count, const struct db_rows *versions)
{
    size_t kept = 0, at = 0, known = db_rows_count(versions);
    for (size_t i = 0; i < count; i++) {
        struct str id = rows[i].cells[COL_tasks_id];
        int64_t version = 0;
        int order = -1;
        while (at < known &&
               (order = memcmp(db_rows_text(versions, at, 0).ptr, id.ptr, id.len)) < 0)
            at++;
        bool is_told = str_to_i64(rows[i].cells[COL_tasks_version], &version);
        bool is_there =
            at < known && order == 0 && is_told && db_rows_i64(versions, at, 1) >= version;
        if (!is_there)
            rows[kept++] = rows[i];
    }
    return kept;
}

/* What may change, in the order of the statement's bits. */
static const int changing[] = {
    COL_tasks_status,       COL_tasks_state,           COL_tasks_priority, COL_tasks_result,
    COL_tasks_error,        COL_tasks_error_template,  COL_tasks_queue,    COL_tasks_attempt,
    COL_tasks_max_attempts, COL_tasks_progress,        COL_tasks_run_at,   COL_tasks_started_at,
    COL_tasks_finished_at,  COL_tasks_timeout_seconds, COL_tasks_why,      COL_tasks_version,
    COL_tasks_created_at,   COL_tasks_updated_at,
};

static void add_told(struct db_args *args, const struct mirror_row *rows, size_t count)
{
    int64_t *told = arena_new_array(args->arena, count, int64_t);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < countof(changing); c++)
            if (rows[i].told & UINT64_C(1) << changing[c])
                told[i] |= INT64_C(1) << c;
    db_args_i64s(args, told, count);
}

struct db_step task_mirror_update_step(struct arena *a, const struct mirror_row *rows, size_t count)
{
    struct db_args *args = db_args_create(a);
    add_column(args, tasks_table(), rows, count, COL_tasks_id);
    add_told(args, rows, count);
    for (size_t i = 0; i < countof(changing); i++)
        add_column(args, tasks_table(), rows, count, changing[i]);
    return (struct db_step){ &task_mirror_update, args };
}

size_t task_mirror_missing(struct arena *a, const struct db_rows *rows, struct uuid **ret_ids)
{
    size_t count = db_rows_count(rows);
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    for (size_t i = 0; i < count; i++)
        ids[i] = db_rows_uuid(rows, i, 0);
    *ret_ids = ids;
    return count;
}

struct db_step task_mirror_drop_step(struct arena *a, const struct uuid *ids, size_t count)
{
    return (struct db_step){ &task_mirror_drop, task_mirror_drop_args(a, ids, count) };
}

struct db_step task_mirror_drop_ranges_step(struct arena *a, const struct uuid *froms,
                                            const struct uuid *tos, size_t count, int16_t shard)
{
    return (struct db_step){ &task_mirror_drop_ranges,
                             task_mirror_drop_ranges_args(a, froms, count, tos, count, shard) };
}

struct db_step task_mirror_prune_step(struct arena *a, const struct mirror_page *page)
{
    return (struct db_step){ &task_mirror_prune,
                             task_mirror_prune_args(a, page->after, page->last, page->ids,
                                                    page->id_count, page->seq, page->is_forced,
                                                    page->shard) };
}

struct db_step task_mirror_cut_step(struct arena *a, const struct mirror_page *page, size_t count)
{
    return (struct db_step){ &task_mirror_cut, task_mirror_cut_args(a, page->after, page->last,
                                                                    (int64_t)count, page->shard) };
}

/* ── jobs ── */

/* What is known of rows that are not there. */
enum absent { ABSENT_NEW, ABSENT_GONE, ABSENT_MAYBE_GONE };

static struct db_step jobs_step(struct arena *a, const struct mirror_row *rows, size_t count,
                                bool is_accepted, bool is_forced, int16_t shard, enum absent absent)
{
    static const int columns[] = {
        COL_jobs_id,
        COL_jobs_name,
        COL_jobs_schedule,
        COL_jobs_time_zone,
        COL_jobs_status,
        COL_jobs_last_run,
        COL_jobs_next_run,
        COL_jobs_task_type,
        COL_jobs_payload,
        COL_jobs_priority,
        COL_jobs_misfire_policy,
        COL_jobs_overlap_policy,
        COL_jobs_max_attempts,
        COL_jobs_fail_after,
        COL_jobs_consecutive_failures,
        COL_jobs_queue,
        COL_jobs_timeout_seconds,
        COL_jobs_jitter_seconds,
        COL_jobs_created_by,
        COL_jobs_version,
        COL_jobs_created_at,
        COL_jobs_updated_at,
    };
    struct db_args *args = db_args_create(a);
    for (size_t i = 0; i < countof(columns); i++)
        add_column(args, &schema_public.tables[TABLE_jobs], rows, count, columns[i]);
    db_args_bool(args, is_accepted);
    db_args_bool(args, is_forced);
    db_args_i64(args, shard);
    db_args_bool(args, absent == ABSENT_GONE);
    db_args_bool(args, absent == ABSENT_MAYBE_GONE);
    return (struct db_step){ &job_mirror_upsert, args };
}

struct db_step job_mirror_upsert_step(struct arena *a, const struct mirror_row *rows, size_t count,
                                      bool is_accepted, bool is_forced, int16_t shard)
{
    return jobs_step(a, rows, count, is_accepted, is_forced, shard, ABSENT_NEW);
}

struct db_step job_mirror_update_step(struct arena *a, const struct mirror_row *rows, size_t count,
                                      int16_t shard)
{
    return jobs_step(a, rows, count, true, false, shard, ABSENT_GONE);
}

struct db_step job_mirror_found_step(struct arena *a, const struct mirror_row *row, int16_t shard)
{
    return jobs_step(a, row, 1, true, false, shard, ABSENT_MAYBE_GONE);
}

struct db_step job_mirror_drop_step(struct arena *a, const struct uuid *ids, size_t count)
{
    return (struct db_step){ &job_mirror_drop, job_mirror_drop_args(a, ids, count) };
}

struct db_step job_mirror_prune_step(struct arena *a, const struct mirror_page *page)
{
    return (struct db_step){ &job_mirror_prune,
                             job_mirror_prune_args(a, page->ids, page->id_count, page->seq,
                                                   page->is_forced, page->shard) };
}

struct db_step task_mirror_stands_step(struct arena *a, struct uuid id)
{
    return (struct db_step){ &task_mirror_stands, task_mirror_stands_args(a, id) };
}

struct db_step job_mirror_stands_step(struct arena *a, struct uuid id)
{
    return (struct db_step){ &job_mirror_stands, job_mirror_stands_args(a, id) };
}

struct db_step task_mirror_foreign_step(struct arena *a, const struct uuid *ids, size_t count,
                                        int16_t shard)
{
    return (struct db_step){ &task_mirror_foreign, task_mirror_foreign_args(a, ids, count, shard) };
}
