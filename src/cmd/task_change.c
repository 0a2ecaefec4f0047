/* task_change: the commands that make tasks and change them. */
#include "cmd/task_priv.h"

#include "base/clock.h"

/* ── create ── */

static bool put_due(struct api *api, struct err *e)
{
    int64_t at_us;
    bool is_at = conf_is_given(api->conf, CONF_RUN_AT),
         is_in = conf_is_given(api->conf, CONF_RUN_IN);
    if (is_at && is_in)
        return api_usage(api, e, "--run-at and --in say the same: keep one");
    if (is_at && !clock_parse(conf_str(api->conf, CONF_RUN_AT), &at_us))
        return api_usage(api, e, "--run-at: is no time such as 2026-12-24T18:00:00Z");
    if (is_in)
        at_us = api->now_us + conf_duration_us(api->conf, CONF_RUN_IN);
    if (is_at || is_in)
        api_put_time(api, "runAt", at_us);
    return true;
}

/* Ids, of which each may be told by its end. */
static bool find_dependencies(struct api *api, struct str **ret_ids, size_t *ret_count,
                              struct err *e)
{
    struct str one, left = conf_str(api->conf, CONF_DEPENDS_ON);
    size_t count = 0;
    *ret_ids = arena_new_array(api->arena, left.len / 2 + 1, struct str);
    while (left.len > 0) {
        (void)str_cut(left, ',', &one, &left);
        one = str_trim(one);
        if (one.len > 0 && !api_task_id(api, one, &(*ret_ids)[count++], e))
            return false;
    }
    *ret_count = count;
    return true;
}

static bool put_input(struct api *api, struct err *e)
{
    struct str *dependencies;
    size_t count;
    if (!find_dependencies(api, &dependencies, &count, e))
        return false;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "input");
    json_begin_object(w);
    json_key_c(w, "type");
    json_write_string(w, conf_operand(api->conf, 0));
    if (!api_put_payload(api, e) || !put_due(api, e))
        return false;
    api_put_text(api, CONF_ID, "id");
    api_put_text(api, CONF_QUEUE, "queue");
    api_put_enum(api, CONF_PRIORITY, "priority");
    api_put_int(api, CONF_MAX_ATTEMPTS, "maxAttempts");
    api_put_seconds(api, CONF_TIMEOUT, "timeoutSeconds");
    api_put_text(api, CONF_IDEMPOTENCY_KEY, "idempotencyKey");
    if (count > 0) {
        json_key_c(w, "dependsOn");
        json_begin_array(w);
        for (size_t i = 0; i < count; i++)
            json_write_string(w, dependencies[i]);
        json_end_array(w);
    }
    json_end_object(w);
    return true;
}

static void put_one_line(struct api *api, const struct json_value *task)
{
    struct table *t = task_table(api);
    api_put_item(api, t, task, task_add);
    api_put_list_of(api, t, "");
}

bool cmd_task_create(struct api *api, struct err *e)
{
    const struct json_value *data;
    if (!put_input(api, e) ||
        !api_ask(api,
                 "mutation($input: CreateTaskInput!) { createTask(input: $input) "
                 "{ " TASK_LINE "payload } }",
                 &data, e))
        return false;
    const struct json_value *task = api_member(data, "createTask");
    if (conf_bool(api->conf, CONF_WAIT))
        return task_await(api, api_text(task, "id"), e);
    put_one_line(api, task);
    return true;
}

/* ── cancel and retry ── */

struct change {
    const char *document, *field;
};

static bool change_one(struct api *api, const struct change *change, struct str named,
                       const struct json_value **ret_task, struct err *e)
{
    const struct json_value *data;
    struct str id;
    if (!api_task_id(api, named, &id, e))
        return false;
    if (!api_ask_of(api, change->document, id, &data, e))
        return false;
    *ret_task = api_member(data, change->field);
    return true;
}

/* Each for itself: one that is refused keeps no other from being changed. */
static bool change_named(struct api *api, const struct change *change, struct err *e)
{
    size_t count = conf_operand_count(api->conf), done = 0;
    struct table *t = task_table(api);
    for (size_t i = 0; i < count; i++) {
        const struct json_value *task;
        struct str named = conf_operand(api->conf, i);
        if (!change_one(api, change, named, &task, e)) {
            if (count == 1)
                return false;
            err_in(e, "%.*s", STR_FMT(named));
            api->exit_code = cmd_fail(CMD_FAILURE, e);
            continue;
        }
        done++;
        api_put_item(api, t, task, task_add);
    }
    if (done > 0)
        api_put_list_of(api, t, "");
    return true;
}

/* Those that are named, or all of the filter. */
static bool change_all(struct api *api, const struct change *change, const struct task_bulk *bulk,
                       struct err *e)
{
    bool has_names = conf_operand_count(api->conf) > 0, has_filter = !task_filter_is_empty(api);
    if (has_names && has_filter)
        return api_usage(api, e, "name either tasks by their ids or a filter");
    if (!has_names && !has_filter)
        return api_usage(api, e, "which ones? Give ids, or a filter such as --state dead");
    return has_names ? change_named(api, change, e) : task_bulk_run(api, bulk, e);
}

#define BULK(field)                                                                                \
    "mutation($filter: TaskFilter!, $asOf: DateTime, $count: Int, $dryRun: Boolean) { " field      \
    "(filter: $filter, asOf: $asOf, expectedCount: $count, dryRun: $dryRun) "                      \
    "{ matched done refusedCount refused { id reason } } }"

bool cmd_task_cancel(struct api *api, struct err *e)
{
    static const struct change change = { "mutation($id: ID!) { cancelTask(id: $id) { " TASK_LINE
                                          "} }",
                                          "cancelTask" };
    static const struct task_bulk bulk = { "cancel", BULK("cancelTasks"), "cancelTasks",
                                           task_put_filter };
    return change_all(api, &change, &bulk, e);
}

bool cmd_task_retry(struct api *api, struct err *e)
{
    static const struct change change = { "mutation($id: ID!) { retryTask(id: $id) { " TASK_LINE
                                          "} }",
                                          "retryTask" };
    static const struct task_bulk bulk = { "retry", BULK("retryTasks"), "retryTasks",
                                           task_put_filter };
    return change_all(api, &change, &bulk, e);
}

static bool put_named(struct api *api, struct err *e)
{
    size_t count = conf_operand_count(api->conf);
    struct str *ids = arena_new_array(api->arena, count, struct str);
    for (size_t i = 0; i < count; i++)
        if (!api_task_id(api, conf_operand(api->conf, i), &ids[i], e))
            return false;
    task_put_ids(api, ids, count);
    return true;
}

/* The API deletes by filter alone, and so many ids are one. */
bool cmd_task_delete(struct api *api, struct err *e)
{
    struct task_bulk bulk = { "delete", BULK("deleteTasks"), "deleteTasks", task_put_filter };
    bool has_names = conf_operand_count(api->conf) > 0, has_filter = !task_filter_is_empty(api);
    if (has_names == has_filter)
        return api_usage(api, e, "name either tasks by their ids or a filter such as --state dead");
    if (has_names)
        bulk.put_filter = put_named;
    return task_bulk_run(api, &bulk, e);
}
