/* Task.attempts, which only the worker knows: it is asked for each task, and what it does not
 * answer is no attempts. */
#include "gateway/await_each.h"
#include "gateway/bindings.h"
#include "gateway/record.h"
#include "schema/entities.h"

/* A TaskAttempt. */
struct attempt {
    int64_t number, started_at_us, finished_at_us; /* finished 0: it runs */
    struct str worker, outcome, error, log; /* outcome, as the API names it; ptr NULL: none */
};

static int64_t number_of(const struct json_value *object, const char *name)
{
    int64_t number = 0;
    (void)json_get_i64(object, str_of_c(name), &number);
    return number;
}

static struct str outcome_of(struct str told)
{
    static const struct str outcomes[][2] = {
        { { "succeeded", 9 }, { "SUCCEEDED", 9 } }, { { "failed", 6 }, { "FAILED", 6 } },
        { { "timed_out", 9 }, { "TIMED_OUT", 9 } }, { { "lease_lost", 10 }, { "LEASE_LOST", 10 } },
        { { "cancelled", 9 }, { "CANCELLED", 9 } },
    };
    for (size_t i = 0; i < countof(outcomes); i++)
        if (str_eq(outcomes[i][0], told))
            return outcomes[i][1];
    return (struct str){ 0 };
}

static struct gql_value attempts_of(const struct gql_step *step, const struct json_value *body)
{
    struct arena *a = step->arena;
    const struct json_value *list = json_get_c(body, "attempts");
    size_t count = list != NULL && list->type == JSON_ARRAY ? list->item_count : 0;
    struct attempt *attempts = arena_new_array(a, count, struct attempt);
    void **objects = arena_new_array(a, count, void *);
    for (size_t i = 0; i < count; i++) {
        const struct json_value *told = &list->items[i];
        attempts[i] = (struct attempt){ .number = number_of(told, "attempt"),
                                        .started_at_us = number_of(told, "started_at_us"),
                                        .finished_at_us = number_of(told, "finished_at_us"),
                                        .worker = json_get_text(told, STR("worker")),
                                        .outcome = outcome_of(json_get_text(told, STR("outcome"))),
                                        .error = json_get_text(told, STR("error")),
                                        .log = json_get_text(told, STR("log")) };
        objects[i] = &attempts[i];
    }
    return gql_objects(objects, count);
}

static const char *path_of(const struct gql_step *step, size_t parent)
{
    struct str id = record_cell(step->parents[parent], COL_tasks_id);
    bool has_log = gql_child(step->field, "log") != NULL;
    return arena_printf(step->arena, "/v1/tasks/%.*s%s", STR_FMT(id), has_log ? "?log=true" : "")
        .ptr;
}

static enum gql_next resolve_attempts(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_list(NULL, 0);
    return await_each(step, COL_tasks_shard, path_of, attempts_of);
}

static void get_number(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(attempt->number);
}

static void get_worker(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(attempt->worker);
}

static void get_started(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, attempt->started_at_us);
}

static void get_finished(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    const struct request *r = ctx;
    (void)f;
    if (attempt->finished_at_us != 0)
        *ret_value = binding_time(r->arena, attempt->finished_at_us);
}

static void get_outcome(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    (void)f, (void)ctx;
    if (attempt->outcome.ptr != NULL)
        *ret_value = gql_enum(attempt->outcome);
}

static void get_error(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    (void)f, (void)ctx;
    if (attempt->error.ptr != NULL)
        *ret_value = gql_text(attempt->error);
}

static void get_log(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct attempt *attempt = parent;
    (void)f, (void)ctx;
    if (attempt->log.ptr != NULL)
        *ret_value = gql_text(attempt->log);
}

const struct gateway_binding bindings_task_attempts[] = {
    { "Task.attempts",
      { .resolve = resolve_attempts,
        .data = RECORD_FIELD(SELECT_BIT(COL_tasks_id) | SELECT_BIT(COL_tasks_shard)) } },
    { "TaskAttempt.attempt", { .get = get_number } },
    { "TaskAttempt.worker", { .get = get_worker } },
    { "TaskAttempt.startedAt", { .get = get_started } },
    { "TaskAttempt.finishedAt", { .get = get_finished } },
    { "TaskAttempt.outcome", { .get = get_outcome } },
    { "TaskAttempt.error", { .get = get_error } },
    { "TaskAttempt.log", { .get = get_log } },
    { 0 },
};
