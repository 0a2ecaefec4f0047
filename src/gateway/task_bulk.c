/*
 * task_bulk: Mutation.retryTasks, cancelTasks, deleteTasks. The rows are found in the mirror by the
 * filter of Query.tasks, all of them before anything is done, and go to the worker with the
 * versions that were seen, a page at a time; what it has done is stored before the next page.
 *
 *   select a page --> … --> (all are known) --> note it --> ask the worker --> store --> (all done)
 *                                                            ^    |              |           |
 *                                                            '----|-- next page -'         audit
 *                                                                 |                          |
 *                         error <-- audit <-- away, or broken off-'                        answer
 *
 * Source: docs/protocol.md "POST /v1/tasks:bulk".
 */
#include "gateway/task_bulk_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/shards.h"
#include "gateway/tasks_list.h"

enum { SELECT_ROWS = 10'000 }; /* of one read */

static const uint64_t columns =
    SELECT_BIT(COL_tasks_id) | SELECT_BIT(COL_tasks_version) | SELECT_BIT(COL_tasks_shard);

static const struct bulk_action retry_action = { "retry", "tasks.retry", false, false },
                                cancel_action = { "cancel", "tasks.cancel", true, false },
                                delete_action = { "delete", "tasks.delete", true, true };

static enum gql_next select_more(struct bulk *b);

static void free_bulk(void *owner)
{
    struct bulk *b = owner;
    mem_free(b->targets);
    arena_destroy(b->page);
}

/* ── what matches ── */

static int by_shard(const void *one, const void *other)
{
    const struct bulk_target *a = one, *b = other;
    int order = (a->shard > b->shard) - (a->shard < b->shard);
    return order != 0 ? order : memcmp(&a->id, &b->id, sizeof a->id);
}

/* What waits in the outbox, or was refused on its way, is none of the worker's. */
static void sort_out(struct bulk *b)
{
    size_t kept = 0;
    b->matched = b->count;
    for (size_t i = 0; i < b->count; i++) {
        if (b->targets[i].version > 0) {
            b->targets[kept++] = b->targets[i];
            continue;
        }
        b->refused_count++;
        task_bulk_refuse(b, b->targets[i].id, STR("the Worker Service has not accepted it"));
    }
    b->count = kept;
}

static void all_selected(struct bulk *b)
{
    const struct gql_value *expected = gql_arg(b->step, "expectedCount");
    struct err e;
    if (!gql_is_null(expected) && expected->integer != (int64_t)b->count) {
        (void)err_set(&e, ERR_CONFLICT, "expectedCount: %lld were expected, but %zu tasks match",
                      (long long)expected->integer, b->count);
        (void)gql_step_fail(b->step, &e);
        return;
    }
    sort_out(b);
    if (await_request(b->step)->loop->gateway->shard_count > 1 && b->count > 1)
        qsort(b->targets, b->count, sizeof *b->targets, by_shard); /* they come by id */
    task_bulk_begin(b);
}

static void selected(struct gql_step *step, const struct db_reply *reply)
{
    struct bulk *b = step->host;
    struct err e;
    if (reply->err != NULL) {
        tasks_list_fail(step, task_filter_dearest(&b->filter), reply->err);
        return;
    }
    const struct gateway *gw = await_request(step)->loop->gateway;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    if (b->count + n > b->capacity) {
        b->capacity = max_of(b->count + n, b->capacity * 2);
        b->targets = mem_resize(b->targets, b->capacity, sizeof *b->targets);
    }
    for (size_t i = 0; i < n; i++)
        b->targets[b->count++] = (struct bulk_target){
            db_rows_uuid(rows, i, select_position(columns, COL_tasks_id)),
            db_rows_i64(rows, i, select_position(columns, COL_tasks_version)),
            shards_of_number(gw, db_rows_i64(rows, i, select_position(columns, COL_tasks_shard))),
        };
    if ((int64_t)b->count > b->targets_max) {
        (void)err_set(&e, ERR_INVALID,
                      "filter: more than %lld tasks match, and no bulk action takes more "
                      "(bulk-max); narrow it, for instance by type or createdBefore",
                      (long long)b->targets_max);
        (void)gql_step_fail(step, &e);
    } else if (n < SELECT_ROWS) {
        all_selected(b);
    } else {
        (void)select_more(b);
    }
}

static enum gql_next select_more(struct bulk *b)
{
    static const struct select_order by_id = { COL_tasks_id, false };
    struct arena *a = b->step->arena;
    struct str *after = arena_new(a, struct str);
    if (b->count > 0)
        *after = record_cell_of_uuid(a, b->targets[b->count - 1].id);
    const struct select select = {
        .table = tasks_table(),
        .columns = columns,
        .filter = b->where,
        .orders = &by_id,
        .order_count = 1,
        .after = b->count > 0 ? after : NULL,
        .limit = SELECT_ROWS,
    };
    const struct db_step read = { select_statement(a, &select), select_args(a, &select) };
    return await_db_any(b->step, DB_LANE_SLOW, &read, 1, selected);
}

/* The filter, and what was there and has not changed since. */
static const struct select_filter *where_of(const struct bulk *b)
{
    struct arena *a = b->step->arena;
    const struct task_filter_clock clock = tasks_list_clock(b->step);
    const struct select_filter *filter = task_filter_select(&b->filter, &clock, a);
    struct select_filter *items = arena_new_array(a, 3, struct select_filter);
    struct select_filter *all = arena_new(a, struct select_filter);
    struct str bound = record_cell_of_time(a, b->as_of_us + 1);
    items[0] =
        (struct select_filter){ SELECT_LESS, .column = COL_tasks_created_at, .value = bound };
    items[1] =
        (struct select_filter){ SELECT_LESS, .column = COL_tasks_updated_at, .value = bound };
    if (filter != NULL)
        items[2] = *filter;
    *all =
        (struct select_filter){ SELECT_ALL, .items = items, .item_count = filter != NULL ? 3 : 2 };
    return all;
}

static bool read_arguments(struct bulk *b, struct err *e)
{
    const struct gql_step *step = b->step;
    const struct gql_value *as_of = gql_arg(step, "asOf"), *dry_run = gql_arg(step, "dryRun");
    const struct gql_value *expected = gql_arg(step, "expectedCount");
    int64_t now_us = clock_wall_us();
    if (!task_filter_read(gql_arg(step, "filter"), step->arena, &b->filter, e))
        return false;
    if (b->action->needs_filter && task_filter_names_nothing(&b->filter))
        return err_set(e, ERR_INVALID, "filter: is empty; name at least one field");
    if (!gql_is_null(expected) && expected->integer < 0)
        return err_set(e, ERR_INVALID, "expectedCount: must not be negative");
    b->as_of_us = gql_is_null(as_of) ? now_us : min_of(as_of->integer, now_us);
    b->is_dry = !gql_is_null(dry_run) && dry_run->boolean;
    return true;
}

static enum gql_next resolve(struct gql_step *step, const struct bulk_action *action)
{
    struct bulk *b = arena_new(step->arena, struct bulk);
    const struct request *r = await_request(step);
    struct err e;
    *b = (struct bulk){ .step = step,
                        .action = action,
                        .act = audited_begin(action->audit, STR("tasks"), (struct str){ 0 }) };
    b->targets_max = conf_int(r->loop->gateway->conf, CONF_BULK_MAX);
    step->host = b;
    arena_defer(step->arena, free_bulk, b);
    if (!read_arguments(b, &e))
        return gql_step_fail(step, &e);
    b->where = where_of(b);
    return select_more(b);
}

static enum gql_next resolve_retry(struct gql_step *step)
{
    return resolve(step, &retry_action);
}

static enum gql_next resolve_cancel(struct gql_step *step)
{
    return resolve(step, &cancel_action);
}

static enum gql_next resolve_delete(struct gql_step *step)
{
    return resolve(step, &delete_action);
}

/* ── BulkResult ── */

static void get_matched(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int((int64_t)b->matched);
}

static void get_done(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(b->done);
}

static void get_refused_count(const struct gql_field *f, void *ctx, void *parent,
                              struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(b->refused_count);
}

static void get_refused(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(b->refused_objects, b->refused_shown);
}

static void get_id(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct bulk_refusal *refused = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_id(r->arena, refused->id);
}

static void get_reason(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct bulk_refusal *refused = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(refused->reason);
}

const struct gateway_binding bindings_task_bulk[] = {
    { "Mutation.retryTasks", { .resolve = resolve_retry } },
    { "Mutation.cancelTasks", { .resolve = resolve_cancel } },
    { "Mutation.deleteTasks", { .resolve = resolve_delete } },
    { "BulkResult.matched", { .get = get_matched } },
    { "BulkResult.done", { .get = get_done } },
    { "BulkResult.refusedCount", { .get = get_refused_count } },
    { "BulkResult.refused", { .get = get_refused } },
    { "BulkRefusal.id", { .get = get_id } },
    { "BulkRefusal.reason", { .get = get_reason } },
    { 0 },
};
