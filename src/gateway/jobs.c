/* Query.jobs, Query.job, and the fields of Job. */
#include "base/clock.h"
#include "gateway/await_worker.h"
#include "gateway/check.h"
#include "gateway/task_changes.h"
#include "gateway/tasks.h"
#include "gateway/tasks_list.h"
#include "gateway/users.h"
#include "rules/words.h"
#include "rules/zone_cache.h"
#include "store/public/job.h"

enum {
    JOBS_MAX = 10'000, /* that Query.jobs shows */
    RECENT_RUNS_MAX = 100,
    NEXT_RUNS_MAX = 100,
};

void *jobs_prepare(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const here[] = { NULL };
    uint64_t columns = 0;
    record_collect(f, here, &columns);
    return record_plan_of(jobs_table(), columns, plan_arena);
}

/* ── Query.job: of the table; what is not there yet, of the worker, and stored ── */

static void read_one(struct gql_step *step, const struct db_reply *reply)
{
    const struct record_plan *plan = step->field->plan_data;
    if (db_rows_count(reply->rows[0]) > 0)
        step->results[0] =
            gql_object(record_rows(step->arena, jobs_table(), reply->rows[0], plan->columns));
    else if (await_worker_find(step, AWAIT_JOB, *(const struct uuid *)step->host, job_row_answer))
        return;
    gql_step_finish(step);
}

static enum gql_next resolve_job(struct gql_step *step)
{
    struct uuid *id = arena_new(step->arena, struct uuid);
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), id, &e))
        return gql_step_fail(step, &e);
    step->host = id;
    struct db_step by_id = record_by_ids_step(step->field->plan_data, step->arena, id, 1);
    return await_db(step, DB_LANE_READ, &by_id, 1, read_one);
}

/* ── Query.jobs: all of them, by name ── */

static void *prepare_jobs(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const here[] = { NULL };
    uint64_t *columns = arena_new(plan_arena, uint64_t);
    *columns = SELECT_BIT(COL_jobs_id);
    record_collect(f, here, columns);
    return columns;
}

static void read_all(struct gql_step *step, const struct db_reply *reply)
{
    const uint64_t *columns = step->field->plan_data;
    size_t count = db_rows_count(reply->rows[0]);
    struct err e;
    if (count > JOBS_MAX) {
        err_set(&e, ERR_LIMIT, "jobs: more than %d; narrow them by status or search", JOBS_MAX);
        (void)gql_step_fail(step, &e);
        return;
    }
    struct record *records = record_rows(step->arena, jobs_table(), reply->rows[0], *columns);
    void **objects = arena_new_array(step->arena, count, void *);
    for (size_t i = 0; i < count; i++)
        objects[i] = &records[i];
    step->results[0] = gql_objects(objects, count);
    gql_step_finish(step);
}

static bool jobs_filter(const struct gql_step *step, const struct select_filter **ret_filter,
                        struct err *e)
{
    static const int searched[] = { COL_jobs_name, COL_jobs_task_type, COL_jobs_schedule };
    const struct gql_value *status = gql_arg(step, "status"), *search = gql_arg(step, "search");
    struct select_filter *all = arena_new(step->arena, struct select_filter);
    struct select_filter *items = arena_new_array(step->arena, 2, struct select_filter);
    *all = (struct select_filter){ .op = SELECT_ALL, .items = items };
    if (!gql_is_null(status)) {
        struct select_filter *labels = &items[all->item_count++];
        *labels = (struct select_filter){ .op = SELECT_IN_LABELS, .column = COL_jobs_status };
        for (uint32_t i = 0; i < status->count; i++)
            labels->labels |= record_label_bit(ENUM_job_status, status->items[i].text);
    }
    if (!gql_is_null(search) && !str_is_empty(str_trim(search->text))) {
        if (!check_search("search", search->text, e))
            return false;
        struct select_filter *any =
            arena_new_array(step->arena, countof(searched), struct select_filter);
        for (size_t i = 0; i < countof(searched); i++)
            any[i] = (struct select_filter){ .op = SELECT_CONTAINS,
                                             .column = searched[i],
                                             .value = str_trim(search->text) };
        items[all->item_count++] = (struct select_filter){ .op = SELECT_ANY,
                                                           .items = any,
                                                           .item_count = countof(searched) };
    }
    *ret_filter = all;
    return true;
}

static enum gql_next resolve_jobs(struct gql_step *step)
{
    static const struct select_order by_name[] = { { COL_jobs_name, false },
                                                   { COL_jobs_id, false } };
    const uint64_t *columns = step->field->plan_data;
    const struct select_filter *filter;
    struct err e;
    if (!jobs_filter(step, &filter, &e))
        return gql_step_fail(step, &e);
    const struct select select = { .table = jobs_table(),
                                   .columns = *columns,
                                   .filter = filter,
                                   .orders = by_name,
                                   .order_count = countof(by_name),
                                   .limit = JOBS_MAX + 1 };
    const struct db_step list = { select_statement(step->arena, &select),
                                  select_args(step->arena, &select) };
    return await_search(step, &list, "search", read_all);
}

/* ── Job.runs, Job.recentRuns: those of all jobs of a level in one statement ── */

static enum gql_next resolve_runs(struct gql_step *step)
{
    const struct tasks_list_query query = { .order = tasks_order_of(STR("CREATED_DESC")),
                                            .is_bounded = true,
                                            .dearest = "runs",
                                            .is_of_each = true,
                                            .each_column = COL_tasks_job_id };
    return tasks_list_read(step, &query);
}

/* A JobRun. */
struct run {
    const struct db_rows *rows;
    size_t row;
};

static void got_recent(struct gql_step *step, const struct db_reply *reply)
{
    struct db_rows *rows = reply->rows[0];
    size_t count = db_rows_count(rows), at = 0;
    struct run *runs = arena_new_array(step->arena, count, struct run);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < step->count; i++) {
        size_t from = at;
        while (at < count && db_rows_i64(rows, at, JOB_RUN_JOB) == (int64_t)i + 1)
            at++;
        void **objects = arena_new_array(step->arena, at - from, void *);
        for (size_t row = from; row < at; row++) {
            runs[row] = (struct run){ rows, row };
            objects[at - 1 - row] = &runs[row]; /* the newest last */
        }
        step->results[i] = gql_objects(objects, at - from);
    }
    gql_step_finish(step);
}

static enum gql_next resolve_recent(struct gql_step *step)
{
    const struct gql_value *count = gql_arg(step, "count");
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    struct err e;
    if (gql_is_null(count) || count->integer < 0 || count->integer > RECENT_RUNS_MAX) {
        err_set(&e, ERR_INVALID, "count: must be 0 to %d", RECENT_RUNS_MAX);
        return gql_step_fail(step, &e);
    }
    for (size_t i = 0; i < step->count; i++)
        ids[i] = record_uuid(step->parents[i], COL_jobs_id);
    struct db_step recent =
        job_recent_runs_step(step->arena, ids, step->count, (size_t)count->integer);
    return await_db(step, DB_LANE_READ, &recent, 1, got_recent);
}

static void get_run_time(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct run *run = parent;
    const struct request *r = ctx;
    size_t column = (size_t)binding_number(f);
    if (!db_rows_is_null(run->rows, run->row, column))
        *ret_value = binding_time(r->arena, db_rows_time(run->rows, run->row, column));
}

static void get_run_seconds(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct run *run = parent;
    (void)f, (void)ctx;
    if (!db_rows_is_null(run->rows, run->row, JOB_RUN_RUN_SECONDS))
        *ret_value = gql_float(db_rows_double(run->rows, run->row, JOB_RUN_RUN_SECONDS));
}

static void get_run_status(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct schema_enum *labels = &schema_public.enums[ENUM_task_status];
    const struct run *run = parent;
    int label = schema_label_of(labels, db_rows_text(run->rows, run->row, JOB_RUN_STATUS));
    (void)f, (void)ctx;
    assert(label >= 0);
    *ret_value = gql_enum(labels->labels[label].name);
}

static void get_run_task(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct run *run = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(db_rows_text(run->rows, run->row, JOB_RUN_TASK_ID));
}

/* ── Job.scheduleText, Job.nextRuns ── */

/* False where this program cannot read the schedule: another version of the worker may. */
static bool read_schedule(const struct record *job, struct cron *ret_cron)
{
    struct err e;
    return cron_parse(record_cell(job, COL_jobs_schedule), record_cell(job, COL_jobs_id),
                      record_time(job, COL_jobs_created_at), ret_cron, &e);
}

static void get_schedule_text(const struct gql_field *f, void *ctx, void *parent,
                              struct gql_value *ret_value)
{
    const struct request *r = ctx;
    struct cron cron;
    (void)f;
    *ret_value = gql_text(read_schedule(parent, &cron) ? words_of_cron(r->arena, &cron)
                                                       : record_cell(parent, COL_jobs_schedule));
}

/* The worker's next run first, be it overdue, and then those of the schedule from now on. */
static size_t plan_runs(const struct gateway *gw, const struct record *job, size_t count,
                        int64_t *ret_runs_us)
{
    const struct zone *zone;
    struct cron cron;
    struct err e;
    size_t planned = 0;
    if (count == 0 || record_is_null(job, COL_jobs_next_run))
        return 0; /* it is paused, has failed, or never runs again */
    ret_runs_us[planned++] = record_time(job, COL_jobs_next_run);
    if (!read_schedule(job, &cron) ||
        !zone_cache_get(gw->zones, record_cell(job, COL_jobs_time_zone), &zone, &e))
        return planned;
    int64_t at_us = max_of(ret_runs_us[0], clock_wall_us());
    while (planned < count && cron_next(&cron, zone, at_us, &at_us))
        ret_runs_us[planned++] = at_us;
    return planned;
}

static enum gql_next resolve_next_runs(struct gql_step *step)
{
    const struct gql_value *count = gql_arg(step, "count");
    int64_t runs_us[NEXT_RUNS_MAX];
    struct err e;
    if (gql_is_null(count) || count->integer < 0 || count->integer > NEXT_RUNS_MAX) {
        err_set(&e, ERR_INVALID, "count: must be 0 to %d", NEXT_RUNS_MAX);
        return gql_step_fail(step, &e);
    }
    for (size_t i = 0; i < step->count; i++) {
        size_t planned = plan_runs(await_request(step)->loop->gateway, step->parents[i],
                                   (size_t)count->integer, runs_us);
        struct gql_value *items = arena_new_array(step->arena, planned, struct gql_value);
        for (size_t n = 0; n < planned; n++)
            items[n] = binding_time(step->arena, runs_us[n]);
        step->results[i] = gql_list(items, planned);
    }
    return GQL_DONE;
}

#define BIT(column) SELECT_BIT(COL_jobs_##column)
#define SCHEDULE_BITS (BIT(schedule) | BIT(id) | BIT(created_at))
#define FIELD(column) .data = RECORD_FIELD(BIT(column))

const struct gateway_binding bindings_jobs[] = {
    { "Query.job", { .resolve = resolve_job, .prepare = jobs_prepare } },
    { "Query.jobs", { .resolve = resolve_jobs, .prepare = prepare_jobs } },
    { "Job.id", { .get = record_get_text, FIELD(id) } },
    { "Job.name", { .get = record_get_text, FIELD(name) } },
    { "Job.schedule", { .get = record_get_text, FIELD(schedule) } },
    { "Job.timeZone", { .get = record_get_text, FIELD(time_zone) } },
    { "Job.scheduleText", { .get = get_schedule_text, .data = RECORD_FIELD(SCHEDULE_BITS) } },
    { "Job.nextRuns",
      { .resolve = resolve_next_runs,
        .data = RECORD_FIELD(SCHEDULE_BITS | BIT(time_zone) | BIT(next_run)) } },
    { "Job.status", { .get = record_get_enum, FIELD(status) } },
    { "Job.lastRun", { .get = record_get_time, FIELD(last_run) } },
    { "Job.nextRun", { .get = record_get_time, FIELD(next_run) } },
    { "Job.taskType", { .get = record_get_text, FIELD(task_type) } },
    { "Job.payload", { .get = record_get_json, FIELD(payload) } },
    { "Job.priority", { .get = record_get_enum, FIELD(priority) } },
    { "Job.misfirePolicy", { .get = record_get_enum, FIELD(misfire_policy) } },
    { "Job.overlapPolicy", { .get = record_get_enum, FIELD(overlap_policy) } },
    { "Job.maxAttempts", { .get = record_get_json, FIELD(max_attempts) } },
    { "Job.failAfter", { .get = record_get_json, FIELD(fail_after) } },
    { "Job.consecutiveFailures", { .get = record_get_json, FIELD(consecutive_failures) } },
    { "Job.queue", { .get = record_get_text, FIELD(queue) } },
    { "Job.timeoutSeconds", { .get = record_get_json, FIELD(timeout_seconds) } },
    { "Job.jitterSeconds", { .get = record_get_json, FIELD(jitter_seconds) } },
    { "Job.accepted", { .get = record_get_bool, FIELD(accepted) } },
    { "Job.createdAt", { .get = record_get_time, FIELD(created_at) } },
    { "Job.updatedAt", { .get = record_get_time, FIELD(updated_at) } },
    { "Job.source", { .get = tasks_get_source, FIELD(shard) } },
    { "Job.runs", { .resolve = resolve_runs, .prepare = tasks_list_prepare } },
    { "Job.recentRuns", { .resolve = resolve_recent } },
    { "JobRun.scheduledFor",
      { .get = get_run_time, .data = BINDING_NUMBER(JOB_RUN_SCHEDULED_FOR) } },
    { "JobRun.startedAt", { .get = get_run_time, .data = BINDING_NUMBER(JOB_RUN_STARTED_AT) } },
    { "JobRun.runSeconds", { .get = get_run_seconds } },
    { "JobRun.status", { .get = get_run_status } },
    { "JobRun.taskId", { .get = get_run_task } },
    { 0 },
};
