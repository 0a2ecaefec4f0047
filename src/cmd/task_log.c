/* task_log: what the executors of a task wrote: what is kept of it, or all that comes until its
 * end. */
#include "client/follow.h"
#include "client/text.h"
#include "cmd/task_priv.h"

struct listening {
    struct api *api;
    struct arena *lasting; /* the command's; the api's is a line's own while one is told */
    struct str id;
    struct buf place; /* of the last line; empty: none came yet */
    struct follow *follow;
    struct err failure;
};

/* A terminal is shown no control characters; a pipe gets what was written. */
static void put_text(struct api *api, struct str text, enum table_style style)
{
    struct str shown = api->is_terminal ? text_line(api->arena, text) : text;
    table_put_text(&api->out, (struct table_cell){ shown, style }, api->has_colour);
    buf_put_char(&api->out, '\n');
}

/* ── what is kept ── */

static void put_attempt(struct api *api, const struct json_value *attempt)
{
    struct str line, left = api_text(attempt, "log");
    while (left.len > 0) {
        (void)str_cut(left, '\n', &line, &left);
        put_text(api, line, TABLE_PLAIN);
    }
}

static bool tell_kept(struct api *api, struct str id, struct err *e)
{
    const struct json_value *data, *attempts;
    if (!api_ask_of(api, "query($id: ID!) { task(id: $id) { attempts { attempt log } } }", id,
                    &data, e))
        return false;
    attempts = api_member(data, "task.attempts");
    if (attempts == NULL)
        return task_is_missing(id, e);
    for (size_t i = 0; i < attempts->item_count; i++)
        if (api->is_json)
            api_put_json(api, &attempts->items[i]);
        else
            put_attempt(api, &attempts->items[i]);
    return true;
}

/* ── all that comes ── */

static void end(struct listening *l, const struct err *e)
{
    if (e != NULL)
        l->failure = *e;
    client_stop(l->api->client);
}

static void on_begin(void *owner)
{
    (void)owner; /* the lines that are kept come first */
}

static void on_next(void *owner, const struct json_value *data)
{
    struct listening *l = owner;
    struct api *api = l->api;
    const struct json_value *line = api_member(data, "taskLog");
    struct str stream = api_text(line, "stream");
    if (api_text(line, "place").len > 0)
        buf_reset(&l->place);
    buf_put_str(&l->place, api_text(line, "place"));
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    api->arena = a;
    if (api->is_json)
        api_put_json(api, line);
    else
        put_text(api, api_text(line, "text"),
                 str_eq_c(stream, "windlass") ? TABLE_DIM
                 : str_eq_c(stream, "stderr") ? TABLE_WARN
                                              : TABLE_PLAIN);
    api->arena = l->lasting;
    if (!api_flush(api)) {
        api->exit_code = CMD_FAILURE; /* it was told why */
        end(l, NULL);
    }
}

static void on_end(void *owner, const struct err *e)
{
    end(owner, e);
}

/* What comes behind the last line. */
static struct client_request request_of(const struct listening *l, struct buf *variables)
{
    struct json_writer w = json_writer_to(variables);
    json_begin_object(&w);
    json_key_c(&w, "id");
    json_write_string(&w, l->id);
    if (l->place.len > 0) {
        json_key_c(&w, "after");
        json_write_string(&w, buf_str(&l->place));
    }
    json_end_object(&w);
    return (struct client_request){
        .document = "subscription($id: ID!, $after: String) { taskLog(id: $id, after: $after) { "
                    "attempt at stream text place } }",
        .variables = buf_str(variables),
    };
}

static void on_break(void *owner, const struct err *e)
{
    struct listening *l = owner;
    struct buf variables;
    buf_init(&variables, 0);
    const struct client_request request = request_of(l, &variables);
    follow_ask(l->follow, &request);
    buf_clear(&variables);
    task_on_break(l, e);
}

static bool tell_all(struct api *api, struct str id, struct err *e)
{
    static const struct follow_events events = {
        .on_begin = on_begin, .on_next = on_next, .on_break = on_break, .on_end = on_end
    };
    struct listening l = { .api = api, .lasting = api->arena, .id = id };
    struct buf variables;
    buf_init(&l.place, 0);
    buf_init(&variables, 0);
    const struct client_request request = request_of(&l, &variables);
    l.follow = follow_create(api->client, &request, &events, &l);
    buf_clear(&variables);
    client_run(api->client);
    follow_destroy(l.follow);
    buf_clear(&l.place);
    *e = l.failure;
    return l.failure.code == ERR_NONE;
}

bool cmd_task_log(struct api *api, struct err *e)
{
    struct str id;
    if (!api_task_id(api, conf_operand(api->conf, 0), &id, e))
        return false;
    return conf_bool(api->conf, CONF_FOLLOW) ? tell_all(api, id, e) : tell_kept(api, id, e);
}
