#include "gateway/task_shards.h"

#include "store/public/task_mirror.h"

enum { QUEUE_CHARS_TOLD_MAX = 20 };

static struct str queue_of(const struct create_task *task)
{
    return str_first(task->cells[COL_tasks_queue], QUEUE_CHARS_TOLD_MAX);
}

bool task_shards_check(const struct create_call *call, struct err *e)
{
    const struct create_task *first = &call->tasks[0];
    for (size_t i = 1; i < call->count; i++) {
        const struct create_task *task = &call->tasks[i];
        if (task->shard != first->shard)
            return err_set(e, ERR_INVALID,
                           "inputs[%zu].queue: \"%.*s\" is of shard %zu and inputs[0].queue, "
                           "\"%.*s\", of shard %zu; createTasks is all or nothing, so its tasks "
                           "are of one shard",
                           i, STR_FMT(queue_of(task)), task->shard, STR_FMT(queue_of(first)),
                           first->shard);
    }
    return true;
}

/* ── what they wait for ── */

struct check {
    struct gql_step *step;
    struct create_call *call;
    const struct gql_value *inputs;
    task_shards_fn *fn;
};

static const struct gql_value *needs_of(const struct check *check, size_t task)
{
    const struct gql_value *on = gql_input(&check->inputs[task], "dependsOn");
    return gql_is_null(on) ? NULL : on;
}

static size_t count_needs(const struct check *check)
{
    size_t count = 0;
    for (size_t i = 0; i < check->call->count; i++) {
        const struct gql_value *on = needs_of(check, i);
        count += on != NULL ? on->count : 0;
    }
    return count;
}

/* Says where that one, which is of another shard, is waited for. */
static bool refuse_foreign(const struct check *check, struct uuid foreign, int64_t shard,
                           struct err *e)
{
    for (size_t i = 0; i < check->call->count; i++) {
        const struct create_task *task = &check->call->tasks[i];
        const struct gql_value *on = needs_of(check, i);
        char place[32] = "input";
        if (check->call->is_atomic)
            snprintf(place, sizeof place, "inputs[%zu]", i);
        for (size_t k = 0; on != NULL && k < on->count; k++) {
            struct uuid id;
            (void)uuid_parse(on->items[k].text, &id); /* it was read before */
            if (uuid_eq(id, foreign))
                return err_set(e, ERR_INVALID,
                               "%s.dependsOn[%zu]: %.*s is of shard %lld, and queue \"%.*s\" of "
                               "shard %zu; a task waits for those of its own shard alone",
                               place, k, STR_FMT(on->items[k].text), (long long)shard,
                               STR_FMT(queue_of(task)), task->shard);
        }
    }
    return true;
}

static void found(void *owner, const struct db_reply *reply)
{
    const struct check *check = owner;
    const struct db_rows *rows = reply->err == NULL ? reply->rows[0] : NULL;
    struct err e;
    if (rows == NULL)
        (void)gql_step_fail(check->step, reply->err);
    else if (db_rows_count(rows) > 0 &&
             !refuse_foreign(check, db_rows_uuid(rows, 0, 0), db_rows_i64(rows, 0, 1), &e))
        (void)gql_step_fail(check->step, &e);
    else
        check->fn(check->step, check->call);
}

enum gql_next task_shards_go_on(struct gql_step *step, struct create_call *call,
                                const struct gql_value *inputs, task_shards_fn *fn)
{
    const struct request *r = await_request(step);
    struct check *check = arena_new(step->arena, struct check);
    struct err e;
    *check = (struct check){ step, call, inputs, fn };
    size_t count = r->loop->gateway->shard_count > 1 ? count_needs(check) : 0;
    if (count == 0) {
        fn(step, call);
        return GQL_WAIT;
    }
    struct uuid *ids = arena_new_array(step->arena, count, struct uuid);
    size_t n = 0;
    for (size_t i = 0; i < call->count; i++) {
        const struct gql_value *on = needs_of(check, i);
        for (size_t k = 0; on != NULL && k < on->count; k++)
            (void)uuid_parse(on->items[k].text, &ids[n++]);
    }
    const struct db_step look =
        task_mirror_foreign_step(step->arena, ids, n, (int16_t)call->tasks[0].shard);
    const struct db_call read = { .lane = DB_LANE_READ,
                                  .steps = &look,
                                  .step_count = 1,
                                  .deadline_us = r->deadline_us - AWAIT_MARGIN_US,
                                  .fn = found,
                                  .owner = check };
    return db_pool_call(r->loop->pool, &read, NULL, &e) ? GQL_WAIT : gql_step_fail(step, &e);
}
