/*
 * Query.queues, Mutation.pauseQueue, resumeQueue. The worker keeps the queues; see told.h.
 *
 *   pauseQueue: check --> told_change
 */
#include "base/clock.h"
#include "gateway/check.h"
#include "gateway/shards.h"
#include "gateway/task_input.h"
#include "gateway/told.h"
#include "gateway/users.h"

enum {
    QUEUE_NAME,
    QUEUE_IS_PAUSED,
    QUEUE_PAUSED_BY,
    QUEUE_PAUSED_REASON,
    QUEUE_WAITING,
    QUEUE_RUNNING,
    QUEUE_OLDEST,
    QUEUE_MEMBERS
};
static const struct told_member members[QUEUE_MEMBERS + 1] = {
    [QUEUE_NAME] = { "queue", TOLD_TEXT, false },
    [QUEUE_IS_PAUSED] = { "is_paused", TOLD_BOOL, false },
    [QUEUE_PAUSED_BY] = { "paused_by", TOLD_USER, true },
    [QUEUE_PAUSED_REASON] = { "paused_reason", TOLD_TEXT, true },
    [QUEUE_WAITING] = { "waiting", TOLD_WHOLE, false },
    [QUEUE_RUNNING] = { "running", TOLD_WHOLE, false },
    [QUEUE_OLDEST] = { "oldest_waiting_us", TOLD_WHOLE, true },
};

static bool read_queues(struct gql_step *step, const struct json_value *body, bool is_fresh,
                        struct gql_value *ret_list)
{
    return told_objects_read(step->arena, body, "queues", members, (struct str){ 0 }, is_fresh,
                             ret_list);
}

static enum gql_next resolve_queues(struct gql_step *step)
{
    return told_ask(step, TOLD_QUEUES, read_queues);
}

/* ── changes ── */

static struct str reason_json(const struct gql_step *step)
{
    const struct gql_value *reason = gql_arg(step, "reason");
    struct buf out;
    if (gql_is_null(reason))
        return (struct str){ 0 };
    const struct json_member member = { STR("reason"), json_of_string(reason->text) };
    const struct json_value object = json_of_members(&member, 1);
    buf_init(&out, 0);
    json_put_value(&out, &object);
    struct str detail = arena_copy(step->arena, buf_str(&out));
    buf_clear(&out);
    return detail;
}

static bool check_args(const struct gql_step *step, struct err *e)
{
    struct str name = gql_arg(step, "name")->text;
    const struct gql_value *reason = gql_arg(step, "reason");
    if (!check_label("name", name, TASK_TYPE_CHARS_MAX, e))
        return false;
    if (name.len > TASK_TYPE_CHARS_MAX) /* the worker counts bytes */
        return err_set(e, ERR_INVALID, "name: is longer than %d bytes", TASK_TYPE_CHARS_MAX);
    return gql_is_null(reason) || check_label("reason", reason->text, TOLD_REASON_CHARS_MAX, e);
}

/* At all shards, the owner first: another one still has what it took before the queue moved. */
static enum gql_next ask(struct gql_step *step, const char *path, const char *action)
{
    const struct gql_value *reason = gql_arg(step, "reason");
    struct buf out;
    struct err e;
    if (!check_args(step, &e))
        return gql_step_fail(step, &e);
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    json_key_c(&w, "queue");
    json_write_string(&w, gql_arg(step, "name")->text);
    if (!gql_is_null(reason)) {
        json_key_c(&w, "reason");
        json_write_string(&w, reason->text);
    }
    told_write_actor(&w, step);
    json_end_object(&w);
    struct str body = arena_copy(step->arena, buf_str(&out));
    buf_clear(&out);
    struct str name = gql_arg(step, "name")->text;
    const struct told_change change = {
        .what = TOLD_QUEUES,
        .is_owned = true,
        .owner = shards_of_queue(await_request(step)->loop->gateway, name),
        .path = path,
        .body = body,
        .members = members,
        .action = action,
        .subject = arena_printf(step->arena, "queue:%.*s", STR_FMT(name)),
        .detail = reason_json(step),
    };
    return told_change(step, &change);
}

static enum gql_next resolve_pause(struct gql_step *step)
{
    return ask(step, "/v1/queues:pause", "queue.pause");
}

static enum gql_next resolve_resume(struct gql_step *step)
{
    return ask(step, "/v1/queues:resume", "queue.resume");
}

/* ── Queue ── */

static void get_oldest(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct told_object *queue = parent;
    const struct json_value *v = json_get_c(queue->json, "oldest_waiting_us");
    int64_t since_us;
    (void)f, (void)ctx;
    if (v != NULL && v->type != JSON_NULL && json_to_i64(v, &since_us)) {
        int64_t waited_us = max_of(clock_wall_us() - since_us, (int64_t)0);
        *ret_value = gql_float((double)waited_us / CLOCK_S);
    }
}

const struct gateway_binding bindings_queues[] = {
    { "Query.queues", { .resolve = resolve_queues } },
    { "Mutation.pauseQueue", { .resolve = resolve_pause } },
    { "Mutation.resumeQueue", { .resolve = resolve_resume } },
    { "Queue.name", { .get = told_get_text, .data = BINDING_NUMBER(QUEUE_NAME) } },
    { "Queue.paused", { .get = told_get_bool, .data = BINDING_NUMBER(QUEUE_IS_PAUSED) } },
    { "Queue.pausedBy",
      { .resolve = told_resolve_user,
        .prepare = users_prepare,
        .data = BINDING_NUMBER(QUEUE_PAUSED_BY) } },
    { "Queue.pausedReason", { .get = told_get_text, .data = BINDING_NUMBER(QUEUE_PAUSED_REASON) } },
    { "Queue.waiting", { .get = told_get_whole, .data = BINDING_NUMBER(QUEUE_WAITING) } },
    { "Queue.running", { .get = told_get_whole, .data = BINDING_NUMBER(QUEUE_RUNNING) } },
    { "Queue.oldestWaitingSeconds", { .get = get_oldest } },
    { "Queue.source", { .get = told_get_source } },
    { 0 },
};
