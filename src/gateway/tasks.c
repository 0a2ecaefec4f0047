#include "gateway/tasks.h"

#include "gateway/await_worker.h"
#include "gateway/feed.h"
#include "gateway/task_changes.h"
#include "gateway/users.h"
#include "gateway/worker_client.h"

const struct schema_table *tasks_table(void)
{
    return &schema_public.tables[TABLE_tasks];
}

const struct schema_table *jobs_table(void)
{
    return &schema_public.tables[TABLE_jobs];
}

void *tasks_prepare(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const here[] = { NULL };
    uint64_t columns = 0;
    record_collect(f, here, &columns);
    return record_plan_of(tasks_table(), columns, plan_arena);
}

struct gql_value tasks_source(const struct gateway_loop *loop)
{
    return gql_enum(feed_is_live(loop->gateway) ? STR("LIVE") : STR("CACHE"));
}

void tasks_get_table_source(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct request *r = ctx;
    (void)f, (void)parent;
    *ret_value = tasks_source(r->loop);
}

/* The row's shard is one of ours: of another, which was taken away, nobody tells any more. */
static bool is_kept(const struct gateway *gw, const struct record *record)
{
    int column = record->table == jobs_table() ? (int)COL_jobs_shard : (int)COL_tasks_shard;
    return (size_t)record_i64(record, column) < gw->shard_count;
}

void tasks_get_source(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct record *record = parent;
    const struct request *r = ctx;
    (void)f;
    if (record->is_fresh)
        *ret_value = gql_enum(STR("LIVE"));
    else if (is_kept(r->loop->gateway, record))
        *ret_value = tasks_source(r->loop);
    else
        *ret_value = gql_enum(STR("CACHE"));
}

/* ── Query.task: of the table; what is not there yet, of the worker, and stored ── */

static void read_one(struct gql_step *step, const struct db_reply *reply)
{
    const struct record_plan *plan = step->field->plan_data;
    if (db_rows_count(reply->rows[0]) > 0)
        step->results[0] =
            gql_object(record_rows(step->arena, tasks_table(), reply->rows[0], plan->columns));
    else if (await_worker_find(step, AWAIT_TASK, *(const struct uuid *)step->host,
                               task_changes_answer))
        return;
    gql_step_finish(step);
}

static enum gql_next resolve_task(struct gql_step *step)
{
    struct uuid *id = arena_new(step->arena, struct uuid);
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), id, &e))
        return gql_step_fail(step, &e);
    step->host = id;
    struct db_step by_id = record_by_ids_step(step->field->plan_data, step->arena, id, 1);
    return await_db(step, DB_LANE_READ, &by_id, 1, read_one);
}

/* ── what tasks name by id ── */

static enum gql_next resolve_job(struct gql_step *step)
{
    return record_resolve_one(step, COL_tasks_job_id);
}

static enum gql_next resolve_duplicate(struct gql_step *step)
{
    return record_resolve_one(step, COL_tasks_duplicate_of);
}

/* Those that retention has removed are left out. */
static enum gql_next resolve_depends_on(struct gql_step *step)
{
    return record_resolve_many(step, COL_tasks_depends_on, NULL);
}

static enum gql_next resolve_created_by(struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++)
        if (!record_is_null(step->parents[i], COL_tasks_created_by))
            ids[i] = record_uuid(step->parents[i], COL_tasks_created_by);
    return users_resolve_each(step, ids);
}

#define FIELD(column) .data = RECORD_FIELD(SELECT_BIT(COL_tasks_##column))

const struct gateway_binding bindings_tasks[] = {
    { "Query.task", { .resolve = resolve_task, .prepare = tasks_prepare } },
    { "Task.id", { .get = record_get_text, FIELD(id) } },
    { "Task.type", { .get = record_get_text, FIELD(type) } },
    { "Task.status", { .get = record_get_enum, FIELD(status) } },
    { "Task.state", { .get = record_get_enum, FIELD(state) } },
    { "Task.priority", { .get = record_get_enum, FIELD(priority) } },
    { "Task.payload", { .get = record_get_json, FIELD(payload) } },
    { "Task.result", { .get = record_get_json, FIELD(result) } },
    { "Task.error", { .get = record_get_text, FIELD(error) } },
    { "Task.queue", { .get = record_get_text, FIELD(queue) } },
    { "Task.attempt", { .get = record_get_json, FIELD(attempt) } },
    { "Task.maxAttempts", { .get = record_get_json, FIELD(max_attempts) } },
    { "Task.progress", { .get = record_get_json, FIELD(progress) } },
    { "Task.runAt", { .get = record_get_time, FIELD(run_at) } },
    { "Task.startedAt", { .get = record_get_time, FIELD(started_at) } },
    { "Task.finishedAt", { .get = record_get_time, FIELD(finished_at) } },
    { "Task.timeoutSeconds", { .get = record_get_json, FIELD(timeout_seconds) } },
    { "Task.idempotencyKey", { .get = record_get_text, FIELD(idempotency_key) } },
    { "Task.createdAt", { .get = record_get_time, FIELD(created_at) } },
    { "Task.updatedAt", { .get = record_get_time, FIELD(updated_at) } },
    { "Task.accepted", { .get = record_get_bool, FIELD(accepted) } },
    { "Task.source", { .get = tasks_get_source, FIELD(shard) } },
    { "Task.dependsOn",
      { .resolve = resolve_depends_on, .prepare = tasks_prepare, FIELD(depends_on) } },
    { "Task.duplicateOf",
      { .resolve = resolve_duplicate, .prepare = tasks_prepare, FIELD(duplicate_of) } },
    { "Task.job", { .resolve = resolve_job, .prepare = jobs_prepare, FIELD(job_id) } },
    { "Task.createdBy",
      { .resolve = resolve_created_by, .prepare = users_prepare, FIELD(created_by) } },
    { 0 },
};
