/* queue: the commands of `windlass queue`. */
#include "cmd/limits_priv.h"

enum { NAME_WIDTH_MIN = 8, DETAIL_WIDTH_MIN = 10 };

#define QUEUE_LINE                                                                                 \
    "name paused pausedBy { id name } pausedReason waiting running oldestWaitingSeconds source "

static struct table *queue_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "QUEUE", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "STATUS" },
        { .title = "RUNNING", .is_right = true },
        { .title = "WAITING", .is_right = true },
        { .title = "OLDEST", .is_right = true },
        { .title = "DETAIL", .shrinks_to = DETAIL_WIDTH_MIN },
    };
    return table_create(api->arena, columns, countof(columns));
}

static void queue_add(struct api *api, struct table *t, const struct json_value *queue)
{
    table_add(t, (struct table_cell[]){
                     { .text = api_text(queue, "name") },
                     limits_status_cell(queue),
                     { .text = api_text(queue, "running") },
                     { .text = api_text(queue, "waiting") },
                     { .text = api_span(api, queue, "oldestWaitingSeconds") },
                     { limits_detail(api, queue), TABLE_WARN },
                 });
}

bool cmd_queue_list(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct table *t = queue_table(api);
    if (!api_ask(api, "{ queues { " QUEUE_LINE "} }", &data, e))
        return false;
    api_put_items(api, t, api_member(data, "queues"), queue_add);
    api_put_list_of(api, t, "no queues");
    return true;
}

static bool change(struct api *api, const char *document, const char *field, struct err *e)
{
    const struct json_value *data;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "name");
    json_write_string(w, conf_operand(api->conf, 0));
    api_put_text(api, CONF_REASON, "reason");
    if (!api_ask(api, document, &data, e))
        return false;
    struct table *t = queue_table(api);
    api_put_item(api, t, api_member(data, field), queue_add);
    api_put_list_of(api, t, "");
    return true;
}

bool cmd_queue_pause(struct api *api, struct err *e)
{
    return change(api,
                  "mutation($name: String!, $reason: String) "
                  "{ pauseQueue(name: $name, reason: $reason) { " QUEUE_LINE "} }",
                  "pauseQueue", e);
}

bool cmd_queue_resume(struct api *api, struct err *e)
{
    return change(api, "mutation($name: String!) { resumeQueue(name: $name) { " QUEUE_LINE "} }",
                  "resumeQueue", e);
}
