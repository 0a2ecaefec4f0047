#include "gateway/worker_json.h"

#include "analyst/template.h"
#include "base/buf.h"
#include "base/clock.h"
#include "json/writer.h"

enum cell_kind {
    CELL_TEXT,
    CELL_ID,
    CELL_VERSION, /* digits in a string */
    CELL_INT,
    CELL_FLOAT,
    CELL_TIME, /* microseconds */
    CELL_JSON,
    CELL_IDS,
    CELL_ENUM
};

struct member {
    struct str name;
    int column;
    enum cell_kind kind;
    int enumeration; /* of CELL_ENUM */
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }

/* In the order that the worker writes: each is found where it is looked for first. */
static const struct member task_members[] = {
    { NAME("id"), COL_tasks_id, CELL_ID, 0 },
    { NAME("version"), COL_tasks_version, CELL_VERSION, 0 },
    { NAME("type"), COL_tasks_type, CELL_TEXT, 0 },
    { NAME("state"), COL_tasks_state, CELL_ENUM, ENUM_task_state },
    { NAME("priority"), COL_tasks_priority, CELL_ENUM, ENUM_task_priority },
    { NAME("queue"), COL_tasks_queue, CELL_TEXT, 0 },
    { NAME("payload"), COL_tasks_payload, CELL_JSON, 0 },
    { NAME("attempt"), COL_tasks_attempt, CELL_INT, 0 },
    { NAME("max_attempts"), COL_tasks_max_attempts, CELL_INT, 0 },
    { NAME("timeout_s"), COL_tasks_timeout_seconds, CELL_INT, 0 },
    { NAME("run_at_us"), COL_tasks_run_at, CELL_TIME, 0 },
    { NAME("created_at_us"), COL_tasks_created_at, CELL_TIME, 0 },
    { NAME("updated_at_us"), COL_tasks_updated_at, CELL_TIME, 0 },
    { NAME("started_at_us"), COL_tasks_started_at, CELL_TIME, 0 },
    { NAME("finished_at_us"), COL_tasks_finished_at, CELL_TIME, 0 },
    { NAME("scheduled_for_us"), COL_tasks_scheduled_for, CELL_TIME, 0 },
    { NAME("result"), COL_tasks_result, CELL_JSON, 0 },
    { NAME("error"), COL_tasks_error, CELL_TEXT, 0 },
    { NAME("why"), COL_tasks_why, CELL_JSON, 0 },
    { NAME("progress"), COL_tasks_progress, CELL_FLOAT, 0 },
    { NAME("idempotency_key"), COL_tasks_idempotency_key, CELL_TEXT, 0 },
    { NAME("depends_on"), COL_tasks_depends_on, CELL_IDS, 0 },
    { NAME("job_id"), COL_tasks_job_id, CELL_ID, 0 },
    { NAME("created_by"), COL_tasks_created_by, CELL_ID, 0 },
};

static const struct member job_members[] = {
    { NAME("id"), COL_jobs_id, CELL_ID, 0 },
    { NAME("version"), COL_jobs_version, CELL_VERSION, 0 },
    { NAME("name"), COL_jobs_name, CELL_TEXT, 0 },
    { NAME("schedule"), COL_jobs_schedule, CELL_TEXT, 0 },
    { NAME("time_zone"), COL_jobs_time_zone, CELL_TEXT, 0 },
    { NAME("status"), COL_jobs_status, CELL_ENUM, ENUM_job_status },
    { NAME("last_run_us"), COL_jobs_last_run, CELL_TIME, 0 },
    { NAME("next_run_us"), COL_jobs_next_run, CELL_TIME, 0 },
    { NAME("task_type"), COL_jobs_task_type, CELL_TEXT, 0 },
    { NAME("payload"), COL_jobs_payload, CELL_JSON, 0 },
    { NAME("priority"), COL_jobs_priority, CELL_ENUM, ENUM_task_priority },
    { NAME("misfire_policy"), COL_jobs_misfire_policy, CELL_ENUM, ENUM_misfire_policy },
    { NAME("overlap_policy"), COL_jobs_overlap_policy, CELL_ENUM, ENUM_overlap_policy },
    { NAME("max_attempts"), COL_jobs_max_attempts, CELL_INT, 0 },
    { NAME("fail_after"), COL_jobs_fail_after, CELL_INT, 0 },
    { NAME("consecutive_failures"), COL_jobs_consecutive_failures, CELL_INT, 0 },
    { NAME("queue"), COL_jobs_queue, CELL_TEXT, 0 },
    { NAME("timeout_s"), COL_jobs_timeout_seconds, CELL_INT, 0 },
    { NAME("jitter_s"), COL_jobs_jitter_seconds, CELL_INT, 0 },
    { NAME("created_by"), COL_jobs_created_by, CELL_ID, 0 },
    { NAME("created_at_us"), COL_jobs_created_at, CELL_TIME, 0 },
    { NAME("updated_at_us"), COL_jobs_updated_at, CELL_TIME, 0 },
};

/* ── cells ── */

struct str worker_time_cell(struct arena *a, int64_t wall_us)
{
    enum { T_AT = 10, Z_AT = 26 };
    char *text = arena_alloc(a, CLOCK_TEXT_MAX);
    clock_format(wall_us, text);
    text[T_AT] = ' ';
    memcpy(text + Z_AT, "+00", sizeof "+00");
    return str_of(text, Z_AT + 3);
}

enum task_status worker_status_of(enum task_state state)
{
    switch (state) {
    case TASK_STATE_SCHEDULED:
    case TASK_STATE_READY:
    case TASK_STATE_BLOCKED:
    case TASK_STATE_RETRYING:
        return TASK_STATUS_PENDING;
    case TASK_STATE_RUNNING:
        return TASK_STATUS_IN_PROGRESS;
    case TASK_STATE_SUCCEEDED:
        return TASK_STATUS_COMPLETED;
    case TASK_STATE_CANCELLED:
    case TASK_STATE_DEAD:
    case TASK_STATE_COUNT:
        break;
    }
    return TASK_STATUS_FAILED;
}

static struct str json_cell(struct arena *a, const struct json_value *v)
{
    struct buf text;
    buf_init(&text, 0);
    json_put_value(&text, v);
    struct str cell = arena_copy(a, buf_str(&text));
    buf_clear(&text);
    return cell;
}

static bool ids_cell(struct arena *a, const struct json_value *v, struct str *ret_cell)
{
    struct buf text;
    struct uuid id;
    bool is_good = v->type == JSON_ARRAY;
    buf_init(&text, 0);
    buf_put_char(&text, '{');
    for (size_t i = 0; is_good && i < v->item_count; i++) {
        is_good = v->items[i].type == JSON_STRING && uuid_parse(v->items[i].text, &id);
        if (i > 0)
            buf_put_char(&text, ',');
        if (is_good)
            buf_put_str(&text, v->items[i].text);
    }
    buf_put_char(&text, '}');
    if (is_good)
        *ret_cell = arena_copy(a, buf_str(&text));
    buf_clear(&text);
    return is_good;
}

static bool id_cell(struct arena *a, const struct json_value *v, struct str *ret_cell)
{
    struct uuid id;
    if (v->type != JSON_STRING || !uuid_parse(v->text, &id))
        return false;
    char *text = arena_alloc(a, UUID_TEXT_LEN + 1); /* in lower case, whatever came */
    uuid_format(id, text);
    *ret_cell = str_of(text, UUID_TEXT_LEN);
    return true;
}

static bool read_cell(struct arena *a, const struct member *m, const struct json_value *v,
                      struct str *ret_cell)
{
    int64_t whole;
    switch (m->kind) {
    case CELL_TEXT:
        *ret_cell = v->text.len > 0 ? v->text : STR(""); /* no pointer would be null */
        return v->type == JSON_STRING;
    case CELL_ID:
        return id_cell(a, v, ret_cell);
    case CELL_VERSION:
        *ret_cell = v->text;
        return v->type == JSON_STRING && str_to_i64(v->text, &whole) && whole >= 0;
    case CELL_INT:
        if (v->type != JSON_NUMBER || !json_to_i64(v, &whole))
            return false;
        *ret_cell = str_to_i64(v->text, &whole) ? v->text /* no 1e1 */
                                                : arena_printf(a, "%lld", (long long)whole);
        return true;
    case CELL_FLOAT:
        *ret_cell = v->text;
        return v->type == JSON_NUMBER;
    case CELL_TIME:
        if (v->type != JSON_NUMBER || !json_to_i64(v, &whole))
            return false;
        *ret_cell = worker_time_cell(a, whole);
        return true;
    case CELL_JSON:
        *ret_cell = json_cell(a, v);
        return true;
    case CELL_IDS:
        return ids_cell(a, v, ret_cell);
    case CELL_ENUM:
        *ret_cell = v->text;
        return v->type == JSON_STRING &&
               schema_label_of(&schema_public.enums[m->enumeration], v->text) >= 0;
    }
    return false;
}

/* `at` is where the last one was found, plus one. */
static const struct member *find_member(const struct member *members, size_t count, struct str name,
                                        size_t *at)
{
    for (size_t i = 0; i < count; i++) {
        const struct member *m = &members[(*at + i) % count];
        if (str_eq(name, m->name)) {
            *at += i + 1;
            return m;
        }
    }
    return NULL;
}

/* A null where the table allows none tells nothing. */
static bool read_row(struct arena *a, const struct json_value *object,
                     const struct schema_table *table, const struct member *members, size_t count,
                     struct worker_row *row, struct err *e)
{
    size_t at = 0;
    if (object == NULL || object->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "not an object");
    for (size_t i = 0; i < object->member_count; i++) {
        const struct json_member *given = &object->members[i];
        const struct member *m = find_member(members, count, given->key, &at);
        if (m == NULL || (given->value.type == JSON_NULL && !table->columns[m->column].is_nullable))
            continue;
        row->told |= UINT64_C(1) << m->column;
        row->cells[m->column] = (struct str){ 0 };
        if (given->value.type != JSON_NULL &&
            !read_cell(a, m, &given->value, &row->cells[m->column]))
            return err_set(e, ERR_INVALID, "%.*s: not what it should be", STR_FMT(m->name));
    }
    return true;
}

static void tell(struct worker_row *row, int column, struct str cell)
{
    row->told |= UINT64_C(1) << column;
    row->cells[column] = cell;
}

static struct str status_cell(enum task_status status)
{
    return schema_public.enums[ENUM_task_status].labels[status].text;
}

static void tell_state(struct worker_row *row, enum task_state state)
{
    tell(row, COL_tasks_state, schema_public.enums[ENUM_task_state].labels[state].text);
    tell(row, COL_tasks_status, status_cell(worker_status_of(state)));
}

static int state_of(const struct worker_row *row)
{
    return row->cells[COL_tasks_state].ptr == NULL
               ? -1
               : schema_label_of(&schema_public.enums[ENUM_task_state],
                                 row->cells[COL_tasks_state]);
}

bool worker_read_task(struct arena *a, const struct json_value *task, struct worker_row *ret_row,
                      struct err *e)
{
    struct worker_row row = { .cells = arena_new_array(a, COL_tasks_COUNT, struct str) };
    if (!read_row(a, task, &schema_public.tables[TABLE_tasks], task_members, countof(task_members),
                  &row, e)) {
        (void)err_in(e, "task");
        return false;
    }
    if (row.cells[COL_tasks_id].ptr == NULL)
        return err_set(e, ERR_INVALID, "task: id: is missing");
    if (state_of(&row) >= 0)
        tell_state(&row, (enum task_state)state_of(&row));
    if (str_eq(row.cells[COL_tasks_status], status_cell(TASK_STATUS_PENDING)))
        tell(&row, COL_tasks_why, (struct str){ 0 }); /* nor what it failed of before */
    if (row.told & UINT64_C(1) << COL_tasks_error) {
        struct str error = row.cells[COL_tasks_error];
        tell(&row, COL_tasks_error_template, error.ptr == NULL ? error : template_of(a, error));
    }
    *ret_row = row;
    return true;
}

bool worker_read_job(struct arena *a, const struct json_value *job, struct worker_row *ret_row,
                     struct err *e)
{
    struct worker_row row = { .cells = arena_new_array(a, COL_jobs_COUNT, struct str) };
    if (!read_row(a, job, &schema_public.tables[TABLE_jobs], job_members, countof(job_members),
                  &row, e)) {
        (void)err_in(e, "job");
        return false;
    }
    if (row.cells[COL_jobs_id].ptr == NULL)
        return err_set(e, ERR_INVALID, "job: id: is missing");
    *ret_row = row;
    return true;
}

void worker_complete_row(const struct schema_table *table, struct str *cells)
{
    static const struct str defaults[SCHEMA_TYPE_COUNT] = {
        [SCHEMA_BOOL] = { "t", 1 },
        [SCHEMA_INT2] = { "0", 1 },
        [SCHEMA_INT4] = { "0", 1 },
        [SCHEMA_INT8] = { "0", 1 },
        [SCHEMA_FLOAT8] = { "0", 1 },
        [SCHEMA_TEXT] = { "", 0 },
        [SCHEMA_UUID] = { "00000000-0000-0000-0000-000000000000", UUID_TEXT_LEN },
        [SCHEMA_JSONB] = { "{}", 2 },
        [SCHEMA_TIMESTAMPTZ] = { "1970-01-01 00:00:00+00", 22 },
        [SCHEMA_UUID_ARRAY] = { "{}", 2 },
    };
    for (size_t c = 0; c < table->column_count; c++) {
        const struct schema_column *column = &table->columns[c];
        if (cells[c].ptr != NULL || column->is_nullable)
            continue;
        cells[c] = column->type == SCHEMA_ENUM ? column->enumeration->labels[0].text
                                               : defaults[column->type];
    }
}

/* ── cursors ── */

bool worker_parse_cursor(struct str text, size_t shard, int64_t *ret_seq)
{
    struct str number, seq;
    int64_t found;
    return str_cut(text, ':', &number, &seq) && str_to_i64(number, &found) &&
           found == (int64_t)shard && str_to_i64(seq, ret_seq) && *ret_seq >= 0;
}

bool worker_read_cursor(const struct json_value *text, size_t shard, int64_t *ret_seq,
                        struct err *e)
{
    if (text == NULL || text->type != JSON_STRING ||
        !worker_parse_cursor(text->text, shard, ret_seq))
        return err_set(e, ERR_INVALID, "cursor: not one of shard %zu, such as %zu:17", shard,
                       shard);
    return true;
}

void worker_format_cursor(size_t shard, int64_t seq, char ret_text[WORKER_CURSOR_MAX])
{
    snprintf(ret_text, WORKER_CURSOR_MAX, "%zu:%lld", shard, (long long)seq);
}

/* ── events ── */

static bool read_status(const struct json_value *v, enum task_status *ret_status)
{
    int status = v == NULL || v->type != JSON_STRING
                     ? -1
                     : schema_label_of(&schema_public.enums[ENUM_task_status], v->text);
    if (status < 0)
        return false;
    *ret_status = (enum task_status)status;
    return true;
}

bool worker_read_counts(struct arena *a, const struct json_value *counts,
                        struct feed_count **ret_counts, size_t *ret_count, struct err *e)
{
    size_t count = counts != NULL && counts->type == JSON_ARRAY ? counts->item_count : 0;
    *ret_counts = arena_new_array(a, count, struct feed_count);
    for (size_t i = 0; i < count; i++) {
        struct feed_count *c = &(*ret_counts)[i];
        const struct json_value *type = json_get_c(&counts->items[i], "type"),
                                *number = json_get_c(&counts->items[i], "count");
        if (type == NULL || type->type != JSON_STRING || number == NULL ||
            number->type != JSON_NUMBER || !json_to_i64(number, &c->count) ||
            !read_status(json_get_c(&counts->items[i], "status"), &c->status))
            return err_set(e, ERR_INVALID, "counts[%zu]: needs type, status and count", i);
        c->type = type->text;
    }
    *ret_count = count;
    return true;
}

static bool time_of(const struct json_value *task, const char *name, int64_t *ret_us)
{
    const struct json_value *v = json_get(task, str_of_c(name));
    return v != NULL && v->type == JSON_NUMBER && json_to_i64(v, ret_us);
}

static int64_t took(const struct json_value *task, const char *from, const char *to, int64_t at_us)
{
    int64_t from_us, to_us = at_us;
    if (!time_of(task, from, &from_us))
        return -1;
    (void)time_of(task, to, &to_us);
    return max_of(to_us - from_us, (int64_t)0);
}

/* What is null from then on, unless the event tells it. */
static void clear(struct worker_row *row, const int *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(row->told & UINT64_C(1) << columns[i]))
            tell(row, columns[i], (struct str){ 0 });
}

static void clear_before_run(enum feed_op op, struct worker_row *row)
{
    static const int at_start[] = { COL_tasks_finished_at,    COL_tasks_progress, COL_tasks_error,
                                    COL_tasks_error_template, COL_tasks_result,   COL_tasks_why };
    static const int at_wait[] = { COL_tasks_started_at, COL_tasks_progress, COL_tasks_why };
    if (op == FEED_START || op == FEED_REOPEN)
        clear(row, at_start, countof(at_start));
    if (op == FEED_WAIT || op == FEED_REOPEN)
        clear(row, at_wait, countof(at_wait));
}

/* What an operation says beyond the members that it holds. */
static bool complete_event(struct feed_event *event, const struct json_value *task,
                           struct worker_row *row, struct err *e)
{
    enum task_status from = TASK_STATUS_PENDING;
    bool has_from = read_status(json_get_c(task, "from"), &from);
    int state = state_of(row);
    clear_before_run(event->op, row);
    if (event->op == FEED_START) {
        tell_state(row, TASK_STATE_RUNNING);
        row->told &= ~(UINT64_C(1) << COL_tasks_run_at); /* since when it could have run */
        event->took_us = took(task, "run_at_us", "started_at_us", event->at_us);
    } else if (event->op == FEED_FINISH || event->op == FEED_REOPEN) {
        if (!has_from || state < 0)
            return err_set(e, ERR_INVALID, "task: from and state: are needed");
        event->from = (int)from;
    } else if ((event->op == FEED_ADD || event->op == FEED_WAIT) && state < 0) {
        return err_set(e, ERR_INVALID, "task: state: is needed");
    }
    if (event->op == FEED_FINISH) {
        static const int at_end[] = { COL_tasks_progress };
        clear(row, at_end, countof(at_end));
        event->took_us = took(task, "started_at_us", "finished_at_us", event->at_us);
    }
    return true;
}

static bool read_task_event(struct arena *a, const struct json_value *object,
                            struct feed_event *event, struct err *e)
{
    const struct json_value *task = json_get_c(object, "task");
    struct worker_row row;
    if (!worker_read_task(a, task, &row, e) || !complete_event(event, task, &row, e))
        return false;
    if (row.cells[COL_tasks_type].ptr == NULL)
        return err_set(e, ERR_INVALID, "task: type: is missing");
    tell(&row, COL_tasks_version, arena_printf(a, "%lld", (long long)event->seq));
    if (!(row.told & UINT64_C(1) << COL_tasks_updated_at))
        tell(&row, COL_tasks_updated_at, worker_time_cell(a, event->at_us));
    event->type = row.cells[COL_tasks_type];
    event->told = row.told;
    event->cells = row.cells;
    return uuid_parse(row.cells[COL_tasks_id], &event->id);
}

static bool read_job_event(struct arena *a, const struct json_value *object,
                           struct feed_event *event, struct err *e)
{
    struct worker_row row;
    if (!worker_read_job(a, json_get_c(object, "job"), &row, e))
        return false;
    tell(&row, COL_jobs_version, arena_printf(a, "%lld", (long long)event->seq));
    event->told = row.told;
    event->cells = row.cells;
    return uuid_parse(row.cells[COL_jobs_id], &event->id);
}

static bool read_id(const struct json_value *v, struct uuid *ret_id)
{
    return v != NULL && v->type == JSON_STRING && uuid_parse(v->text, ret_id);
}

static bool read_drop(struct arena *a, const struct json_value *object, struct feed_event *event,
                      struct err *e)
{
    const struct json_value *ids = json_get_c(object, "ids"), *range = json_get_c(object, "range");
    size_t count = ids != NULL && ids->type == JSON_ARRAY ? ids->item_count : 0;
    struct uuid *list = arena_new_array(a, count, struct uuid);
    struct feed_count *counts;
    for (size_t i = 0; i < count; i++)
        if (!read_id(&ids->items[i], &list[i]))
            return err_set(e, ERR_INVALID, "ids[%zu]: not an id", i);
    event->ids = list;
    event->id_count = count;
    event->is_range = range != NULL && range->type == JSON_OBJECT;
    if (event->is_range && (!read_id(json_get_c(range, "from"), &event->from_id) ||
                            !read_id(json_get_c(range, "to"), &event->to_id)))
        return err_set(e, ERR_INVALID, "range: needs from and to");
    if (!worker_read_counts(a, json_get_c(object, "counts"), &counts, &event->count_count, e))
        return false;
    event->counts = counts;
    return true;
}

static bool read_told(const struct json_value *told, struct feed_event *event, struct err *e)
{
    event->object = told;
    return (told != NULL && told->type == JSON_OBJECT) || err_set(e, ERR_INVALID, "is no object");
}

/* Of a new task and of a job's change it stands within. */
static void read_actor(const struct json_value *object, struct feed_event *event)
{
    const struct json_value *holder = object;
    if (event->op == FEED_ADD)
        holder = json_get_c(object, "task");
    if (event->op == FEED_JOB || event->op == FEED_JOB_GONE)
        holder = event->object = json_get_c(object, "change");
    const struct json_value *actor = json_get_c(holder, "actor");
    if (actor != NULL && actor->type == JSON_STRING)
        event->actor = actor->text;
}

static bool read_op(const struct json_value *v, enum feed_op *ret_op)
{
    static const char *const names[FEED_OP_COUNT] = {
        [FEED_NONE] = "none",         [FEED_ADD] = "add",   [FEED_START] = "start",
        [FEED_FINISH] = "finish",     [FEED_WAIT] = "wait", [FEED_REOPEN] = "reopen",
        [FEED_NOTE] = "note",         [FEED_DROP] = "drop", [FEED_JOB] = "job",
        [FEED_JOB_GONE] = "job_gone", [FEED_TYPE] = "type", [FEED_QUEUE] = "queue",
    };
    for (int op = 0; v != NULL && v->type == JSON_STRING && op < FEED_OP_COUNT; op++)
        if (str_eq_c(v->text, names[op])) {
            *ret_op = (enum feed_op)op;
            return true;
        }
    return false;
}

bool worker_read_event(struct arena *a, const struct json_value *event,
                       struct feed_event *ret_event, struct err *e)
{
    const struct json_value *seq = json_get_c(event, "seq");
    *ret_event = (struct feed_event){ .took_us = -1, .seq = -1 };
    if (seq == NULL || seq->type != JSON_STRING || !str_to_i64(seq->text, &ret_event->seq) ||
        ret_event->seq < 0)
        return err_set(e, ERR_INVALID, "event: seq: not a number in a string");
    enum feed_op op;
    if (!read_op(json_get_c(event, "op"), &op))
        return err_set(e, ERR_INVALID, "event %lld: op: not one that is known here",
                       (long long)ret_event->seq);
    (void)time_of(event, "at_us", &ret_event->at_us);
    struct feed_event read = *ret_event;
    bool is_good = true;
    read.op = op;
    if (op >= FEED_ADD && op <= FEED_NOTE)
        is_good = read_task_event(a, event, &read, e);
    else if (op == FEED_DROP)
        is_good = read_drop(a, event, &read, e);
    else if (op == FEED_JOB)
        is_good = read_job_event(a, event, &read, e);
    else if (op == FEED_JOB_GONE && !read_id(json_get_c(event, "id"), &read.id))
        is_good = err_set(e, ERR_INVALID, "id: not an id");
    else if (op == FEED_TYPE)
        is_good = read_told(json_get_c(event, "type"), &read, e);
    else if (op == FEED_QUEUE)
        is_good = read_told(json_get_c(event, "queue"), &read, e);
    if (!is_good)
        return err_in(e, "event %lld", (long long)ret_event->seq);
    read_actor(event, &read);
    *ret_event = read;
    return true;
}
