/* task_group: the schema of task.group. */
#include "base/buf.h"
#include "json/writer.h"
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"

enum { NAME_BYTES_MAX = 200, ATTEMPTS_MAX = 1'000, TIMEOUT_SECONDS_MAX = 30 * 86'400 };

static bool one_of(struct str given, const char *const *names, const char *key, int *ret_choice,
                   struct err *e)
{
    for (int i = 0; names[i] != NULL; i++)
        if (str_eq_c(given, names[i])) {
            *ret_choice = i;
            return true;
        }
    return err_set(e, ERR_INVALID, "$.%s: is none of %s, %s%s%s", key, names[0], names[1],
                   names[2] != NULL ? ", " : "", names[2] != NULL ? names[2] : "");
}

static struct str text_of(struct arena *a, const struct json_value *v)
{
    struct buf out;
    buf_init(&out, 0);
    json_put_value(&out, v);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* Paths begin at the child. */
static bool read_child(struct arena *a, const struct json_value *v,
                       struct payload_group_child *child, struct err *e)
{
    static const char *const known[] = { "type",  "payload",      "priority",
                                         "queue", "max_attempts", "timeout_seconds" };
    static const char *const priorities[] = { "low", "normal", "high", NULL };
    const struct json_value *payload = payload_get(v, "payload");
    struct str priority = { 0 };
    child->priority = -1;
    child->payload = payload != NULL ? text_of(a, payload) : STR("{}");
    child->payload_value = payload;
    return payload_check(v, known, countof(known), e) && payload_needs(v, "type", "task type", e) &&
           payload_text(a, v, "type", NAME_BYTES_MAX, &child->type, e) &&
           payload_text(a, v, "priority", NAME_BYTES_MAX, &priority, e) &&
           (priority.ptr == NULL ||
            one_of(priority, priorities, "priority", &child->priority, e)) &&
           payload_text(a, v, "queue", NAME_BYTES_MAX, &child->queue, e) &&
           payload_integer(v, "max_attempts", 1, ATTEMPTS_MAX, &child->max_attempts, e) &&
           payload_integer(v, "timeout_seconds", 1, TIMEOUT_SECONDS_MAX, &child->timeout_s, e);
}

static bool read_children(struct arena *a, const struct json_value *list,
                          struct payload_group_input *input, struct err *e)
{
    if (list == NULL || list->type != JSON_ARRAY || list->item_count == 0 ||
        list->item_count > PAYLOAD_GROUP_CHILDREN_MAX)
        return err_set(e, ERR_INVALID, "$.tasks: list of 1 to %d tasks expected",
                       PAYLOAD_GROUP_CHILDREN_MAX);
    input->children = arena_new_array(a, list->item_count, struct payload_group_child);
    input->child_count = list->item_count;
    for (size_t i = 0; i < list->item_count; i++) {
        struct err wrong = { 0 };
        struct payload_group_child *child = &input->children[i];
        if (!read_child(a, &list->items[i], child, &wrong)) /* "$.type: …" */
            return err_set(e, ERR_INVALID, "$.tasks[%zu]%.150s", i, wrong.message + 1);
        if (str_eq_c(child->type, PAYLOAD_GROUP_TYPE))
            return err_set(e, ERR_INVALID, "$.tasks[%zu].type: a group within a group", i);
    }
    return true;
}

static bool read_group(struct arena *a, const struct json_value *payload, const void **ret_input,
                       struct err *e)
{
    static const char *const known[] = { "tasks", "on_failure" };
    static const char *const choices[] = { "fail", "ignore", NULL };
    struct payload_group_input *input = arena_new(a, struct payload_group_input);
    struct str on_failure = STR("fail");
    int choice = 0;
    *ret_input = input;
    if (!payload_check(payload, known, countof(known), e) ||
        !payload_text(a, payload, "on_failure", NAME_BYTES_MAX, &on_failure, e) ||
        !one_of(on_failure, choices, "on_failure", &choice, e))
        return false;
    input->ignores_failures = choice == 1;
    return read_children(a, payload_get(payload, "tasks"), input, e);
}

const struct payload_schema payload_task_group = { PAYLOAD_GROUP_TYPE, read_group };
