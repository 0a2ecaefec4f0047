/*
 * Task.why. What a waiting task waits for the worker alone knows, and only for now: it is asked,
 * for all waiting tasks of a level at once. While it does not answer, the row tells what it can; of
 * a task that is due it cannot, and why is null. What a failed one failed of stands in its row.
 *
 *   sort out --> ask for the waiting ones --> (answer) --> its reasons
 *                             `-- away, no reason --> what the row tells
 */
#include "base/clock.h"
#include "gateway/await_worker.h"
#include "gateway/shards.h"
#include "gateway/tasks.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "json/json.h"

enum { ASKED_MAX = 500 }; /* tasks in a request, as the worker has it */

enum wait_code {
    WAIT_NOT_DUE,
    WAIT_DEPENDENCY,
    WAIT_CONCURRENCY_LIMIT,
    WAIT_RATE_LIMIT,
    WAIT_PAUSED,
    WAIT_NO_WORKER,
    WAIT_RETRY_BACKOFF,
    WAIT_QUARANTINED,
    WAIT_NOT_ACCEPTED,
    WAIT_BEHIND_OTHERS,
    WAIT_CODE_COUNT
};

static const struct str code_names[WAIT_CODE_COUNT] = {
    [WAIT_NOT_DUE] = { "NOT_DUE", 7 },
    [WAIT_DEPENDENCY] = { "DEPENDENCY", 10 },
    [WAIT_CONCURRENCY_LIMIT] = { "CONCURRENCY_LIMIT", 17 },
    [WAIT_RATE_LIMIT] = { "RATE_LIMIT", 10 },
    [WAIT_PAUSED] = { "PAUSED", 6 },
    [WAIT_NO_WORKER] = { "NO_WORKER", 9 },
    [WAIT_RETRY_BACKOFF] = { "RETRY_BACKOFF", 13 },
    [WAIT_QUARANTINED] = { "QUARANTINED", 11 },
    [WAIT_NOT_ACCEPTED] = { "NOT_ACCEPTED", 12 },
    [WAIT_BEHIND_OTHERS] = { "BEHIND_OTHERS", 13 },
};

struct wait_reason {
    struct record task; /* first: blockedBy reads what it depends on; else it has nothing */
    enum wait_code code;
    struct str text;
    int64_t expected_us; /* 0: not known */
};

/* What the worker says; false where it says nothing, or nothing that this program knows. */
static bool read_code(const struct json_value *told, struct wait_reason *why)
{
    struct str code = json_get_text(told, STR("code"));
    why->text = json_get_text(told, STR("text"));
    for (int i = 0; i < WAIT_CODE_COUNT; i++)
        if (str_eq(code_names[i], code)) {
            why->code = (enum wait_code)i;
            return true;
        }
    return false;
}

/* `ids` stand where a record has what it depends on. */
static void set_blockers(struct arena *a, struct wait_reason *why, const struct uuid *ids,
                         size_t count)
{
    struct str *cells = arena_new_array(a, COL_tasks_COUNT, struct str);
    cells[COL_tasks_depends_on] = record_cell_of_uuids(a, ids, count);
    why->task = (struct record){ .table = tasks_table(),
                                 .cells = cells,
                                 .given = SELECT_BIT(COL_tasks_depends_on) };
}

static void read_blockers(struct arena *a, const struct json_value *list, struct wait_reason *why)
{
    size_t told = list != NULL && list->type == JSON_ARRAY ? list->item_count : 0, count = 0;
    struct uuid *ids = arena_new_array(a, told, struct uuid);
    for (size_t i = 0; i < told; i++)
        count += list->items[i].type == JSON_STRING && uuid_parse(list->items[i].text, &ids[count]);
    set_blockers(a, why, ids, count);
}

/* ── what the row tells ── */

static struct wait_reason *of_failed(struct arena *a, const struct record *task)
{
    struct wait_reason *why = arena_new(a, struct wait_reason);
    struct str cell = record_cell(task, COL_tasks_why);
    const struct json_value *told;
    struct err e;
    if (cell.ptr == NULL || !json_parse(a, cell, &told, &e) || !read_code(told, why))
        return NULL; /* its error says it */
    read_blockers(a, json_get_c(told, "blocked_by"), why);
    return why;
}

static const char *time_text(struct arena *a, int64_t wall_us)
{
    char *text = arena_alloc(a, CLOCK_TEXT_MAX);
    clock_format(wall_us, text);
    return text;
}

static void due_later(struct arena *a, const struct record *task, struct wait_reason *why)
{
    const char *run_at = time_text(a, why->expected_us);
    if (record_label(task, COL_tasks_state) == TASK_STATE_RETRYING) {
        why->code = WAIT_RETRY_BACKOFF;
        why->text = arena_printf(a, "Attempt %lld of %lld failed; the next one is due at %s.",
                                 (long long)record_i64(task, COL_tasks_attempt),
                                 (long long)record_i64(task, COL_tasks_max_attempts), run_at);
    } else {
        why->code = WAIT_NOT_DUE;
        why->text = arena_printf(a, "It is due at %s.", run_at);
    }
}

static bool is_accepted(const struct record *task)
{
    return str_eq(record_cell(task, COL_tasks_accepted), STR("t"));
}

/* NULL: the worker would know. */
static struct wait_reason *of_row(struct arena *a, const struct record *task)
{
    struct wait_reason *why = arena_new(a, struct wait_reason);
    int64_t run_at_us = record_time(task, COL_tasks_run_at);
    set_blockers(a, why, NULL, 0);
    if (!is_accepted(task)) {
        why->code = WAIT_NOT_ACCEPTED;
        why->text = STR("It is kept by the gateway until the Worker Service is in reach again.");
    } else if (record_label(task, COL_tasks_state) == TASK_STATE_BLOCKED) {
        why->code = WAIT_DEPENDENCY;
        why->text = STR("It waits until the tasks that it depends on have completed.");
        why->task = *task;
    } else if (run_at_us > clock_wall_us()) {
        why->expected_us = run_at_us;
        due_later(a, task, why);
    } else {
        return NULL;
    }
    return why;
}

/* ── what the worker says ── */

/* The waiting tasks of a level. */
struct asking {
    struct gql_step *step;
    /* By shard; an object is what its worker says of that task. */
    struct record_ids *ids[GATEWAY_SHARDS_MAX];
    size_t open; /* requests */
};

static bool is_waiting(const struct record *task)
{
    return record_label(task, COL_tasks_status) == TASK_STATUS_PENDING && is_accepted(task);
}

static size_t shard_of(const struct gql_step *step, const struct record *task)
{
    return shards_of_record(await_request(step)->loop->gateway, task, COL_tasks_shard);
}

/* It has begun, or ended, since its row was read. */
static bool waits_no_more(const struct json_value *told)
{
    int state =
        schema_label_of(&schema_public.enums[ENUM_task_state], json_get_text(told, STR("state")));
    return state >= 0 && worker_status_of((enum task_state)state) != TASK_STATUS_PENDING;
}

static struct wait_reason *of_waiting(struct arena *a, const struct record *task,
                                      const struct json_value *told)
{
    const struct json_value *said = json_get_c(told, "why"),
                            *expected = json_get_c(said, "expected_at_us");
    struct wait_reason *why = arena_new(a, struct wait_reason);
    if (waits_no_more(told))
        return NULL;
    if (!read_code(said, why))
        return of_row(a, task);
    if (expected != NULL && expected->type == JSON_NUMBER)
        (void)json_to_i64(expected, &why->expected_us);
    read_blockers(a, json_get_c(said, "blocked_by"), why);
    return why;
}

static void answer(const struct asking *asking)
{
    struct gql_step *step = asking->step;
    struct arena *a = step->arena;
    for (size_t i = 0; i < step->count; i++) {
        const struct record *task = step->parents[i];
        int status = record_label(task, COL_tasks_status);
        struct wait_reason *why = NULL;
        if (status == TASK_STATUS_FAILED)
            why = of_failed(a, task);
        else if (is_waiting(task))
            why = of_waiting(
                a, task,
                *record_ids_at(asking->ids[shard_of(step, task)], record_uuid(task, COL_tasks_id)));
        else if (status == TASK_STATUS_PENDING)
            why = of_row(a, task);
        step->results[i] = gql_object(why);
    }
}

static void take_answer(const struct record_ids *ids, const struct json_value *tasks)
{
    for (size_t i = 0; tasks != NULL && tasks->type == JSON_ARRAY && i < tasks->item_count; i++) {
        struct uuid id;
        void **object = uuid_parse(json_get_text(&tasks->items[i], STR("id")), &id)
                            ? record_ids_find(ids, id)
                            : NULL;
        if (object != NULL)
            *object = (void *)(uintptr_t)&tasks->items[i];
    }
}

static void answered(void *owner, const struct worker_reply *reply)
{
    struct asking *asking = owner;
    take_answer(asking->ids[reply->shard], json_get_c(reply->body, "tasks"));
    if (--asking->open > 0)
        return;
    answer(asking);
    gql_step_finish(asking->step);
}

static void ask(struct asking *asking, size_t shard)
{
    const struct record_ids *ids = asking->ids[shard];
    for (size_t at = 0; at < ids->count; at += ASKED_MAX) {
        struct str body = worker_ids_body(asking->step->arena, ids->items + at,
                                          min_of(ids->count - at, (size_t)ASKED_MAX), true);
        asking->open +=
            await_worker_ask_for(asking->step, shard, "/v1/tasks:get", body, answered, asking);
    }
}

/* Their ids, by shard. */
static void sort_waiting(struct asking *asking, size_t shard_count)
{
    const struct gql_step *step = asking->step;
    void **tasks[GATEWAY_SHARDS_MAX];
    size_t counts[GATEWAY_SHARDS_MAX] = { 0 };
    for (size_t shard = 0; shard < shard_count; shard++)
        tasks[shard] = arena_new_array(step->arena, step->count, void *);
    for (size_t i = 0; i < step->count; i++)
        if (is_waiting(step->parents[i])) {
            size_t shard = shard_of(step, step->parents[i]);
            tasks[shard][counts[shard]++] = step->parents[i];
        }
    for (size_t shard = 0; shard < shard_count; shard++)
        asking->ids[shard] = record_ids_of(step->arena, tasks[shard], counts[shard], COL_tasks_id);
}

static enum gql_next resolve_why(struct gql_step *step)
{
    size_t shard_count = await_request(step)->loop->gateway->shard_count;
    struct asking *asking = arena_new(step->arena, struct asking);
    asking->step = step;
    sort_waiting(asking, shard_count);
    for (size_t shard = 0; shard < shard_count; shard++)
        ask(asking, shard);
    if (asking->open > 0)
        return GQL_WAIT;
    answer(asking);
    return GQL_DONE;
}

/* ── WaitReason ── */

static void get_code(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct wait_reason *why = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(code_names[why->code]);
}

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct wait_reason *why = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(why->text);
}

static void get_expected(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct wait_reason *why = parent;
    const struct request *r = ctx;
    (void)f;
    if (why->expected_us != 0)
        *ret_value = binding_time(r->arena, why->expected_us);
}

/* ── blockedBy ── */

static void *prepare_blocked_by(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const here[] = { NULL };
    uint64_t columns = SELECT_BIT(COL_tasks_status);
    record_collect(f, here, &columns);
    return record_plan_of(tasks_table(), columns, plan_arena);
}

static bool has_not_completed(const struct record *task)
{
    return record_label(task, COL_tasks_status) != TASK_STATUS_COMPLETED;
}

static enum gql_next resolve_blocked_by(struct gql_step *step)
{
    return record_resolve_many(step, COL_tasks_depends_on, has_not_completed);
}

#define BIT(column) SELECT_BIT(COL_tasks_##column)

const struct gateway_binding bindings_task_why[] = {
    { "Task.why",
      { .resolve = resolve_why,
        .data =
            RECORD_FIELD(BIT(id) | BIT(status) | BIT(state) | BIT(attempt) | BIT(max_attempts) |
                         BIT(run_at) | BIT(depends_on) | BIT(why) | BIT(accepted) | BIT(shard)) } },
    { "WaitReason.code", { .get = get_code } },
    { "WaitReason.text", { .get = get_text } },
    { "WaitReason.expectedAt", { .get = get_expected } },
    { "WaitReason.blockedBy", { .resolve = resolve_blocked_by, .prepare = prepare_blocked_by } },
    { 0 },
};
