/* task_watch: what happens to tasks, as it happens: those of a filter for ever, named ones until
 * their end. */
#include "cmd/task_priv.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "client/follow.h"
#include "client/text.h"
#include "io/timer.h"

enum {
    STATE_WIDTH = 9,
    TIME_TEXT_MAX = 16,
    SHOWN_TEXT_MAX = 256,
    LOOK_AGAIN_MS_MIN = 500,
    LOOK_AGAIN_MS_MAX = 30'000,
};

/* A task that is waited for. */
struct awaited {
    struct str id;
    char shown[SHOWN_TEXT_MAX]; /* what was told of it last */
    bool has_ended;
};

struct watch {
    struct api *api;
    struct arena *lasting; /* the command's; the api's is an event's own while one is told */
    struct awaited *awaited;
    size_t awaited_count;   /* 0: a filter's, without an end */
    struct io_timer *timer; /* to the next look at those */
    struct backoff looks;
    struct arena *look_arena;
    struct awaited
        *absent; /* the one that the last look did not find, and that is asked for alone */
    bool is_looking;
    bool is_told; /* each change, not only the end */
    bool is_over;
    struct err failure; /* .code: ERR_NONE while all is well */
};

static void end(struct watch *w)
{
    w->is_over = true;
    client_stop(w->api->client);
}

static void fail(struct watch *w, const struct err *e)
{
    w->failure = *e;
    end(w);
}

/* ── lines ── */

static struct str clock_text(struct api *api)
{
    char text[TIME_TEXT_MAX];
    struct tm parts;
    time_t now = (time_t)(clock_wall_us() / CLOCK_S);
    if (localtime_r(&now, &parts) == NULL || strftime(text, sizeof text, "%H:%M:%S", &parts) == 0)
        return (struct str){ 0 };
    return arena_copy(api->arena, str_of_c(text));
}

static struct table_cell state_of(struct api *api, struct str kind, const struct json_value *task)
{
    struct table_cell cell = { .style = TABLE_DIM };
    if (str_eq_c(kind, "LEFT"))
        cell.text = STR("left");
    else if (task == NULL)
        cell.text = STR("deleted");
    else
        cell = task_state_cell(api, task);
    cell.text = arena_printf(api->arena, "%-*.*s", STATE_WIDTH, STR_FMT(cell.text));
    return cell;
}

static void put_line(struct api *api, struct str kind, struct str id, const struct json_value *task)
{
    static const struct table_column columns[] = {
        { .title = "" },
        { .title = "" },
        { .title = "" },
        { .title = "", .shrinks_to = STATE_WIDTH },
        { .title = "", .shrinks_to = STATE_WIDTH },
    };
    const struct table_options options = { .width = api->width, .has_colour = api->has_colour };
    struct table *t = table_create(api->arena, columns, countof(columns));
    table_add(t, (struct table_cell[]){
                     { clock_text(api), TABLE_DIM },
                     state_of(api, kind, task),
                     { .text = task_id_shown(api, id) },
                     { .text = api_text(task, "type") },
                     { .text = task_detail(api, task) },
                 });
    table_put(&api->out, t, &options);
}

/* ── named tasks ── */

static struct awaited *find_awaited(struct watch *w, struct str id)
{
    for (size_t i = 0; i < w->awaited_count; i++)
        if (str_eq(w->awaited[i].id, id))
            return &w->awaited[i];
    return NULL;
}

/* The same state is told by the first look and again by the stream. */
static bool is_news(struct api *api, struct awaited *awaited, const struct json_value *task)
{
    char now[SHOWN_TEXT_MAX];
    struct str detail = task_detail(api, task);
    snprintf(now, sizeof now, "%.*s %.*s %.*s", STR_FMT(api_text(task, "state")),
             STR_FMT(api_text(task, "attempt")), STR_FMT(str_first(detail, SHOWN_TEXT_MAX / 2)));
    if (strcmp(now, awaited->shown) == 0)
        return false;
    memcpy(awaited->shown, now, sizeof now);
    return true;
}

static void note_end(struct watch *w, struct awaited *awaited, const struct json_value *task)
{
    awaited->has_ended = true;
    if (task == NULL || task_exit_code(task) != CMD_OK)
        w->api->exit_code = CMD_FINDINGS;
    for (size_t i = 0; i < w->awaited_count; i++)
        if (!w->awaited[i].has_ended)
            return;
    end(w);
}

static void tell(struct watch *w, struct str kind, struct str id, const struct json_value *task,
                 const struct json_value *event)
{
    struct api *api = w->api;
    struct awaited *awaited = find_awaited(w, id);
    bool is_end = awaited != NULL && (task == NULL || task_has_ended(task));
    if (w->is_over ||
        (awaited != NULL && (awaited->has_ended || (task != NULL && !is_news(api, awaited, task)))))
        return;
    if (api->is_json && (w->is_told || is_end))
        api_put_json(api, event);
    else if (!api->is_json)
        put_line(api, kind, id, task);
    if (!api_flush(api)) {
        api->exit_code = CMD_FAILURE; /* it was told why */
        end(w);
        return;
    }
    if (is_end)
        note_end(w, awaited, task);
}

/* ── events ── */

/* What an event needs goes with it: a watch may last for months. */
static void with_own_arena(struct watch *w, void (*fn)(struct watch *, const struct json_value *),
                           const struct json_value *data)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    w->api->arena = a;
    w->api->now_us = clock_wall_us();
    fn(w, data);
    w->api->arena = w->lasting;
}

static void tell_event(struct watch *w, const struct json_value *data)
{
    const struct json_value *event = api_member(data, "taskChanged");
    tell(w, api_text(event, "kind"), api_text(event, "id"), api_member(event, "task"), event);
}

static void tell_present(struct watch *w, const struct json_value *data)
{
    const struct json_value *nodes = api_member(data, "tasks.nodes");
    for (size_t i = 0; nodes != NULL && i < nodes->item_count; i++) {
        const struct json_value *task = &nodes->items[i];
        const struct json_member members[] = {
            { STR("id"), *api_member(task, "id") },
            { STR("kind"), json_of_string(STR("CHANGED")) },
            { STR("task"), *task },
        };
        const struct json_value event = json_of_members(members, countof(members));
        tell(w, STR("CHANGED"), api_text(task, "id"), task, &event);
    }
}

static void on_next(void *owner, const struct json_value *data)
{
    with_own_arena(owner, tell_event, data);
}

static void look_later(struct watch *w)
{
    if (!w->is_over)
        io_timer_start(w->timer, backoff_next_ms(&w->looks));
}

static void call_api(struct watch *w, const char *document, struct buf *variables,
                     client_answer_fn *fn)
{
    const struct client_request request = { .document = document, .variables = buf_str(variables) };
    struct err e;
    w->is_looking = client_call(w->api->client, w->look_arena, &request, fn, w, &e);
    if (!w->is_looking)
        look_later(w);
    buf_clear(variables);
}

/* ── one that is not there ── */

static void tell_asked(struct watch *w, const struct json_value *data)
{
    const struct json_value *task = api_member(data, "task");
    struct awaited *absent = take(w->absent);
    struct err e;
    if (task == NULL && absent->shown[0] == '\0') {
        (void)task_is_missing(absent->id, &e);
        fail(w, &e);
    } else if (task == NULL) {
        const struct json_member members[] = {
            { STR("id"), json_of_string(absent->id) },
            { STR("kind"), json_of_string(STR("DELETED")) },
            { STR("task"), { .type = JSON_NULL } },
        };
        const struct json_value event = json_of_members(members, countof(members));
        tell(w, STR("DELETED"), absent->id, NULL, &event);
    }
}

/* The worker itself was asked, where the tables have no such task. */
static void on_asked(void *owner, const struct json_value *data, const struct err *e)
{
    struct watch *w = owner;
    w->is_looking = false;
    if (data != NULL)
        with_own_arena(w, tell_asked, data);
    else if (e->code != ERR_UNAVAILABLE && e->code != ERR_TIMEOUT)
        fail(w, e);
    look_later(w);
}

static void ask_absent(struct watch *w)
{
    struct buf variables;
    buf_init(&variables, 0);
    struct json_writer writer = json_writer_to(&variables);
    json_begin_object(&writer);
    json_key_c(&writer, "id");
    json_write_string(&writer, w->absent->id);
    json_end_object(&writer);
    arena_reset(w->look_arena);
    call_api(w, "query($id: ID!) { task(id: $id) { id } }", &variables, on_asked);
}

static void note_absent(struct watch *w, const struct json_value *data)
{
    const struct json_value *nodes = api_member(data, "tasks.nodes");
    w->absent = NULL;
    for (size_t i = 0; nodes != NULL && i < w->awaited_count && w->absent == NULL; i++) {
        bool is_there = w->awaited[i].has_ended;
        for (size_t k = 0; k < nodes->item_count && !is_there; k++)
            is_there = str_eq(api_text(&nodes->items[k], "id"), w->awaited[i].id);
        if (!is_there)
            w->absent = &w->awaited[i];
    }
}

/* ── looks ── */

/*
 * A gateway tells a change before its tables hold it. Whoever subscribes in between is not told,
 * and a first look may come too early as well: so another follows, ever more seldom.
 */
static void on_present(void *owner, const struct json_value *data, const struct err *e)
{
    struct watch *w = owner;
    w->is_looking = false;
    w->absent = NULL;
    if (data != NULL) {
        with_own_arena(w, tell_present, data);
        note_absent(w, data);
    } else if (e->code != ERR_UNAVAILABLE && e->code != ERR_TIMEOUT) {
        fail(w, e);
    }
    if (w->absent != NULL && !w->is_over)
        ask_absent(w);
    else
        look_later(w);
}

static void look(void *owner)
{
    struct watch *w = owner;
    struct buf variables;
    if (w->is_looking)
        return;
    arena_reset(w->look_arena);
    buf_init(&variables, 0);
    struct json_writer writer = json_writer_to(&variables);
    json_begin_object(&writer);
    json_key_c(&writer, "ids");
    json_begin_array(&writer);
    for (size_t i = 0; i < w->awaited_count; i++)
        json_write_string(&writer, w->awaited[i].id);
    json_end_array(&writer);
    json_end_object(&writer);
    call_api(w,
             "query($ids: [ID!]!) { tasks(filter: {ids: $ids}, first: 100) { nodes { " TASK_LINE
             "payload result } } }",
             &variables, on_present);
}

/* Changes will be told from here on; those till now are what a look at the tasks shows. */
static void on_begin(void *owner)
{
    struct watch *w = owner;
    backoff_reset(&w->looks);
    if (w->awaited_count > 0)
        look(w);
}

void task_on_break(void *owner, const struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(CMD_SHOWN_BYTES_MAX);
    struct str message = text_line(a, str_of_c(e->message));
    (void)owner;
    fprintf(stderr, "windlass: %.*s; trying again\n", STR_FMT(message));
}

static void on_end(void *owner, const struct err *e)
{
    struct watch *w = owner;
    struct err ended;
    err_set(&ended, ERR_UNAVAILABLE, "the gateway ended the stream");
    fail(w, e != NULL ? e : &ended);
}

/* The filter is among the api's variables. */
static void follow(struct watch *w)
{
    static const struct follow_events events = {
        .on_begin = on_begin, .on_next = on_next, .on_break = task_on_break, .on_end = on_end
    };
    struct api *api = w->api;
    json_end_object(&api->writer);
    const struct client_request request = {
        .document = "subscription($filter: TaskFilter) { taskChanged(filter: $filter) { id kind "
                    "task { " TASK_LINE "payload result } } }",
        .variables = buf_str(&api->variables),
    };
    scoped(follow_destroyp) struct follow *follow =
        follow_create(api->client, &request, &events, w);
    buf_reset(&api->variables);
    client_run(api->client);
}

static bool run(struct watch *w, struct err *e)
{
    w->lasting = w->api->arena;
    w->look_arena = arena_create(SIZE_MAX);
    w->looks = (struct backoff){ .min_ms = LOOK_AGAIN_MS_MIN, .max_ms = LOOK_AGAIN_MS_MAX };
    w->timer = io_timer_create(client_loop(w->api->client), look, w);
    follow(w);
    io_timer_destroy(w->timer);
    arena_destroy(w->look_arena);
    *e = w->failure;
    return w->failure.code == ERR_NONE;
}

static void put_ids(struct watch *w)
{
    struct str *ids = arena_new_array(w->api->arena, w->awaited_count, struct str);
    for (size_t i = 0; i < w->awaited_count; i++)
        ids[i] = w->awaited[i].id;
    task_put_ids(w->api, ids, w->awaited_count);
}

bool task_await(struct api *api, struct str id, struct err *e)
{
    struct awaited awaited = { .id = id };
    struct watch w = { .api = api, .awaited = &awaited, .awaited_count = 1 };
    put_ids(&w);
    return run(&w, e);
}

bool cmd_task_watch(struct api *api, struct err *e)
{
    size_t count = conf_operand_count(api->conf);
    struct watch w = { .api = api, .is_told = true, .awaited_count = count };
    w.awaited = arena_new_array(api->arena, count, struct awaited);
    if (count > 0 && !task_filter_is_empty(api))
        return api_usage(api, e, "watch either tasks by their ids or those of a filter");
    for (size_t i = 0; i < count; i++)
        if (!api_task_id(api, conf_operand(api->conf, i), &w.awaited[i].id, e))
            return false;
    if (count > 0)
        put_ids(&w);
    else if (!task_put_filter(api, e))
        return false;
    return run(&w, e);
}
