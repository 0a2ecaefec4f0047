/* The worker's JSON of the feed's events, and of counters. */
#include "gateway/worker_json_priv.h"

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
            worker_row_tell(row, columns[i], (struct str){ 0 });
}

static void clear_before_run(enum feed_op op, struct worker_row *row)
{
    static const int at_birth[] = { COL_tasks_started_at, COL_tasks_scheduled_for,
                                    COL_tasks_idempotency_key, COL_tasks_job_id,
                                    COL_tasks_created_by };
    static const int at_start[] = { COL_tasks_finished_at,    COL_tasks_progress, COL_tasks_error,
                                    COL_tasks_error_template, COL_tasks_result,   COL_tasks_why };
    static const int at_wait[] = { COL_tasks_started_at, COL_tasks_progress, COL_tasks_why };
    if (op == FEED_ADD)
        clear(row, at_birth, countof(at_birth));
    if (op == FEED_START || op == FEED_REOPEN || op == FEED_ADD)
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
    int state = worker_row_state(row);
    clear_before_run(event->op, row);
    if (event->op == FEED_START) {
        worker_row_tell_state(row, TASK_STATE_RUNNING);
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

/* `seq`: the event's number as text, which is its row's version. */
static bool read_task_event(struct arena *a, const struct json_value *object, struct str seq,
                            struct feed_event *event, struct err *e)
{
    const struct json_value *task = json_get_c(object, "task");
    struct worker_row row;
    if (!worker_read_task(a, task, &row, e) || !complete_event(event, task, &row, e))
        return false;
    if (row.cells[COL_tasks_type].ptr == NULL)
        return err_set(e, ERR_INVALID, "task: type: is missing");
    worker_row_tell(&row, COL_tasks_version, seq);
    if (!(row.told & UINT64_C(1) << COL_tasks_updated_at))
        worker_row_tell(&row, COL_tasks_updated_at, worker_time_cell(a, event->at_us));
    event->type = row.cells[COL_tasks_type];
    event->told = row.told;
    event->cells = row.cells;
    return uuid_parse(row.cells[COL_tasks_id], &event->id);
}

static bool read_job_event(struct arena *a, const struct json_value *object, struct str seq,
                           struct feed_event *event, struct err *e)
{
    struct worker_row row;
    if (!worker_read_job(a, json_get_c(object, "job"), &row, e))
        return false;
    worker_row_tell(&row, COL_jobs_version, seq);
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

/* A number that concerns nobody, or a task that has left. */
static bool read_none(struct arena *a, const struct json_value *object, struct feed_event *event,
                      struct err *e)
{
    const struct json_value *task = json_get_c(object, "task");
    struct worker_row row;
    event->is_gone = json_get_flag(object, STR("is_gone"));
    if (task == NULL)
        return true;
    if (!worker_read_task(a, task, &row, e))
        return false;
    event->op = FEED_MADE;
    event->type = row.cells[COL_tasks_type];
    event->told = row.told;
    event->cells = row.cells;
    return uuid_parse(row.cells[COL_tasks_id], &event->id);
}

/* Of a new task, of a job's change and of a record it stands within. */
static void read_actor(const struct json_value *object, struct feed_event *event)
{
    const struct json_value *holder = object;
    if (event->op == FEED_ADD || event->op == FEED_MADE)
        holder = json_get_c(object, "task");
    if (event->op == FEED_JOB || event->op == FEED_JOB_GONE)
        holder = event->object = json_get_c(object, "change");
    if (event->op == FEED_RECORD)
        holder = event->object;
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
        [FEED_RECORD] = "record",
    };
    for (int op = 0; v != NULL && v->type == JSON_STRING && op < FEED_OP_COUNT; op++)
        if (names[op] != NULL && str_eq_c(v->text, names[op])) {
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
    if (op == FEED_NONE)
        is_good = read_none(a, event, &read, e);
    else if (op >= FEED_ADD && op <= FEED_NOTE)
        is_good = read_task_event(a, event, seq->text, &read, e);
    else if (op == FEED_DROP)
        is_good = read_drop(a, event, &read, e);
    else if (op == FEED_JOB)
        is_good = read_job_event(a, event, seq->text, &read, e);
    else if (op == FEED_JOB_GONE && !read_id(json_get_c(event, "id"), &read.id))
        is_good = err_set(e, ERR_INVALID, "id: not an id");
    else if (op == FEED_TYPE)
        is_good = read_told(json_get_c(event, "type"), &read, e);
    else if (op == FEED_QUEUE)
        is_good = read_told(json_get_c(event, "queue"), &read, e);
    else if (op == FEED_RECORD)
        is_good = read_told(json_get_c(event, "record"), &read, e);
    if (!is_good)
        return err_in(e, "event %lld", (long long)ret_event->seq);
    read_actor(event, &read);
    *ret_event = read;
    return true;
}
