/* task: what tasks look like to people, and the commands that read them. */
#include "cmd/task_priv.h"

#include "base/clock.h"
#include "client/reltime.h"

enum {
    ID_SHOWN_LEN = 12,  /* the end of an id, which tells tasks apart */
    TYPE_WIDTH_MIN = 8, /* of columns on a narrow terminal */
    DETAIL_WIDTH_MIN = 8,
};

/* ── one task as a line ── */

struct table *task_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "ID" },      { .title = "TYPE", .shrinks_to = TYPE_WIDTH_MIN },
        { .title = "STATE" },   { .title = "QUEUE", .shrinks_to = TYPE_WIDTH_MIN },
        { .title = "PRIO" },    { .title = "TRY", .is_right = true },
        { .title = "CREATED" }, { .title = "DETAIL", .shrinks_to = DETAIL_WIDTH_MIN },
    };
    return table_create(api->arena, columns, countof(columns));
}

struct table_cell task_state_cell(struct api *api, const struct json_value *task)
{
    static const struct {
        const char *state;
        enum table_style style;
    } styles[] = {
        { "RUNNING", TABLE_BUSY },  { "SUCCEEDED", TABLE_GOOD }, { "RETRYING", TABLE_WARN },
        { "CANCELLED", TABLE_DIM }, { "DEAD", TABLE_BAD },
    };
    struct str state = api_text(task, "state");
    struct table_cell cell = { .text = api_enum(api, task, "state") };
    for (size_t i = 0; i < countof(styles); i++)
        if (str_eq_c(state, styles[i].state))
            cell.style = styles[i].style;
    return cell;
}

struct table_cell task_status_cell(struct api *api, const struct json_value *v)
{
    struct str status = api_text(v, "status");
    bool is_good = str_eq_c(status, "COMPLETED"), is_bad = str_eq_c(status, "FAILED");
    return (struct table_cell){ api_enum(api, v, "status"), is_good  ? TABLE_GOOD
                                                            : is_bad ? TABLE_BAD
                                                                     : TABLE_PLAIN };
}

static bool is_state(const struct json_value *task, const char *state)
{
    return str_eq_c(api_text(task, "state"), state);
}

static struct str run_time(struct api *api, const struct json_value *task)
{
    char text[RELTIME_TEXT_MAX];
    int64_t from_us, to_us;
    if (!api_time(task, "startedAt", &from_us) || !api_time(task, "finishedAt", &to_us))
        return (struct str){ 0 };
    reltime_span(to_us - from_us, text);
    return arena_printf(api->arena, "ran %s", text);
}

struct str task_detail(struct api *api, const struct json_value *task)
{
    double progress;
    const struct json_value *told = api_member(task, "progress");
    if (api_member(task, "accepted") != NULL && !api_is_true(task, "accepted"))
        return STR("waits for the worker");
    if (is_state(task, "RUNNING") && told != NULL && json_to_double(told, &progress))
        return arena_printf(api->arena, "%d%%", (int)(progress * 100));
    if (is_state(task, "SCHEDULED") || is_state(task, "RETRYING"))
        return arena_printf(api->arena, "due %.*s%s%.*s", STR_FMT(api_when(api, task, "runAt")),
                            api_text(task, "error").len > 0 ? ": " : "",
                            STR_FMT(api_text(task, "error")));
    return is_state(task, "SUCCEEDED") ? run_time(api, task) : api_text(task, "error");
}

struct str task_id_shown(const struct api *api, struct str id)
{
    bool is_short = api->is_terminal && id.len > ID_SHOWN_LEN;
    return is_short ? str_from(id, id.len - ID_SHOWN_LEN) : id;
}

void task_add(struct api *api, struct table *t, const struct json_value *task)
{
    struct str id = task_id_shown(api, api_text(task, "id")), priority = api_text(task, "priority");
    table_add(
        t, (struct table_cell[]){
               { .text = id },
               { .text = api_text(task, "type") },
               task_state_cell(api, task),
               { .text = api_text(task, "queue") },
               { api_enum(api, task, "priority"),
                 str_eq_c(priority, "HIGH") ? TABLE_WARN : TABLE_PLAIN },
               { .text = arena_printf(api->arena, "%.*s/%.*s", STR_FMT(api_text(task, "attempt")),
                                      STR_FMT(api_text(task, "maxAttempts"))) },
               { api_when(api, task, "createdAt"), TABLE_DIM },
               { .text = task_detail(api, task),
                 .style = is_state(task, "DEAD") ? TABLE_BAD : TABLE_PLAIN },
           });
}

bool task_has_ended(const struct json_value *task)
{
    return is_state(task, "SUCCEEDED") || is_state(task, "CANCELLED") || is_state(task, "DEAD");
}

int task_exit_code(const struct json_value *task)
{
    return is_state(task, "SUCCEEDED") ? CMD_OK : CMD_FINDINGS;
}

/* ── one task as a whole ── */

static struct str ids_text(struct api *api, const struct json_value *list)
{
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; list != NULL && i < list->item_count; i++)
        buf_printf(&text, "%s%.*s", i > 0 ? " " : "", STR_FMT(api_text(&list->items[i], "id")));
    struct str copy = arena_copy(api->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void put_attempts(struct api *api, const struct json_value *attempts)
{
    static const struct table_column columns[] = {
        { .title = "TRY", .is_right = true },
        { .title = "OUTCOME" },
        { .title = "RAN", .is_right = true },
        { .title = "STARTED" },
        { .title = "WORKER", .shrinks_to = TYPE_WIDTH_MIN },
        { .title = "ERROR", .shrinks_to = DETAIL_WIDTH_MIN },
    };
    struct table *t = table_create(api->arena, columns, countof(columns));
    for (size_t i = 0; attempts != NULL && i < attempts->item_count; i++) {
        const struct json_value *attempt = &attempts->items[i];
        struct str outcome = api_text(attempt, "outcome"), ran = run_time(api, attempt);
        bool is_good = str_eq_c(outcome, "SUCCEEDED");
        table_add(t, (struct table_cell[]){
                         { .text = api_text(attempt, "attempt") },
                         { outcome.len > 0 ? api_enum(api, attempt, "outcome") : STR("runs"),
                           is_good           ? TABLE_GOOD
                           : outcome.len > 0 ? TABLE_BAD
                                             : TABLE_BUSY },
                         { .text = str_from(ran, STR("ran ").len) },
                         { .text = api_when(api, attempt, "startedAt") },
                         { .text = api_text(attempt, "worker") },
                         { .text = api_text(attempt, "error") },
                     });
    }
    if (table_row_count(t) == 0)
        return;
    buf_put_char(&api->out, '\n');
    api_put_table(api, t);
}

static void add_why(struct api *api, struct table *facts, const struct json_value *task)
{
    const struct json_value *why = api_member(task, "why");
    if (why == NULL)
        return;
    api_fact(facts, "why", api_text(why, "text"), TABLE_WARN);
    api_fact(facts, "code", api_text(why, "code"), TABLE_PLAIN);
    api_fact_time(api, facts, "expected", why, "expectedAt");
    api_fact(facts, "blocked by", ids_text(api, api_member(why, "blockedBy")), TABLE_PLAIN);
}

void task_put_whole(struct api *api, const struct json_value *task)
{
    if (api->is_json) {
        api_put_json(api, task);
        return;
    }
    struct table *facts = api_facts(api);
    struct table_cell state = task_state_cell(api, task);
    api_fact(facts, "id", api_text(task, "id"), TABLE_BOLD);
    api_fact(facts, "type", api_text(task, "type"), TABLE_PLAIN);
    api_fact(facts, "state", state.text, state.style);
    add_why(api, facts, task);
    api_fact(facts, "queue", api_text(task, "queue"), TABLE_PLAIN);
    api_fact(facts, "priority", api_enum(api, task, "priority"), TABLE_PLAIN);
    api_fact(facts, "attempt",
             arena_printf(api->arena, "%.*s of %.*s", STR_FMT(api_text(task, "attempt")),
                          STR_FMT(api_text(task, "maxAttempts"))),
             TABLE_PLAIN);
    api_fact(facts, "timeout",
             arena_printf(api->arena, "%.*ss", STR_FMT(api_text(task, "timeoutSeconds"))),
             TABLE_PLAIN);
    api_fact(facts, "progress", api_text(task, "progress"), TABLE_BUSY);
    api_fact_time(api, facts, "created", task, "createdAt");
    api_fact(facts, "created by", api_text(task, "createdBy.name"), TABLE_PLAIN);
    api_fact(facts, "job", api_text(task, "job.name"), TABLE_PLAIN);
    api_fact_time(api, facts, "due", task, "runAt");
    api_fact_time(api, facts, "started", task, "startedAt");
    api_fact_time(api, facts, "finished", task, "finishedAt");
    api_fact(facts, "key", api_text(task, "idempotencyKey"), TABLE_PLAIN);
    api_fact(facts, "depends on", ids_text(api, api_member(task, "dependsOn")), TABLE_PLAIN);
    api_fact(facts, "duplicate of", api_text(task, "duplicateOf.id"), TABLE_WARN);
    api_fact(facts, "payload", api_json_text(api, api_member(task, "payload")), TABLE_PLAIN);
    api_fact(facts, "result", api_json_text(api, api_member(task, "result")), TABLE_PLAIN);
    api_fact(facts, "error", api_text(task, "error"), TABLE_BAD);
    if (str_eq_c(api_text(task, "source"), "CACHE"))
        api_fact(facts, "source", STR("the gateway's cache: the worker is out of reach"),
                 TABLE_WARN);
    api_put_facts(api, facts);
    put_attempts(api, api_member(task, "attempts"));
}

bool task_is_missing(struct str id, struct err *e)
{
    err_set(e, ERR_NOT_FOUND, "there is no task %.*s", STR_FMT(id));
    return err_in(e, "NOT_FOUND");
}

static bool ask_task(struct api *api, const char *document, const struct json_value **ret_task,
                     struct err *e)
{
    const struct json_value *data;
    struct str id, named = conf_operand(api->conf, 0);
    if (!api_task_id(api, named, &id, e))
        return false;
    if (!api_ask_of(api, document, id, &data, e))
        return false;
    *ret_task = api_member(data, "task");
    return *ret_task != NULL || task_is_missing(id, e);
}

bool cmd_task_show(struct api *api, struct err *e)
{
    const struct json_value *task;
    if (!ask_task(api, "query($id: ID!) { task(id: $id) { " TASK_WHOLE "} }", &task, e))
        return false;
    task_put_whole(api, task);
    return true;
}

/* One sentence, for people who ask only that. */
bool cmd_task_why(struct api *api, struct err *e)
{
    const struct json_value *task;
    if (!ask_task(api,
                  "query($id: ID!) { task(id: $id) { id type state error progress startedAt "
                  "finishedAt why { code text expectedAt blockedBy { id type state } } } }",
                  &task, e))
        return false;
    if (api->is_json) {
        api_put_json(api, task);
        return true;
    }
    struct table *facts = api_facts(api);
    struct table_cell state = task_state_cell(api, task);
    api_fact(facts, "state", state.text, state.style);
    add_why(api, facts, task);
    if (api_member(task, "why") == NULL)
        api_fact(facts, "error", api_text(task, "error"), TABLE_BAD);
    api_put_facts(api, facts);
    return true;
}

/* ── lists ── */

static const enum conf_id filters[] = {
    CONF_STATUS,   CONF_STATE, CONF_TYPE,  CONF_QUEUE,
    CONF_PRIORITY, CONF_JOB,   CONF_SINCE, CONF_SEARCH,
};

bool task_filter_is_empty(const struct api *api)
{
    for (size_t i = 0; i < countof(filters); i++)
        if (conf_is_given(api->conf, filters[i]))
            return false;
    return true;
}

void task_put_ids(struct api *api, const struct str *ids, size_t count)
{
    struct json_writer *w = api_variables(api);
    json_key_c(w, "filter");
    json_begin_object(w);
    json_key_c(w, "ids");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_write_string(w, ids[i]);
    json_end_array(w);
    json_end_object(w);
}

static void put_list_if_given(struct api *api, enum conf_id id, const char *key, bool is_enum)
{
    if (conf_is_given(api->conf, id))
        api_put_list(api, id, key, is_enum);
}

bool task_put_filter(struct api *api, struct err *e)
{
    struct str job = conf_str(api->conf, CONF_JOB);
    if (job.len > 0 && !api_job_id(api, job, &job, e))
        return false;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "filter");
    json_begin_object(w);
    put_list_if_given(api, CONF_STATUS, "status", true);
    put_list_if_given(api, CONF_STATE, "state", true);
    put_list_if_given(api, CONF_TYPE, "type", false);
    put_list_if_given(api, CONF_QUEUE, "queue", false);
    put_list_if_given(api, CONF_PRIORITY, "priority", true);
    api_put_text(api, CONF_SEARCH, "search");
    if (job.len > 0) {
        json_key_c(w, "jobId");
        json_write_string(w, job);
    }
    if (conf_is_given(api->conf, CONF_SINCE))
        api_put_time(api, "createdAfter", api->now_us - conf_duration_us(api->conf, CONF_SINCE));
    json_end_object(w);
    return true;
}

/* The variables of one page; the filter is written anew each time. */
static bool put_page(struct api *api, const struct api_pages *pages, struct err *e)
{
    if (!task_put_filter(api, e))
        return false;
    api_put_page(api, pages);
    json_key_c(api_variables(api), "order");
    api_write_enum(api, conf_str(api->conf, CONF_ORDER));
    return true;
}

#define LIST_OF(fields)                                                                            \
    "query($filter: TaskFilter, $order: TaskOrder, $first: Int, $after: String) "                  \
    "{ tasks(filter: $filter, orderBy: $order, first: $first, after: $after) "                     \
    "{ nodes { " fields "} pageInfo { hasNextPage endCursor } source } }"

bool cmd_task_list(struct api *api, struct err *e)
{
    struct table *t = task_table(api);
    const struct json_value *data;
    struct api_pages pages = api_pages_of(api, TASK_PAGE_MAX);
    while (pages.left > 0) {
        if (!put_page(api, &pages, e) ||
            !api_ask(api,
                     api->is_json ? LIST_OF(TASK_LINE "payload result job { id name } ")
                                  : LIST_OF(TASK_LINE),
                     &data, e))
            return false;
        api_put_items(api, t, api_take_page(&pages, api_member(data, "tasks")), task_add);
    }
    api_put_list_of(api, t, "no tasks");
    return true;
}
