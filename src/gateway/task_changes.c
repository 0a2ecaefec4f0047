#include "gateway/task_changes.h"

#include "gateway/await_worker.h"
#include "gateway/bindings.h"
#include "gateway/creates.h"
#include "gateway/outbox.h"
#include "gateway/shards.h"
#include "gateway/task_input.h"
#include "gateway/task_shards.h"
#include "gateway/tasks.h"
#include "gateway/worker_json.h"
#include "rules/cycle.h"
#include "store/public/mirror.h"

/* What a task of createTasks may take besides its text: the cells, and its part of the answer. */
enum { TASK_BYTES = 4096 };

static struct record *record_of(const struct gql_step *step, const struct create_task *task)
{
    struct record *record = record_of_cells(step->arena, tasks_table(), task->cells);
    record->is_fresh = task->is_accepted;
    return record;
}

static bool has_worker(const struct gql_step *step, struct err *e)
{
    return await_request(step)->loop->workers[0] != NULL ||
           err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                        "no Worker Service is configured (worker-url)");
}

static void submit(struct gql_step *step, struct create_call *call)
{
    const struct request *r = await_request(step);
    call->deadline_us = r->deadline_us;
    call->arena = step->arena;
    call->owner = step;
    creates_submit(r->loop->creates[call->tasks[0].shard], call);
}

/* ── createTask ── */

struct create_one {
    struct create_call call;
    struct create_task task;
};

static void created_one(void *owner)
{
    struct gql_step *step = owner;
    const struct create_one *one = step->host;
    if (one->task.err.code != ERR_NONE) {
        (void)gql_step_fail(step, &one->task.err);
        return;
    }
    step->results[0] = gql_object(record_of(step, &one->task));
    gql_step_finish(step);
}

static enum gql_next resolve_create(struct gql_step *step)
{
    struct create_one *one = arena_new(step->arena, struct create_one);
    struct err e;
    step->host = one;
    if (!has_worker(step, &e) ||
        !task_input_read(step, gql_arg(step, "input"), "input", &one->task, &e))
        return gql_step_fail(step, &e);
    one->call.tasks = &one->task;
    one->call.count = 1;
    one->call.fn = created_one;
    return task_shards_go_on(step, &one->call, gql_arg(step, "input"), submit);
}

/* ── createTasks ── */

static void created_all(void *owner)
{
    struct gql_step *step = owner;
    const struct create_call *call = step->host;
    void **objects = arena_new_array(step->arena, call->count, void *);
    for (size_t i = 0; i < call->count; i++) {
        if (call->tasks[i].err.code != ERR_NONE) {
            (void)gql_step_fail(step, &call->tasks[i].err);
            return;
        }
        objects[i] = record_of(step, &call->tasks[i]);
    }
    step->results[0] = gql_objects(objects, call->count);
    gql_step_finish(step);
}

/* Tasks that wait for one another would wait for ever. */
static bool check_cycle(struct gql_step *step, const struct create_call *call, struct err *e)
{
    const struct gql_value *inputs = gql_arg(step, "inputs");
    struct rule_node *nodes = arena_new_array(step->arena, call->count, struct rule_node);
    uint32_t *numbers = arena_new_array(step->arena, call->count, uint32_t);
    char text[RULE_CYCLE_TEXT_MAX];
    for (size_t i = 0; i < call->count; i++) {
        const struct gql_value *on = gql_input(&inputs->items[i], "dependsOn");
        nodes[i].id = call->tasks[i].id;
        if (gql_is_null(on))
            continue;
        struct uuid *needs = arena_new_array(step->arena, on->count, struct uuid);
        for (size_t k = 0; k < on->count; k++)
            (void)uuid_parse(on->items[k].text, &needs[k]); /* it was read before */
        nodes[i].needs = needs;
        nodes[i].need_count = on->count;
    }
    size_t found = rule_cycle_find(nodes, call->count, numbers);
    if (found == 0)
        return true;
    rule_cycle_write("inputs", numbers, found, text);
    return err_set(e, ERR_INVALID, "inputs[%u].dependsOn: is a cycle: %s", numbers[0], text);
}

static bool read_inputs(struct gql_step *step, struct create_call *call, struct err *e)
{
    const struct gql_value *inputs = gql_arg(step, "inputs");
    char path[32];
    if (inputs->count > CREATES_ATOMIC_MAX)
        return err_set(e, ERR_INVALID, "inputs: at most %d tasks at once, not %u",
                       CREATES_ATOMIC_MAX, inputs->count);
    arena_raise_budget(step->arena, inputs->count * (size_t)TASK_BYTES);
    call->count = inputs->count;
    call->tasks = arena_new_array(step->arena, call->count, struct create_task);
    for (size_t i = 0; i < call->count; i++) {
        snprintf(path, sizeof path, "inputs[%zu]", i);
        if (!task_input_read(step, &inputs->items[i], path, &call->tasks[i], e))
            return false;
    }
    return check_cycle(step, call, e) && task_shards_check(call, e);
}

static enum gql_next resolve_create_all(struct gql_step *step)
{
    struct create_call *call = arena_new(step->arena, struct create_call);
    struct err e;
    step->host = call;
    if (!has_worker(step, &e) || !read_inputs(step, call, &e))
        return gql_step_fail(step, &e);
    if (call->count == 0) {
        step->results[0] = gql_objects(NULL, 0);
        return GQL_DONE;
    }
    call->is_atomic = true;
    call->fn = created_all;
    return task_shards_go_on(step, call, gql_arg(step, "inputs")->items, submit);
}

/* ── what the worker changed: store it, and read what it did not tell ── */

struct changed {
    struct mirror_row row;
    struct uuid id;
    bool is_whole; /* the worker told all there is */
};

/* `rows` NULL: there are none to read what it did not tell from. */
static void answer_with(struct gql_step *step, struct db_rows *rows)
{
    const struct changed *changed = step->host;
    const struct record_plan *plan = step->field->plan_data;
    struct record *record;
    if (rows != NULL && db_rows_count(rows) > 0) {
        record = record_rows(step->arena, tasks_table(), rows, plan->columns);
        record->cells = changed->row.cells;
        record->given = changed->row.told;
    } else {
        record = record_of_cells(step->arena, tasks_table(), changed->row.cells);
    }
    record->is_fresh = true;
    step->results[0] = gql_object(record);
    gql_step_finish(step);
}

static void row_read(struct gql_step *step, const struct db_reply *reply)
{
    struct err e;
    if (reply->err == NULL) {
        answer_with(step, reply->rows[0]);
        return;
    }
    (void)err_set_from(&e, reply->err->origin, reply->err->code,
                       "it was done, but the task could not be read: %.100s", reply->err->message);
    (void)gql_step_fail(step, &e);
}

/* The worker has done it, whether that could be stored or not: the mirror brings the row. */
static void row_stored(struct gql_step *step, const struct db_reply *reply)
{
    const struct changed *changed = step->host;
    const struct record_plan *plan = step->field->plan_data;
    if (reply->err == NULL) {
        answer_with(step, reply->rows[reply->rows_count - 1]);
    } else if (changed->is_whole || !(plan->columns & ~changed->row.told)) {
        answer_with(step, NULL);
    } else {
        struct db_step by_id = record_by_ids_step(plan, step->arena, &changed->id, 1);
        (void)await_db_told(step, DB_LANE_READ, &by_id, 1, row_read);
    }
}

void task_changes_answer(struct gql_step *step, size_t shard, const struct json_value *body)
{
    const struct record_plan *plan = step->field->plan_data;
    struct changed *changed = arena_new(step->arena, struct changed);
    struct db_step steps[4];
    struct worker_row row;
    struct err e;
    size_t count = 0;
    if (!worker_read_task(step->arena, json_get_c(body, "task"), &row, &e)) {
        (void)gql_step_fail(step, &e);
        return;
    }
    changed->is_whole = row.told & SELECT_BIT(COL_tasks_payload);
    row.told |= SELECT_BIT(COL_tasks_accepted) | SELECT_BIT(COL_tasks_shard);
    row.cells[COL_tasks_shard] = shards_cell(shard);
    worker_complete_row(tasks_table(), row.cells);
    changed->row = (struct mirror_row){ row.told, row.cells };
    (void)uuid_parse(row.cells[COL_tasks_id], &changed->id);
    step->host = changed;
    steps[count++] = mirror_async_step();
    steps[count++] = changed->is_whole
                         ? task_mirror_found_step(step->arena, &changed->row, (int16_t)shard)
                         : task_mirror_update_step(step->arena, &changed->row, 1);
    steps[count++] = record_by_ids_step(plan, step->arena, &changed->id, 1);
    (void)await_db_told(step, DB_LANE_WRITE, steps, count, row_stored);
}

static enum gql_next ask_for(struct gql_step *step, struct uuid id, const char *action)
{
    char path[96], text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    snprintf(path, sizeof path, "/v1/tasks/%s:%s", text, action);
    return await_worker_of(step, AWAIT_TASK, id, NULL, path, task_input_actor(step),
                           task_changes_answer);
}

/* ── cancelTask, retryTask ── */

/* The entry is gone from the outbox, or it was not there (any more). */
static void cancelled_here(struct gql_step *step, const struct db_reply *reply)
{
    const struct uuid *id = step->host;
    const struct record_plan *plan = step->field->plan_data;
    if (db_rows_count(reply->rows[0]) == 0) {
        (void)ask_for(step, *id, "cancel");
        return;
    }
    step->results[0] =
        gql_object(record_rows(step->arena, tasks_table(), reply->rows[1], plan->columns));
    gql_step_finish(step);
}

static enum gql_next resolve_cancel(struct gql_step *step)
{
    struct uuid *id = arena_new(step->arena, struct uuid);
    struct err e;
    step->host = id;
    if (!task_input_id(step, id, &e))
        return gql_step_fail(step, &e);
    if (!outbox_has_any(await_request(step)->loop->gateway))
        return ask_for(step, *id, "cancel");
    const struct db_step steps[] = {
        outbox_cancel_step(step->arena, *id, await_request(step)->credential->owner),
        record_by_ids_step(step->field->plan_data, step->arena, id, 1)
    };
    return await_db(step, DB_LANE_WRITE, steps, countof(steps), cancelled_here);
}

static enum gql_next resolve_retry(struct gql_step *step)
{
    struct uuid id;
    struct err e;
    if (!task_input_id(step, &id, &e))
        return gql_step_fail(step, &e);
    return ask_for(step, id, "retry");
}

const struct gateway_binding bindings_task_changes[] = {
    { "Mutation.createTask", { .resolve = resolve_create, .prepare = tasks_prepare } },
    { "Mutation.createTasks", { .resolve = resolve_create_all, .prepare = tasks_prepare } },
    { "Mutation.cancelTask", { .resolve = resolve_cancel, .prepare = tasks_prepare } },
    { "Mutation.retryTask", { .resolve = resolve_retry, .prepare = tasks_prepare } },
    { 0 },
};
