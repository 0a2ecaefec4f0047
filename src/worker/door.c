#include "worker/door.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/leader.h"
#include "json/problem.h"
#include "worker/worker_priv.h"

enum {
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
