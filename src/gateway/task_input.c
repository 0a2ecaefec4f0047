#include "gateway/task_input.h"

#include "base/clock.h"
#include "gateway/check.h"
#include "gateway/shards.h"
#include "gateway/worker_json.h"
#include "json/writer.h"

/* ── one field ── */

/* Reads fields of one input; after the first refusal the rest is passed over. */
struct reader {
    const struct gql_step *step;
    const struct gql_value *input;
    const char *path;
    struct err *e;
    struct json_writer w;
    struct buf out;
    struct str *cells; /* NULL: only the JSON is wanted */
    bool is_update;    /* absent fields stay, null is refused */
    bool has_failed;
};

static bool refuse(struct reader *r, const char *name, const char *why)
{
    if (!r->has_failed)
        (void)err_set(r->e, ERR_INVALID, "%s.%s: %s", r->path, name, why);
    r->has_failed = true;
    return false;
}

/* What `r->e` says of the field alone is said of its place in the request. */
static void refused(struct reader *r)
{
    struct err why = *r->e;
    (void)err_set(r->e, why.code, "%s.%s", r->path, why.message);
    r->has_failed = true;
}

/* True: there is a value to read. */
static bool has_value(struct reader *r, const char *name, const struct gql_value **ret_value)
{
    const struct gql_value *value = gql_input(r->input, name);
    if (r->has_failed)
        return false;
    if (r->is_update && value->kind == GQL_NULL)
        return refuse(r, name, "must not be null");
    *ret_value = value;
    return !gql_is_null(value);
}

static void tell(struct reader *r, int column, struct str cell)
{
    if (r->cells != NULL)
        r->cells[column] = cell;
}

static void read_label(struct reader *r, const char *name, const char *key, int column,
                       size_t chars_max)
{
    const struct gql_value *value;
    if (!has_value(r, name, &value))
        return;
    if (!check_label(name, value->text, chars_max, r->e)) {
        refused(r);
        return;
    }
    if (value->text.len > chars_max) { /* the worker counts bytes */
        (void)err_set(r->e, ERR_INVALID, "%s.%s: is longer than %zu bytes", r->path, name,
                      chars_max);
        r->has_failed = true;
        return;
    }
    json_key(&r->w, str_of_c(key));
    json_write_string(&r->w, value->text);
    tell(r, column, value->text);
}

static void read_whole(struct reader *r, const char *name, const char *key, int column, int64_t min,
                       int64_t max)
{
    const struct gql_value *value;
    if (!has_value(r, name, &value))
        return;
    if (value->integer < min || value->integer > max) {
        (void)err_set(r->e, ERR_INVALID, "%s.%s: must be %lld to %lld, not %lld", r->path, name,
                      (long long)min, (long long)max, (long long)value->integer);
        r->has_failed = true;
        return;
    }
    json_key(&r->w, str_of_c(key));
    json_write_i64(&r->w, value->integer);
    tell(r, column, arena_printf(r->step->arena, "%lld", (long long)value->integer));
}

static void read_enum(struct reader *r, const char *name, const char *key, int column,
                      enum schema_public_enum which)
{
    const struct schema_enum *enumeration = &schema_public.enums[which];
    const struct gql_value *value;
    if (!has_value(r, name, &value))
        return;
    for (size_t i = 0; i < enumeration->label_count; i++)
        if (str_eq(enumeration->labels[i].name, value->text)) {
            json_key(&r->w, str_of_c(key));
            json_write_string(&r->w, enumeration->labels[i].text);
            tell(r, column, enumeration->labels[i].text);
            return;
        }
    refuse(r, name, "not one that is known");
}

static void read_payload(struct reader *r, int column)
{
    const struct gql_value *value;
    if (!has_value(r, "payload", &value))
        return;
    json_key_c(&r->w, "payload");
    json_write_raw(&r->w, value->text);
    tell(r, column, value->text);
}

/* A client's own id must be of our time: the worker remembers ids for no longer. */
static void read_id(struct reader *r, struct uuid *ret_id, bool *ret_is_fresh)
{
    const struct conf *conf = await_request(r->step)->loop->gateway->conf;
    const struct gql_value *value;
    char now[CLOCK_TEXT_MAX];
    *ret_is_fresh = true;
    *ret_id = uuid_v7();
    if (!has_value(r, "id", &value))
        return;
    *ret_is_fresh = false;
    if (!uuid_parse(value->text, ret_id) || uuid_version(*ret_id) != 7) {
        refuse(r, "id", "not a UUID of version 7");
        return;
    }
    int64_t now_us = clock_wall_us(), at_us = uuid_time_us(*ret_id);
    clock_format(now_us, now);
    if (at_us < now_us - conf_duration_us(conf, CONF_ID_PAST) ||
        at_us > now_us + conf_duration_us(conf, CONF_ID_FUTURE)) {
        (void)err_set(r->e, ERR_INVALID, "%s.id: its time is too far from the server's, %s",
                      r->path, now);
        r->has_failed = true;
    }
}

/* ── cells of what is not accepted yet ── */

static struct str id_cell(struct arena *a, struct uuid id)
{
    char *text = arena_alloc(a, UUID_TEXT_LEN + 1);
    uuid_format(id, text);
    return str_of(text, UUID_TEXT_LEN);
}

static size_t shard_of(const struct gql_step *step, struct str queue)
{
    return shards_of_queue(await_request(step)->loop->gateway, queue);
}

static struct str *task_cells(struct arena *a)
{
    struct str *cells = arena_new_array(a, COL_tasks_COUNT, struct str);
    cells[COL_tasks_status] = STR("pending");
    cells[COL_tasks_state] = STR("ready");
    cells[COL_tasks_priority] = STR("normal");
    cells[COL_tasks_payload] = STR("{}");
    cells[COL_tasks_queue] = STR("default");
    cells[COL_tasks_attempt] = STR("0");
    cells[COL_tasks_max_attempts] = STR("5");
    cells[COL_tasks_timeout_seconds] = STR("300");
    cells[COL_tasks_depends_on] = STR("{}");
    cells[COL_tasks_accepted] = STR("f");
    cells[COL_tasks_version] = STR("0");
    cells[COL_tasks_generation] = STR("0");
    return cells;
}

static struct str *job_cells(struct arena *a)
{
    struct str *cells = arena_new_array(a, COL_jobs_COUNT, struct str);
    cells[COL_jobs_time_zone] = STR("UTC");
    cells[COL_jobs_status] = STR("active");
    cells[COL_jobs_payload] = STR("{}");
    cells[COL_jobs_priority] = STR("normal");
    cells[COL_jobs_misfire_policy] = STR("run-once");
    cells[COL_jobs_overlap_policy] = STR("skip");
    cells[COL_jobs_max_attempts] = STR("3");
    cells[COL_jobs_fail_after] = STR("0");
    cells[COL_jobs_consecutive_failures] = STR("0");
    cells[COL_jobs_queue] = STR("default");
    cells[COL_jobs_timeout_seconds] = STR("300");
    cells[COL_jobs_jitter_seconds] = STR("0");
    cells[COL_jobs_accepted] = STR("f");
    cells[COL_jobs_version] = STR("0");
    cells[COL_jobs_generation] = STR("0");
    return cells;
}

/* ── readers ── */

static struct reader reader_of(const struct gql_step *step, const struct gql_value *input,
                               const char *path, struct err *e)
{
    struct reader r = { .step = step, .input = input, .path = path, .e = e };
    buf_init(&r.out, 0);
    return r;
}

static bool reader_end(struct reader *r, struct str *ret_body)
{
    if (!r->has_failed)
        *ret_body = arena_copy(r->step->arena, buf_str(&r->out));
    buf_clear(&r->out);
    return !r->has_failed;
}

/* Into the JSON and the cell. */
static void put_id(struct reader *r, const char *key, int column, struct uuid id)
{
    struct str cell = id_cell(r->step->arena, id);
    json_key(&r->w, str_of_c(key));
    json_write_string(&r->w, cell);
    tell(r, column, cell);
}

static void write_actor(struct reader *r)
{
    json_key_c(&r->w, "actor");
    json_write_string(&r->w, await_request(r->step)->credential->owner.label);
}

static void read_run_at(struct reader *r, struct str *cells, int64_t now_us)
{
    const struct gql_value *value;
    cells[COL_tasks_run_at] = cells[COL_tasks_created_at];
    if (!has_value(r, "runAt", &value))
        return;
    json_key_c(&r->w, "run_at_us");
    json_write_i64(&r->w, value->integer);
    cells[COL_tasks_run_at] = worker_time_cell(r->step->arena, value->integer);
    if (value->integer > now_us)
        cells[COL_tasks_state] = STR("scheduled");
}

static bool refuse_at(struct reader *r, const char *name, size_t i, const char *why)
{
    (void)err_set(r->e, ERR_INVALID, "%s.%s[%zu]: %s", r->path, name, i, why);
    r->has_failed = true;
    return false;
}

/* `ids[i]` is one that may stand there. */
static bool check_dependency(struct reader *r, const struct uuid *ids, size_t i, struct uuid self)
{
    if (uuid_eq(ids[i], self))
        return refuse_at(r, "dependsOn", i, "is the task itself");
    for (size_t k = 0; k < i; k++)
        if (uuid_eq(ids[i], ids[k]))
            return refuse_at(r, "dependsOn", i, "is named twice");
    return true;
}

/* Until the worker has told better, a task with dependencies waits for them. */
static void read_depends_on(struct reader *r, struct uuid self)
{
    const struct gql_value *value;
    struct buf cell;
    if (!has_value(r, "dependsOn", &value) || value->count == 0)
        return;
    if (value->count > TASK_DEPENDENCIES_MAX) {
        (void)err_set(r->e, ERR_INVALID, "%s.dependsOn: must be at most %d, not %u", r->path,
                      TASK_DEPENDENCIES_MAX, value->count);
        r->has_failed = true;
        return;
    }
    struct uuid *ids = arena_new_array(r->step->arena, value->count, struct uuid);
    buf_init(&cell, 0);
    json_key_c(&r->w, "depends_on");
    json_begin_array(&r->w);
    for (size_t i = 0; i < value->count && !r->has_failed; i++) {
        if (!uuid_parse(value->items[i].text, &ids[i]))
            (void)refuse_at(r, "dependsOn", i, "not a UUID");
        else if (check_dependency(r, ids, i, self)) {
            struct str id = id_cell(r->step->arena, ids[i]);
            json_write_string(&r->w, id);
            buf_put_char(&cell, i == 0 ? '{' : ',');
            buf_put_str(&cell, id);
        }
    }
    json_end_array(&r->w);
    buf_put_char(&cell, '}');
    tell(r, COL_tasks_depends_on, arena_copy(r->step->arena, buf_str(&cell)));
    tell(r, COL_tasks_state, STR("blocked"));
    buf_clear(&cell);
}

bool task_input_read(const struct gql_step *step, const struct gql_value *input, const char *path,
                     struct create_task *ret_task, struct err *e)
{
    struct reader r = reader_of(step, input, path, e);
    struct uuid user_id = await_request(step)->credential->owner.user_id;
    int64_t now_us = clock_wall_us();
    r.w = json_writer_to(&r.out);
    r.cells = task_cells(step->arena);
    struct create_task task = { .cells = r.cells };
    read_id(&r, &task.id, &task.is_fresh);
    json_begin_object(&r.w);
    put_id(&r, "id", COL_tasks_id, task.id);
    read_label(&r, "type", "type", COL_tasks_type, TASK_TYPE_CHARS_MAX);
    read_payload(&r, COL_tasks_payload);
    read_enum(&r, "priority", "priority", COL_tasks_priority, ENUM_task_priority);
    read_label(&r, "queue", "queue", COL_tasks_queue, TASK_TYPE_CHARS_MAX);
    task.shard = shard_of(step, task.cells[COL_tasks_queue]);
    task.cells[COL_tasks_shard] = shards_cell(task.shard);
    read_whole(&r, "maxAttempts", "max_attempts", COL_tasks_max_attempts, 1, TASK_ATTEMPTS_MAX);
    read_whole(&r, "timeoutSeconds", "timeout_s", COL_tasks_timeout_seconds, 1, TASK_TIMEOUT_S_MAX);
    read_label(&r, "idempotencyKey", "idempotency_key", COL_tasks_idempotency_key,
               TASK_KEY_CHARS_MAX);
    task.cells[COL_tasks_created_at] = task.cells[COL_tasks_updated_at] =
        worker_time_cell(step->arena, now_us);
    read_run_at(&r, task.cells, now_us);
    read_depends_on(&r, task.id);
    put_id(&r, "created_by", COL_tasks_created_by, user_id);
    write_actor(&r);
    json_end_object(&r.w);
    if (!reader_end(&r, &task.body))
        return false;
    *ret_task = task;
    return true;
}

static void read_name(struct reader *r)
{
    const struct gql_value *value;
    struct str name;
    if (!has_value(r, "name", &value))
        return;
    if (!check_name("name", value->text, &name, r->e)) {
        refused(r);
        return;
    }
    json_key_c(&r->w, "name");
    json_write_string(&r->w, name);
    tell(r, COL_jobs_name, name);
}

static void read_job_fields(struct reader *r)
{
    read_name(r);
    read_label(r, "schedule", "schedule", COL_jobs_schedule, JOB_SCHEDULE_CHARS_MAX);
    read_label(r, "timeZone", "time_zone", COL_jobs_time_zone, JOB_ZONE_CHARS_MAX);
    read_label(r, "taskType", "task_type", COL_jobs_task_type, TASK_TYPE_CHARS_MAX);
    read_payload(r, COL_jobs_payload);
    read_enum(r, "priority", "priority", COL_jobs_priority, ENUM_task_priority);
    read_enum(r, "misfirePolicy", "misfire_policy", COL_jobs_misfire_policy, ENUM_misfire_policy);
    read_enum(r, "overlapPolicy", "overlap_policy", COL_jobs_overlap_policy, ENUM_overlap_policy);
    read_whole(r, "maxAttempts", "max_attempts", COL_jobs_max_attempts, 1, TASK_ATTEMPTS_MAX);
    read_whole(r, "failAfter", "fail_after", COL_jobs_fail_after, 0, JOB_FAIL_AFTER_MAX);
    read_label(r, "queue", "queue", COL_jobs_queue, TASK_TYPE_CHARS_MAX);
    read_whole(r, "timeoutSeconds", "timeout_s", COL_jobs_timeout_seconds, 1, TASK_TIMEOUT_S_MAX);
    read_whole(r, "jitterSeconds", "jitter_s", COL_jobs_jitter_seconds, 0, JOB_JITTER_S_MAX);
}

bool job_input_read(const struct gql_step *step, struct job_input *ret_job, struct err *e)
{
    const struct gql_value *input = gql_arg(step, "input"), *paused = gql_input(input, "paused");
    struct reader r = reader_of(step, input, "input", e);
    struct uuid user_id = await_request(step)->credential->owner.user_id;
    r.w = json_writer_to(&r.out);
    r.cells = job_cells(step->arena);
    struct job_input job = { .cells = r.cells };
    read_id(&r, &job.id, &job.is_fresh);
    json_begin_object(&r.w);
    json_key_c(&r.w, "job");
    json_begin_object(&r.w);
    put_id(&r, "id", COL_jobs_id, job.id);
    read_job_fields(&r);
    json_key_c(&r.w, "is_paused");
    json_write_bool(&r.w, !gql_is_null(paused) && paused->boolean);
    put_id(&r, "created_by", COL_jobs_created_by, user_id);
    json_end_object(&r.w);
    write_actor(&r);
    json_end_object(&r.w);
    job.shard = shard_of(step, job.cells[COL_jobs_queue]);
    job.cells[COL_jobs_shard] = shards_cell(job.shard);
    if (!gql_is_null(paused) && paused->boolean)
        job.cells[COL_jobs_status] = STR("paused");
    job.cells[COL_jobs_created_at] = job.cells[COL_jobs_updated_at] =
        worker_time_cell(step->arena, clock_wall_us());
    if (!reader_end(&r, &job.body))
        return false;
    *ret_job = job;
    return true;
}

bool job_input_read_update(const struct gql_step *step, struct str *ret_body, struct err *e)
{
    struct reader r = reader_of(step, gql_arg(step, "input"), "input", e);
    r.w = json_writer_to(&r.out);
    r.is_update = true;
    json_begin_object(&r.w);
    json_key_c(&r.w, "job");
    json_begin_object(&r.w);
    read_job_fields(&r);
    json_end_object(&r.w);
    write_actor(&r);
    json_end_object(&r.w);
    return reader_end(&r, ret_body);
}

struct str task_input_actor(const struct gql_step *step)
{
    struct reader r = reader_of(step, NULL, "", NULL);
    struct str body = { 0 };
    r.w = json_writer_to(&r.out);
    json_begin_object(&r.w);
    write_actor(&r);
    json_end_object(&r.w);
    (void)reader_end(&r, &body);
    return body;
}

bool task_input_id(const struct gql_step *step, struct uuid *ret_id, struct err *e)
{
    return uuid_parse(gql_arg(step, "id")->text, ret_id) ||
           err_set(e, ERR_INVALID, "id: not an id, which is a UUID such as %s",
                   "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f");
}
