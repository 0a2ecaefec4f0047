/* job: the commands of `windlass job`. A job is named by its id or its name. */
#include "base/clock.h"
#include "cmd/task_priv.h"

enum { NAME_WIDTH_MIN = 8, TEXT_WIDTH_MIN = 10 };

#define JOB_LINE                                                                                   \
    "id name schedule timeZone scheduleText status lastRun nextRun taskType queue "                \
    "consecutiveFailures accepted source "
#define JOB_WHOLE                                                                                  \
    JOB_LINE "nextRuns(count: 5) payload priority misfirePolicy overlapPolicy maxAttempts "        \
             "failAfter timeoutSeconds jitterSeconds createdAt updatedAt "                         \
             "recentRuns(count: 10) { scheduledFor startedAt runSeconds status taskId } "

/* ── what jobs look like ── */

static struct table_cell status_cell(const struct json_value *job)
{
    struct str status = api_text(job, "status");
    if (str_eq_c(status, "ACTIVE"))
        return (struct table_cell){ STR("active"), TABLE_GOOD };
    if (str_eq_c(status, "PAUSED"))
        return (struct table_cell){ STR("paused"), TABLE_WARN };
    return (struct table_cell){ STR("failed"), TABLE_BAD };
}

static struct table *job_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "NAME", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "STATUS" },
        { .title = "NEXT" },
        { .title = "LAST" },
        { .title = "TYPE", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "SCHEDULE" },
        { .title = "IN WORDS", .shrinks_to = TEXT_WIDTH_MIN },
    };
    return table_create(api->arena, columns, countof(columns));
}

static void job_add(struct api *api, struct table *t, const struct json_value *job)
{
    table_add(t, (struct table_cell[]){
                     { .text = api_text(job, "name") },
                     status_cell(job),
                     { .text = api_when(api, job, "nextRun") },
                     { api_when(api, job, "lastRun"), TABLE_DIM },
                     { .text = api_text(job, "taskType") },
                     { .text = api_text(job, "schedule") },
                     { api_text(job, "scheduleText"), TABLE_DIM },
                 });
}

static void put_one(struct api *api, const struct json_value *job)
{
    struct table *t = job_table(api);
    api_put_item(api, t, job, job_add);
    api_put_list_of(api, t, "");
}

/* The newest first, as everywhere; the API tells them the other way round. */
static void put_recent_runs(struct api *api, const struct json_value *runs)
{
    static const struct table_column columns[] = {
        { .title = "DUE" },
        { .title = "STATUS" },
        { .title = "RAN", .is_right = true },
        { .title = "TASK" },
    };
    struct table *t = table_create(api->arena, columns, countof(columns));
    for (size_t left = runs != NULL ? runs->item_count : 0; left > 0; left--) {
        const struct json_value *run = &runs->items[left - 1];
        table_add(t, (struct table_cell[]){
                         { .text = api_when(api, run, "scheduledFor") },
                         task_status_cell(api, run),
                         { .text = api_span(api, run, "runSeconds") },
                         { .text = task_id_shown(api, api_text(run, "taskId")) },
                     });
    }
    if (table_row_count(t) == 0)
        return;
    buf_put_char(&api->out, '\n');
    api_put_table(api, t);
}

static void put_whole(struct api *api, const struct json_value *job)
{
    const struct json_value *next = api_member(job, "nextRuns");
    struct table *facts = api_facts(api);
    struct table_cell status = status_cell(job);
    api_fact(facts, "id", api_text(job, "id"), TABLE_BOLD);
    api_fact(facts, "name", api_text(job, "name"), TABLE_BOLD);
    api_fact(facts, "status", status.text, status.style);
    api_fact(facts, "schedule",
             arena_printf(api->arena, "%.*s (%.*s)", STR_FMT(api_text(job, "schedule")),
                          STR_FMT(api_text(job, "timeZone"))),
             TABLE_PLAIN);
    api_fact(facts, "in words", api_text(job, "scheduleText"), TABLE_PLAIN);
    api_fact_time(api, facts, "last run", job, "lastRun");
    for (size_t i = 0; next != NULL && i < next->item_count; i++)
        api_fact(facts, i == 0 ? "next runs" : "", next->items[i].text, TABLE_PLAIN);
    api_fact(facts, "task type", api_text(job, "taskType"), TABLE_PLAIN);
    api_fact(facts, "payload", api_json_text(api, api_member(job, "payload")), TABLE_PLAIN);
    api_fact(facts, "queue", api_text(job, "queue"), TABLE_PLAIN);
    api_fact(facts, "priority", api_enum(api, job, "priority"), TABLE_PLAIN);
    api_fact(facts, "misfire", api_enum(api, job, "misfirePolicy"), TABLE_PLAIN);
    api_fact(facts, "overlap", api_enum(api, job, "overlapPolicy"), TABLE_PLAIN);
    api_fact(facts, "attempts", api_text(job, "maxAttempts"), TABLE_PLAIN);
    api_fact(facts, "timeout", api_with_unit(api, job, "timeoutSeconds", "s"), TABLE_PLAIN);
    api_fact(facts, "jitter", api_with_unit(api, job, "jitterSeconds", "s"), TABLE_PLAIN);
    api_fact(facts, "fail after", api_text(job, "failAfter"), TABLE_PLAIN);
    api_fact(facts, "failures", api_text(job, "consecutiveFailures"), TABLE_PLAIN);
    api_fact_time(api, facts, "created", job, "createdAt");
    api_fact_time(api, facts, "updated", job, "updatedAt");
    api_put_facts(api, facts);
    put_recent_runs(api, api_member(job, "recentRuns"));
}

/* ── asking for one ── */

/* Asks with the variable "id" of the job that the first operand names. */
static bool ask_job(struct api *api, const char *document, const struct json_value **ret_data,
                    struct err *e)
{
    struct str id;
    if (!api_job_id(api, conf_operand(api->conf, 0), &id, e))
        return false;
    return api_ask_of(api, document, id, ret_data, e);
}

static bool no_such_job(const struct api *api, struct err *e)
{
    err_set(e, ERR_NOT_FOUND, "there is no job %.*s", STR_FMT(conf_operand(api->conf, 0)));
    return err_in(e, "NOT_FOUND");
}

bool cmd_job_show(struct api *api, struct err *e)
{
    const struct json_value *data, *job;
    if (!ask_job(api, "query($id: ID!) { job(id: $id) { " JOB_WHOLE "} }", &data, e))
        return false;
    job = api_member(data, "job");
    if (job == NULL)
        return no_such_job(api, e);
    if (api->is_json)
        api_put_json(api, job);
    else
        put_whole(api, job);
    return true;
}

static bool change(struct api *api, const char *document, const char *field, struct err *e)
{
    const struct json_value *data;
    if (!ask_job(api, document, &data, e))
        return false;
    put_one(api, api_member(data, field));
    return true;
}

bool cmd_job_pause(struct api *api, struct err *e)
{
    return change(api, "mutation($id: ID!) { pauseJob(id: $id) { " JOB_LINE "} }", "pauseJob", e);
}

bool cmd_job_resume(struct api *api, struct err *e)
{
    return change(api, "mutation($id: ID!) { resumeJob(id: $id) { " JOB_LINE "} }", "resumeJob", e);
}

bool cmd_job_trigger(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct table *t = task_table(api);
    if (!ask_job(api, "mutation($id: ID!) { triggerJob(id: $id) { " TASK_LINE "} }", &data, e))
        return false;
    api_put_item(api, t, api_member(data, "triggerJob"), task_add);
    api_put_list_of(api, t, "");
    return true;
}

bool cmd_job_delete(struct api *api, struct err *e)
{
    const struct json_value *data;
    if (!ask_job(api, "mutation($id: ID!) { deleteJob(id: $id) }", &data, e))
        return false;
    if (api->is_json)
        api_put_json(api, data);
    else
        buf_put_c(&api->out, api_is_true(data, "deleteJob") ? "deleted\n" : "not deleted\n");
    return true;
}

bool cmd_job_runs(struct api *api, struct err *e)
{
    struct table *t = task_table(api);
    struct api_pages pages = api_pages_of(api, TASK_PAGE_MAX);
    struct str id;
    if (!api_job_id(api, conf_operand(api->conf, 0), &id, e))
        return false;
    while (pages.left > 0) {
        const struct json_value *data;
        struct json_writer *w = api_variables(api);
        json_key_c(w, "id");
        json_write_string(w, id);
        api_put_page(api, &pages);
        if (!api_ask(api,
                     "query($id: ID!, $first: Int, $after: String) { job(id: $id) { runs(first: "
                     "$first, after: $after) { nodes { " TASK_LINE
                     "} pageInfo { hasNextPage endCursor } } } }",
                     &data, e))
            return false;
        if (api_member(data, "job") == NULL)
            return no_such_job(api, e);
        api_put_items(api, t, api_take_page(&pages, api_member(data, "job.runs")), task_add);
    }
    api_put_list_of(api, t, "no runs");
    return true;
}

/* ── lists and previews ── */

bool cmd_job_list(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct table *t = job_table(api);
    if (conf_is_given(api->conf, CONF_STATUS))
        api_put_list(api, CONF_STATUS, "status", true);
    api_put_text(api, CONF_SEARCH, "search");
    if (!api_ask(api,
                 "query($status: [JobStatus!], $search: String) "
                 "{ jobs(status: $status, search: $search) { " JOB_LINE "} }",
                 &data, e))
        return false;
    api_put_items(api, t, api_member(data, "jobs"), job_add);
    api_put_list_of(api, t, "no jobs");
    return true;
}

static void put_preview(struct api *api, const struct json_value *preview)
{
    static const struct table_column columns[] = { { .title = "RUN" },
                                                   { .title = "WHEN" },
                                                   { .title = "NOTE", .shrinks_to = 8 } };
    const struct json_value *planned = api_member(preview, "runs");
    const struct json_value *warnings = api_member(preview, "warnings");
    struct table *t = table_create(api->arena, columns, countof(columns));
    buf_printf(&api->out, "%.*s\n", STR_FMT(api_text(preview, "text")));
    for (size_t i = 0; i < warnings->item_count; i++)
        buf_printf(&api->out, "warning: %.*s\n", STR_FMT(warnings->items[i].text));
    for (size_t i = 0; i < planned->item_count; i++)
        table_add(t, (struct table_cell[]){
                         { .text = api_text(&planned->items[i], "at") },
                         { api_when(api, &planned->items[i], "at"), TABLE_DIM },
                         { api_text(&planned->items[i], "note"), TABLE_WARN },
                     });
    if (table_row_count(t) > 0)
        api_put_table(api, t);
}

bool cmd_job_preview(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "schedule");
    json_write_string(w, conf_operand(api->conf, 0));
    json_key_c(w, "count");
    json_write_i64(w, conf_int(api->conf, CONF_RUNS));
    api_put_text(api, CONF_TIME_ZONE, "zone");
    if (!api_ask(api,
                 "query($schedule: String!, $zone: String, $count: Int) { previewSchedule("
                 "schedule: $schedule, timeZone: $zone, count: $count) "
                 "{ text warnings runs { at note } } }",
                 &data, e))
        return false;
    if (api->is_json)
        api_put_json(api, api_member(data, "previewSchedule"));
    else
        put_preview(api, api_member(data, "previewSchedule"));
    return true;
}

/* ── making and changing ── */

/* The members that both inputs have. */
static bool put_settings(struct api *api, struct err *e)
{
    api_put_text(api, CONF_SCHEDULE, "schedule");
    api_put_text(api, CONF_TIME_ZONE, "timeZone");
    api_put_text(api, CONF_TYPE, "taskType");
    api_put_text(api, CONF_QUEUE, "queue");
    api_put_enum(api, CONF_PRIORITY, "priority");
    api_put_enum(api, CONF_MISFIRE, "misfirePolicy");
    api_put_enum(api, CONF_OVERLAP, "overlapPolicy");
    api_put_int(api, CONF_MAX_ATTEMPTS, "maxAttempts");
    api_put_int(api, CONF_FAIL_AFTER, "failAfter");
    api_put_seconds(api, CONF_TIMEOUT, "timeoutSeconds");
    api_put_seconds(api, CONF_JITTER, "jitterSeconds");
    return api_put_payload(api, e);
}

bool cmd_job_create(struct api *api, struct err *e)
{
    const struct json_value *data;
    if (!conf_is_given(api->conf, CONF_SCHEDULE) || !conf_is_given(api->conf, CONF_TYPE))
        return api_usage(api, e, "a job needs --schedule and --type");
    if (conf_is_given(api->conf, CONF_NAME))
        return api_usage(api, e, "the name is given already; --name is for `windlass job update`");
    struct json_writer *w = api_variables(api);
    json_key_c(w, "input");
    json_begin_object(w);
    json_key_c(w, "name");
    json_write_string(w, conf_operand(api->conf, 0));
    if (!put_settings(api, e))
        return false;
    json_end_object(w);
    if (!api_ask(api,
                 "mutation($input: CreateJobInput!) { createJob(input: $input) { " JOB_LINE "} }",
                 &data, e))
        return false;
    put_one(api, api_member(data, "createJob"));
    return true;
}

bool cmd_job_update(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct str id;
    if (!api_job_id(api, conf_operand(api->conf, 0), &id, e))
        return false;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "id");
    json_write_string(w, id);
    json_key_c(w, "input");
    json_begin_object(w);
    size_t empty = api->variables.len;
    api_put_text(api, CONF_NAME, "name");
    if (!put_settings(api, e))
        return false;
    if (api->variables.len == empty)
        return api_usage(api, e, "say what to change, such as --schedule");
    json_end_object(w);
    if (!api_ask(api,
                 "mutation($id: ID!, $input: UpdateJobInput!) { updateJob(id: $id, input: $input) "
                 "{ " JOB_LINE "} }",
                 &data, e))
        return false;
    put_one(api, api_member(data, "updateJob"));
    return true;
}
