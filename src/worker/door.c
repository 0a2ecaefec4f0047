#include "worker/door.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "http/leader.h"
#include "json/check.h"
#include "json/problem.h"
#include "worker/notes.h"
#include "worker/worker_priv.h"

enum {
    KEY_TOLD_MAX = 64, /* of a name that is not known */
    LEVELS_AROUND = 3, /* {"tasks": [{"payload": …, {"acks": [{"result": … */
    PARSED_TIMES = 24, /* a text when parsed, at most: an array of digits */
};

/* ── errors ── */

static const struct {
    const char *code;
    int status;
} problems[ERR_CODE_COUNT] = {
    [ERR_NONE] = { "INTERNAL", 500 },
    [ERR_INVALID] = { "BAD_USER_INPUT", 400 },
    [ERR_NOT_FOUND] = { "NOT_FOUND", 404 },
    [ERR_CONFLICT] = { "CONFLICT", 409 },
    [ERR_UNAUTHENTICATED] = { "UNAUTHENTICATED", 401 },
    [ERR_DENIED] = { "FORBIDDEN", 403 },
    [ERR_LIMIT] = { "BAD_USER_INPUT", 400 },
    [ERR_RATE] = { "RATE_LIMITED", 429 },
    [ERR_TIMEOUT] = { "TIMEOUT", 504 },
    [ERR_UNAVAILABLE] = { "UNAVAILABLE", 503 },
    [ERR_CANCELLED] = { "UNAVAILABLE", 503 },
    [ERR_INTERNAL] = { "INTERNAL", 500 },
    [ERR_MISDIRECTED] = { "BAD_USER_INPUT", 421 },
};

/* It leads, and has too much to do just now. */
static bool is_overload(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE && e->origin == ERR_ORIGIN_SELF;
}

static const char *code_of(const struct err *e)
{
    return is_overload(e) ? "OVERLOADED" : problems[e->code].code;
}

static struct str message_of(const struct err *e)
{
    return e->code == ERR_INTERNAL ? STR("something went wrong") : str_of_c(e->message);
}

void door_put_error(struct json_writer *w, const struct err *e)
{
    json_key_c(w, "error");
    json_begin_object(w);
    json_key_c(w, "code");
    json_write_string(w, str_of_c(code_of(e)));
    json_key_c(w, "message");
    json_write_string(w, message_of(e));
    json_key_c(w, "status");
    json_write_i64(w, problems[e->code].status);
    json_end_object(w);
}

static void respond(struct http_request *r, struct json_problem problem)
{
    struct json_writer w = json_writer_to(r->out);
    buf_reset(r->out);
    problem.title = http_reason(problem.status);
    problem.now_us = clock_wall_us();
    json_put_problem(&w, &problem);
    if (problem.status == 503)
        http_add_header(r, STR("Retry-After"), STR("1"));
    http_respond(r, problem.status, HTTP_PROBLEM, buf_str(r->out));
}

static void fail(struct http_request *r, const struct err *e, const size_t *index)
{
    if (e->code == ERR_INTERNAL)
        log_error("door.failed", "req=%s error=%s", r->id, log_quote(str_of_c(err_text(e))));
    if (is_overload(e))
        http_add_header(r, str_of_c(HTTP_LEADS), STR("true"));
    respond(r, (struct json_problem){ .status = problems[e->code].status,
                                      .code = code_of(e),
                                      .detail = message_of(e),
                                      .index = index });
}

void door_fail(struct http_request *r, const struct err *e)
{
    fail(r, e, NULL);
}

void door_fail_at(struct http_request *r, const struct err *e, size_t index)
{
    fail(r, e, &index);
}

void door_gone(struct http_request *r, const char *message)
{
    respond(r, (struct json_problem){ .status = 410, .code = "GONE", .detail = str_of_c(message) });
}

void door_answer(struct http_request *r)
{
    http_respond(r, 200, HTTP_JSON, buf_str(r->out));
}

/* ── who ── */

static unsigned caller_of(const struct worker *w, const struct http_request *r)
{
    unsigned callers = 0;
    if (http_bearer_is(r, conf_str(w->conf, CONF_GATEWAY_TOKEN)))
        callers |= DOOR_GATEWAY;
    if (http_bearer_is(r, conf_str(w->conf, CONF_RUNNER_TOKEN)))
        callers |= DOOR_RUNNER;
    return callers;
}

bool door_open(struct worker *w, struct http_request *r, unsigned callers)
{
    struct err e = { 0 };
    unsigned who = caller_of(w, r);
    if (who == 0)
        err_set(&e, ERR_UNAUTHENTICATED, "a service's token is needed");
    else if (!(who & callers))
        err_set(&e, ERR_DENIED, "this token may not call this");
    else if (!shard_is_leading(&w->shard))
        shard_refuse(&e);
    else
        return true;
    door_fail(r, &e);
    return false;
}

const struct json_value *door_body(struct http_request *r)
{
    const struct json_value *body = NULL;
    struct err e = { 0 };
    arena_raise_budget(r->arena, r->body.len * PARSED_TIMES); /* callers are services */
    if (json_parse_carrier(r->arena, r->body.len ? r->body : STR("{}"), LEVELS_AROUND, &body, &e) &&
        body->type == JSON_OBJECT)
        return body;
    if (e.code == ERR_NONE)
        err_set(&e, ERR_INVALID, "the body is no JSON object");
    door_fail(r, &e);
    return NULL;
}

/* ── members ── */

static const struct json_value *member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get(object, str_of_c(name));
    return value && value->type != JSON_NULL ? value : NULL;
}

bool door_missing(struct err *e, const char *at, const char *name)
{
    return err_set(e, ERR_INVALID, "%s%s: is missing", at, name);
}

bool door_text(const struct json_value *object, const char *at, const char *name, size_t max,
               struct str *ret_text, struct err *e)
{
    const struct json_value *value = member(object, name);
    if (!value)
        return false;
    if (value->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "%s%s: is no string", at, name);
    if (str_is_empty(value->text))
        return err_set(e, ERR_INVALID, "%s%s: is empty", at, name);
    if (value->text.len > max)
        return err_set(e, ERR_INVALID, "%s%s: is longer than %zu bytes", at, name, max);
    *ret_text = value->text;
    return true;
}

bool door_int(const struct json_value *object, const char *at, const char *name, int64_t min,
              int64_t max, int64_t *ret_value, struct err *e)
{
    const struct json_value *value = member(object, name);
    int64_t number;
    if (!value)
        return false;
    if (value->type != JSON_NUMBER || !json_to_i64(value, &number))
        return err_set(e, ERR_INVALID, "%s%s: is no integer", at, name);
    if (number < min || number > max)
        return err_set(e, ERR_INVALID, "%s%s: is not within %lld and %lld", at, name,
                       (long long)min, (long long)max);
    *ret_value = number;
    return true;
}

bool door_flag(const struct json_value *object, const char *at, const char *name, bool *ret_value,
               struct err *e)
{
    const struct json_value *value = member(object, name);
    if (!value)
        return false;
    if (value->type != JSON_BOOL)
        return err_set(e, ERR_INVALID, "%s%s: is neither true nor false", at, name);
    *ret_value = value->boolean;
    return true;
}

bool door_id(const struct json_value *object, const char *at, const char *name, struct uuid *ret_id,
             struct err *e)
{
    const struct json_value *value = member(object, name);
    if (!value)
        return false;
    if (value->type != JSON_STRING || !uuid_parse(value->text, ret_id))
        return err_set(e, ERR_INVALID, "%s%s: is no UUID", at, name);
    return true;
}

bool door_only(const struct json_value *object, const char *at, const char *const names[],
               struct err *e)
{
    size_t next = 0;
    for (size_t i = 0; object && object->type == JSON_OBJECT && i < object->member_count; i++) {
        struct str key = object->members[i].key;
        size_t from = next;
        while (names[next] && !str_eq_c(key, names[next]))
            next++;
        for (size_t k = 0; !names[next] && k < from; k++)
            if (str_eq_c(key, names[k]))
                next = k;
        if (!names[next])
            return err_set(e, ERR_INVALID, "%s%.*s: is not known here", at,
                           STR_FMT(str_first(key, KEY_TOLD_MAX)));
        next++;
    }
    return true;
}

bool door_path_id(struct http_request *r, struct uuid *ret_id, struct str *ret_verb)
{
    struct str id, verb = STR("");
    struct err e = { 0 };
    (void)str_cut(r->rest, ':', &id, &verb);
    *ret_verb = verb;
    if (uuid_parse(id, ret_id))
        return true;
    err_set(&e, ERR_NOT_FOUND, "there is no such address");
    door_fail(r, &e);
    return false;
}

void door_put_cursor(struct json_writer *w, const char *key, const struct shard *s, int64_t number)
{
    char text[SHARD_NUMBER_MAX];
    shard_number_format(s, number, text);
    json_key(w, str_of_c(key));
    json_write_string(w, str_of_c(text));
}

struct str door_json_text(struct arena *a, const struct json_value *value)
{
    struct buf b;
    buf_init(&b, 0);
    json_put_value(&b, value);
    struct str text = arena_copy(a, buf_str(&b));
    buf_clear(&b);
    return text;
}

/* ── reading tasks ── */

static struct str text_or_empty(const struct db_rows *rows, size_t row, size_t column)
{
    return db_rows_is_null(rows, row, column) ? STR("") : db_rows_text(rows, row, column);
}

static int64_t time_or_zero(const struct db_rows *rows, size_t row, size_t column)
{
    return db_rows_is_null(rows, row, column) ? 0 : db_rows_time(rows, row, column);
}

static void read_depends_on(struct arena *a, struct str text, struct task_view *v)
{
    struct str *items;
    if (text.len <= 2 || !db_array_parse(a, text, &items, &v->depends_on_count))
        return;
    struct uuid *ids = arena_new_array(a, v->depends_on_count, struct uuid);
    for (size_t i = 0; i < v->depends_on_count; i++)
        if (!uuid_parse(items[i], &ids[i]))
            return;
    v->depends_on = ids;
}

static void read_finished(const struct db_rows *rows, size_t row, struct task_view *v)
{
    v->version = db_rows_i64(rows, row, 16);
    v->state = (enum rule_state)db_rows_i64(rows, row, 17);
    v->attempt = (uint32_t)db_rows_i64(rows, row, 18);
    v->max_attempts = (uint32_t)db_rows_i64(rows, row, 19);
    v->started_at_us = time_or_zero(rows, row, 20);
    v->finished_at_us = v->updated_at_us = db_rows_time(rows, row, 21);
    v->has_result = !db_rows_is_null(rows, row, 22);
    v->result = text_or_empty(rows, row, 22);
    v->has_error = !db_rows_is_null(rows, row, 23);
    v->error = text_or_empty(rows, row, 23);
    v->why = text_or_empty(rows, row, 24);
}

static bool begin_read(struct worker *w, enum db_lane lane, int64_t ms, const struct db_step *step,
                       db_reply_fn *fn, void *owner, struct db_request **ret_request, struct err *e)
{
    const struct db_call call = { .lane = lane,
                                  .steps = step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + ms * CLOCK_MS,
                                  .fn = fn,
                                  .owner = owner };
    return db_pool_call(w->shard.pool, &call, ret_request, e);
}

bool door_read_begin(struct worker *w, const struct db_statement *statement,
                     const struct db_args *args, db_reply_fn *fn, void *owner,
                     struct db_request **ret_request, struct err *e)
{
    return begin_read(w, DB_LANE_READ, DOOR_READ_MS, &(struct db_step){ statement, args }, fn,
                      owner, ret_request, e);
}

struct led_read {
    struct shard *s;
    int64_t epoch;
    db_reply_fn *fn;
    void *owner;
};

/* The names of types and queues, the jobs and all else that an answer is made of beside the rows
 * are forgotten with the lead. */
static void led_read_done(void *owner, const struct db_reply *reply)
{
    struct led_read read = *(struct led_read *)owner;
    struct err e;
    mem_free(owner);
    if (reply->err || (shard_is_leading(read.s) && read.s->epoch == read.epoch)) {
        read.fn(read.owner, reply);
        return;
    }
    shard_refuse(&e);
    db_reply_fail(read.fn, read.owner, &e);
}

void door_read_within(struct worker *w, enum db_lane lane, int64_t ms,
                      const struct db_statement *statement, const struct db_args *args,
                      db_reply_fn *fn, void *owner)
{
    struct led_read *read = mem_new(struct led_read);
    struct err e;
    *read = (struct led_read){ &w->shard, w->shard.epoch, fn, owner };
    if (begin_read(w, lane, ms, &(struct db_step){ statement, args }, led_read_done, read, NULL,
                   &e))
        return;
    mem_free(read);
    db_reply_fail(fn, owner, &e);
}

void door_read(struct worker *w, const struct db_statement *statement, const struct db_args *args,
               db_reply_fn *fn, void *owner)
{
    door_read_within(w, DB_LANE_READ, DOOR_READ_MS, statement, args, fn, owner);
}

bool read_task(struct arena *a, const struct shard *s, const struct db_rows *rows, size_t row,
               struct task_view *ret_view)
{
    int64_t type = db_rows_i64(rows, row, 2);
    struct task_view v = {
        .id = db_rows_uuid(rows, row, 0),
        .version = db_rows_i64(rows, row, 1),
        .added = db_rows_i64(rows, row, 1),
        .type = type < (int64_t)s->type_count ? s->types[type].name : STR(""),
        .priority = (enum rule_priority)db_rows_i64(rows, row, 3),
        .max_attempts = (uint32_t)db_rows_i64(rows, row, 4),
        .timeout_s = (uint32_t)db_rows_i64(rows, row, 5),
        .run_at_us = db_rows_time(rows, row, 6),
        .created_at_us = db_rows_time(rows, row, 7),
        .updated_at_us = db_rows_time(rows, row, 7),
        .scheduled_for_us = time_or_zero(rows, row, 8),
        .has_job = !db_rows_is_null(rows, row, 9),
        .has_creator = !db_rows_is_null(rows, row, 10),
        .queue = db_rows_text(rows, row, 11),
        .actor = db_rows_text(rows, row, 12),
        .key = text_or_empty(rows, row, 13),
        .payload = db_rows_text(rows, row, 15),
        .progress = -1,
        .key_hash = (uint64_t)db_rows_i64(rows, row, 26),
    };
    if (v.has_job)
        v.job_id = db_rows_uuid(rows, row, 9);
    if (v.has_creator)
        v.created_by = db_rows_uuid(rows, row, 10);
    read_depends_on(a, db_rows_text(rows, row, 14), &v);
    v.state = rule_waiting_state(v.run_at_us, 0, clock_wall_us());
    bool is_done = !db_rows_is_null(rows, row, 16);
    if (is_done)
        read_finished(rows, row, &v);
    *ret_view = v;
    return is_done;
}

void read_overlay(const struct shard *s, const struct live *task, struct task_view *v)
{
    if (!task || task->state == LIVE_GONE)
        return;
    int64_t now_us = shard_now_us(s);
    bool is_running = task->state == LIVE_RUNNING;
    v->version = task->version;
    v->attempt = task->attempt;
    v->max_attempts = task->max_attempts;
    v->state = rule_waiting_state(task->at_us, task->attempt, now_us);
    if (task->state != LIVE_WAITING)
        v->state = is_running ? STATE_RUNNING : STATE_BLOCKED;
    v->started_at_us = is_running ? task->at_us : 0;
    v->run_at_us = is_running ? v->run_at_us : task->at_us;
    v->finished_at_us = 0;
    v->has_result = v->has_error = false;
    v->why = STR("");
    if (!(task->flags & LIVE_FRESH)) {
        int64_t last_us = min_of(task->at_us, now_us);
        v->updated_at_us = max_of(v->created_at_us, last_us);
    }
    const struct note *note = is_running ? notes_find(s->notes, task->id) : NULL;
    bool is_of_attempt = note && note->fence == live_run_of(s->live, task).fence;
    v->progress = is_of_attempt ? note->progress : -1;
}

void read_put_counts(struct json_writer *w, const struct shard *s)
{
    json_key_c(w, "counts");
    json_begin_array(w);
    for (size_t i = 0; i < s->type_count; i++)
        for (size_t k = 0; k < STATUS_COUNT; k++) {
            if (s->types[i].counts[k] == 0)
                continue;
            json_begin_object(w);
            json_key_c(w, "type");
            json_write_string(w, s->types[i].name);
            json_key_c(w, "status");
            json_write_string(w, rule_status_name((enum rule_status)k));
            json_key_c(w, "count");
            json_write_i64(w, s->types[i].counts[k]);
            json_end_object(w);
        }
    json_end_array(w);
}
