#include "gateway/worker_json_priv.h"

#include "analyst/template.h"
#include "base/buf.h"
#include "base/clock.h"
#include "gateway/check.h"
#include "gateway/task_input.h"
#include "json/writer.h"

enum cell_kind {
    CELL_TEXT,
    CELL_NAME, /* a text of 1 to so many characters */
    CELL_ID,
    CELL_VERSION, /* digits in a string */
    CELL_INT,
    CELL_SHARE, /* 0 to 1 */
    CELL_TIME,  /* microseconds */
    CELL_JSON,
    CELL_IDS,
    CELL_ENUM
};

struct member {
    struct str name;
    int column;
    enum cell_kind kind;
    int more; /* of CELL_ENUM: which; of CELL_NAME: characters at most */
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }

/* In the order that the worker writes: each is found where it is looked for first. */
static const struct member task_members[] = {
    { NAME("id"), COL_tasks_id, CELL_ID, 0 },
    { NAME("version"), COL_tasks_version, CELL_VERSION, 0 },
    { NAME("type"), COL_tasks_type, CELL_NAME, TASK_TYPE_CHARS_MAX },
    { NAME("state"), COL_tasks_state, CELL_ENUM, ENUM_task_state },
    { NAME("priority"), COL_tasks_priority, CELL_ENUM, ENUM_task_priority },
    { NAME("queue"), COL_tasks_queue, CELL_NAME, TASK_TYPE_CHARS_MAX },
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
    { NAME("progress"), COL_tasks_progress, CELL_SHARE, 0 },
    { NAME("idempotency_key"), COL_tasks_idempotency_key, CELL_NAME, TASK_KEY_CHARS_MAX },
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

static bool is_name(struct str text, size_t chars_max)
{
    return text.len > 0 && (text.len <= chars_max || check_chars(text) <= chars_max);
}

/* The tables check no task: what they are to hold is checked here. */
static bool read_cell(struct arena *a, const struct member *m, const struct json_value *v,
                      struct str *ret_cell)
{
    int64_t whole;
    double share;
    switch (m->kind) {
    case CELL_TEXT:
        *ret_cell = v->text.len > 0 ? v->text : STR(""); /* no pointer would be null */
        return v->type == JSON_STRING;
    case CELL_NAME:
        *ret_cell = v->text;
        return v->type == JSON_STRING && is_name(v->text, (size_t)m->more);
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
    case CELL_SHARE:
        *ret_cell = v->text;
        return v->type == JSON_NUMBER && json_to_double(v, &share) && share >= 0 && share <= 1;
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
               schema_label_of(&schema_public.enums[m->more], v->text) >= 0;
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

void worker_row_tell(struct worker_row *row, int column, struct str cell)
{
    row->told |= UINT64_C(1) << column;
    row->cells[column] = cell;
}

static struct str status_cell(enum task_status status)
{
    return schema_public.enums[ENUM_task_status].labels[status].text;
}

void worker_row_tell_state(struct worker_row *row, enum task_state state)
{
    worker_row_tell(row, COL_tasks_state, schema_public.enums[ENUM_task_state].labels[state].text);
    worker_row_tell(row, COL_tasks_status, status_cell(worker_status_of(state)));
}

int worker_row_state(const struct worker_row *row)
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
    if (worker_row_state(&row) >= 0)
        worker_row_tell_state(&row, (enum task_state)worker_row_state(&row));
    if (str_eq(row.cells[COL_tasks_status], status_cell(TASK_STATUS_PENDING)))
        worker_row_tell(&row, COL_tasks_why, (struct str){ 0 }); /* nor what it failed of before */
    if (row.told & UINT64_C(1) << COL_tasks_error) {
        struct str error = row.cells[COL_tasks_error];
        worker_row_tell(&row, COL_tasks_error_template,
                        error.ptr == NULL ? error : template_of(a, error));
    }
    *ret_row = row;
    return true;
}

bool worker_read_created(struct arena *a, const struct json_value *created, struct str *cells,
                         struct err *e)
{
    const uint64_t needed = UINT64_C(1) << COL_tasks_version | UINT64_C(1) << COL_tasks_state |
                            UINT64_C(1) << COL_tasks_created_at;
    struct worker_row row = { .cells = cells };
    if (!read_row(a, created, &schema_public.tables[TABLE_tasks], task_members,
                  countof(task_members), &row, e)) {
        (void)err_in(e, "created");
        return false;
    }
    if ((row.told & needed) != needed)
        return err_set(e, ERR_INVALID, "created: version, state and created_at_us are needed");
    worker_row_tell_state(&row, (enum task_state)worker_row_state(&row));
    worker_row_tell(&row, COL_tasks_updated_at, cells[COL_tasks_created_at]);
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

struct str worker_ids_body(struct arena *a, const struct uuid *ids, size_t count, bool is_brief)
{
    scoped(buf_clear) struct buf body;
    buf_init(&body, 0);
    struct json_writer w = json_writer_to(&body);
    json_begin_object(&w);
    json_key_c(&w, "ids");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(ids[i], text);
        json_write_string(&w, str_of_c(text));
    }
    json_end_array(&w);
    if (is_brief) {
        json_key_c(&w, "is_brief");
        json_write_bool(&w, true);
    }
    json_end_object(&w);
    return arena_copy(a, buf_str(&body));
}
