/*
 * Task.why: what the worker said, where it said why; else what the task's row itself shows. A row
 * that is due and has no reason waits for its turn.
 */
#include "base/clock.h"
#include "gateway/tasks.h"
#include "json/json.h"

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
    struct record task; /* first: blockedBy reads what it depends on */
    enum wait_code code;
    struct str text;
    int64_t expected_us; /* 0: not known */
};

/* What the worker said; false where it said nothing, or nothing that this program knows. */
static bool read_told(struct arena *a, const struct record *task, struct wait_reason *why)
{
    const struct json_value *told, *code, *text;
    struct err e;
    struct str cell = record_cell(task, COL_tasks_why);
    if (cell.ptr == NULL || !json_parse(a, cell, &told, &e))
        return false;
    code = json_get_c(told, "code");
    text = json_get_c(told, "text");
    if (code == NULL || code->type != JSON_STRING)
        return false;
    if (text != NULL && text->type == JSON_STRING)
        why->text = text->text;
    for (int i = 0; i < WAIT_CODE_COUNT; i++)
        if (str_eq(code_names[i], code->text)) {
            why->code = (enum wait_code)i;
            return true;
        }
    return false;
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

/* A task that waits, from its row alone. */
static void derive(struct arena *a, const struct record *task, int64_t now_us,
                   struct wait_reason *why)
{
    bool is_accepted = str_eq(record_cell(task, COL_tasks_accepted), STR("t"));
    int64_t run_at_us = record_time(task, COL_tasks_run_at);
    if (!is_accepted) {
        why->code = WAIT_NOT_ACCEPTED;
        why->text = STR("It is kept by the gateway until the Worker Service is in reach again.");
    } else if (record_label(task, COL_tasks_state) == TASK_STATE_BLOCKED) {
        why->code = WAIT_DEPENDENCY;
        why->text = STR("It waits until the tasks that it depends on have completed.");
    } else if (run_at_us > now_us) {
        why->expected_us = run_at_us;
        due_later(a, task, why);
    } else {
        why->code = WAIT_BEHIND_OTHERS;
        why->text = STR("It is due and waits for its turn.");
    }
}

static void get_why(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    static const struct str no_dependencies[COL_tasks_COUNT] = { [COL_tasks_depends_on] = { "{}",
                                                                                            2 } };
    const struct record *task = parent;
    const struct request *r = ctx;
    struct wait_reason *why = arena_new(r->arena, struct wait_reason);
    int status = record_label(task, COL_tasks_status);
    (void)f;
    if (status == TASK_STATUS_IN_PROGRESS || status == TASK_STATUS_COMPLETED)
        return;
    why->task = *task;
    bool is_told = read_told(r->arena, task, why);
    if (!is_told && status == TASK_STATUS_FAILED)
        return; /* its error says it */
    if (!is_told)
        derive(r->arena, task, clock_wall_us(), why);
    else if (why->code == WAIT_NOT_DUE || why->code == WAIT_RETRY_BACKOFF)
        why->expected_us = record_time(task, COL_tasks_run_at);
    if (why->code != WAIT_DEPENDENCY)
        why->task = (struct record){ .table = task->table,
                                     .cells = no_dependencies,
                                     .given = SELECT_BIT(COL_tasks_depends_on) };
    *ret_value = gql_object(why);
}

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
      { .get = get_why,
        .data = RECORD_FIELD(BIT(status) | BIT(state) | BIT(attempt) | BIT(max_attempts) |
                             BIT(run_at) | BIT(depends_on) | BIT(why) | BIT(accepted)) } },
    { "WaitReason.code", { .get = get_code } },
    { "WaitReason.text", { .get = get_text } },
    { "WaitReason.expectedAt", { .get = get_expected } },
    { "WaitReason.blockedBy", { .resolve = resolve_blocked_by, .prepare = prepare_blocked_by } },
    { 0 },
};
