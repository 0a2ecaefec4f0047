/* Subscription.taskChanged and jobChanged as fields: what is watched, and TaskEvent. */
#include "gateway/task_watch.h"
#include "gateway/tasks.h"

/* The columns of the selection; the statement follows when the filter is known. */
static void *prepare_tasks(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const task[] = { "task", NULL };
    uint64_t *columns = arena_new(plan_arena, uint64_t);
    *columns = SELECT_BIT(COL_tasks_id) | SELECT_BIT(COL_tasks_version);
    record_collect(f, task, columns);
    return columns;
}

static enum gql_next subscribe_tasks(struct gql_step *step)
{
    const uint64_t *columns = step->field->plan_data;
    struct task_filter *filter = arena_new(step->arena, struct task_filter);
    struct err e;
    if (!task_filter_read(gql_arg(step, "filter"), step->arena, filter, &e))
        return gql_step_fail(step, &e);
    const char *needs_table = task_filter_needs_table(filter);
    if (needs_table != NULL) {
        err_set(&e, ERR_INVALID, "%s: cannot be followed; leave it out", needs_table);
        return gql_step_fail(step, &e);
    }
    return task_watch_begin(
        step, filter,
        record_plan_of(tasks_table(), *columns | task_filter_columns(filter), step->arena));
}

static void *prepare_jobs(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const here[] = { NULL };
    uint64_t *columns = arena_new(plan_arena, uint64_t);
    *columns = SELECT_BIT(COL_jobs_id) | SELECT_BIT(COL_jobs_version);
    record_collect(f, here, columns);
    return columns;
}

static enum gql_next subscribe_jobs(struct gql_step *step)
{
    const uint64_t *columns = step->field->plan_data;
    return task_watch_begin(step, NULL, record_plan_of(jobs_table(), *columns, step->arena));
}

static void get_event(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

static void get_id(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct task_event *event = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_id(r->arena, event->id);
}

static void get_kind(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    static const struct str names[] = { [EVENT_ADDED] = { "ADDED", 5 },
                                        [EVENT_CHANGED] = { "CHANGED", 7 },
                                        [EVENT_LEFT] = { "LEFT", 4 },
                                        [EVENT_DELETED] = { "DELETED", 7 } };
    const struct task_event *event = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(names[event->kind]);
}

static void get_task(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct task_event *event = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(event->task);
}

const struct gateway_binding bindings_task_events[] = {
    { "Subscription.taskChanged",
      { .get = get_event, .subscribe = subscribe_tasks, .prepare = prepare_tasks } },
    { "Subscription.jobChanged",
      { .get = get_event, .subscribe = subscribe_jobs, .prepare = prepare_jobs } },
    { "TaskEvent.id", { .get = get_id } },
    { "TaskEvent.kind", { .get = get_kind } },
    { "TaskEvent.task", { .get = get_task } },
    { 0 },
};
