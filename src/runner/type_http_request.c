/*
 * http.request: one HTTP request to the public internet, or to what http-allow names. Members and
 * result: docs/task-types.md.
 */
#include "json/check.h"
#include "base/base64.h"
#include "base/clock.h"
#include "runner/payload.h"
#include "runner/runner_priv.h"
#include "runner/types_priv.h"

enum {
    URL_BYTES_MAX = 4096,
    HEADERS_MAX = 50,
    HEADER_BYTES_MAX = 8192, /* of one */
    BODY_BYTES_MAX = 1 << 20,
    KEPT_BYTES = 64 << 10,
    KEPT_BYTES_MAX = 1 << 20,
    EXPECTED_MAX = 20,
    TIMEOUT_S = 30,
    TIMEOUT_S_MAX = 3600,
    REDIRECTS_MAX = 5,
    RETRY_AFTER_S_MAX = 3600,
    EXCERPT_BYTES = 200, /* of an unexpected answer, in the error */
    VALUE_ARENA_BYTES = 64 << 20,
    RESULT_LEVELS = 1, /* of the result, around the answer's body */
};

struct input {
    const char *method;
    struct str url;
    const char *headers[HEADERS_MAX + 3]; /* ours behind the payload's */
    size_t header_count;
    struct str body;
    int64_t expected[EXPECTED_MAX];
    size_t expected_count; /* 0: any 2xx */
    int64_t timeout_ms, kept_bytes, redirects;
};

struct state {
    struct http_call *call; /* NULL: none */
    int64_t started_us;
};

/* ── the payload ── */

static bool read_method(struct arena *a, const struct json_value *payload, struct input *input,
                        struct err *e)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    struct str method = STR("GET");
    if (!payload_text(a, payload, "method", 16, &method, e))
        return false;
    for (size_t i = 0; i < countof(methods); i++)
        if (str_eq_nocase(method, str_of_c(methods[i]))) {
            input->method = methods[i];
            return true;
        }
    return err_set(e, ERR_INVALID, "$.method: GET, HEAD, POST, PUT, PATCH or DELETE expected");
}

static bool is_reading(const struct input *input)
{
    return strcmp(input->method, "GET") == 0 || strcmp(input->method, "HEAD") == 0;
}

static bool read_url(struct arena *a, const struct json_value *payload, struct input *input,
                     struct err *e)
{
    struct str rest, authority, tail;
    if (!payload_needs(payload, "url", "http:// or https:// URL", e) ||
        !payload_text(a, payload, "url", URL_BYTES_MAX, &input->url, e))
        return false;
    for (size_t i = 0; i < input->url.len; i++)
        if (input->url.ptr[i] <= ' ' || input->url.ptr[i] >= 0x7f || input->url.ptr[i] == '\\')
            return err_set(e, ERR_INVALID,
                           "$.url: byte %zu is a space, a control, a backslash or beyond ASCII",
                           i); /* a backslash ends the host for some and belongs to it for others */
    if (str_eq_nocase(str_first(input->url, 7), STR("http://")))
        rest = str_from(input->url, 7);
    else if (str_eq_nocase(str_first(input->url, 8), STR("https://")))
        rest = str_from(input->url, 8);
    else
        return err_set(e, ERR_INVALID, "$.url: begins with neither http:// nor https://");
    size_t end = 0;
    while (end < rest.len && !strchr("/?#", rest.ptr[end]))
        end++;
    authority = str_first(rest, end);
    if (authority.len == 0)
        return err_set(e, ERR_INVALID, "$.url: names no host");
    if (str_cut(authority, '@', &authority, &tail))
        return err_set(e, ERR_INVALID,
                       "$.url: holds a user; an Authorization header is the place for that");
    return true;
}

/* RFC 9110 section 5.6.2 */
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return name.len > 0;
}

static bool is_ours(struct str name)
{
    static const char *const ours[] = {
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
    };
    for (size_t i = 0; i < countof(ours); i++)
        if (str_eq_nocase(name, str_of_c(ours[i])))
            return true;
    return str_eq_nocase(str_first(name, 9), STR("Windlass-"));
}

static bool is_header_value(const struct json_value *v)
{
    if (v->type != JSON_STRING || v->text.len > HEADER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < v->text.len; i++)
        if (((unsigned char)v->text.ptr[i] < ' ' && v->text.ptr[i] != '\t') ||
            v->text.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool read_headers(struct arena *a, const struct json_value *payload, struct input *input,
                         bool *ret_has_type, struct err *e)
{
    const struct json_value *headers = payload_get(payload, "headers");
    if (headers == NULL)
        return true;
    if (headers->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$.headers: object of texts expected");
    if (headers->member_count > HEADERS_MAX)
        return err_set(e, ERR_INVALID, "$.headers: %zu of at most %d", headers->member_count,
                       (int)HEADERS_MAX);
    for (size_t i = 0; i < headers->member_count; i++) {
        struct str name = headers->members[i].key;
        const struct json_value *value = &headers->members[i].value;
        int shown = (int)min_of(name.len, (size_t)60);
        if (!is_header_name(name))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is no name of a header", shown,
                           name.len ? name.ptr : "");
        if (is_ours(name))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is set by the runner", shown, name.ptr);
        if (!is_header_value(value))
            return err_set(e, ERR_INVALID,
                           "$.headers.%.*s: text of at most %d bytes without line ends expected",
                           shown, name.ptr, (int)HEADER_BYTES_MAX);
        *ret_has_type |= str_eq_nocase(name, STR("Content-Type"));
        /* The semicolon is libcurl's way to send a header without a value. */
        struct str line = value->text.len == 0
                              ? arena_printf(a, "%.*s;", STR_FMT(name))
                              : arena_printf(a, "%.*s: %.*s", STR_FMT(name), STR_FMT(value->text));
        input->headers[input->header_count++] = line.ptr;
    }
    return true;
}

static bool read_body(struct arena *a, const struct json_value *payload, struct input *input,
                      bool has_type, struct err *e)
{
    const struct json_value *body = payload_get(payload, "body");
    if (body == NULL)
        return true;
    if (is_reading(input))
        return err_set(e, ERR_INVALID, "$.body: a %s has none", input->method);
    if (body->type == JSON_STRING) {
        input->body = arena_copy(a, body->text);
    } else {
        struct buf text;
        buf_init(&text, BODY_BYTES_MAX + 1);
        json_put_value(&text, body);
        bool has_failed = text.failed;
        input->body = arena_copy(a, buf_str(&text));
        buf_clear(&text);
        if (has_failed)
            return err_set(e, ERR_INVALID, "$.body: is longer than %d bytes", (int)BODY_BYTES_MAX);
    }
    if (input->body.len > BODY_BYTES_MAX)
        return err_set(e, ERR_INVALID, "$.body: is longer than %d bytes", (int)BODY_BYTES_MAX);
    if (!has_type)
        input->headers[input->header_count++] = body->type == JSON_STRING
                                                    ? "Content-Type: text/plain; charset=utf-8"
                                                    : "Content-Type: application/json";
    return true;
}

static bool read_expected(const struct json_value *payload, struct input *input, struct err *e)
{
    const struct json_value *v = payload_get(payload, "expected_status");
    if (v == NULL)
        return true;
    bool is_list = v->type == JSON_ARRAY;
    size_t count = is_list ? v->item_count : 1;
    const struct json_value *items = is_list ? v->items : v;
    if (count == 0 || count > EXPECTED_MAX)
        return err_set(e, ERR_INVALID, "$.expected_status: 1 to %d expected, got %zu",
                       (int)EXPECTED_MAX, count);
    for (size_t i = 0; i < count; i++) {
        int64_t status = 0;
        if (items[i].type != JSON_NUMBER || !json_to_i64(&items[i], &status) || status < 100 ||
            status > 599) {
            char at[24] = "";
            if (is_list)
                (void)snprintf(at, sizeof at, "[%zu]", i);
            return err_set(e, ERR_INVALID, "$.expected_status%s: status from 100 to 599 expected",
                           at);
        }
        input->expected[i] = status;
    }
    input->expected_count = count;
    return true;
}

static bool read_bounds(const struct json_value *payload, struct input *input, struct err *e)
{
    double timeout_s = TIMEOUT_S;
    input->kept_bytes = KEPT_BYTES;
    if (!payload_number(payload, "timeout_seconds", 0.001, TIMEOUT_S_MAX, &timeout_s, e) ||
        !payload_integer(payload, "max_response_bytes", 1, KEPT_BYTES_MAX, &input->kept_bytes, e) ||
        !payload_integer(payload, "follow_redirects", 0, REDIRECTS_MAX, &input->redirects, e))
        return false;
    if (input->redirects > 0 && !is_reading(input))
        return err_set(e, ERR_INVALID, "$.follow_redirects: with GET and HEAD only, not with %s",
                       input->method);
    input->timeout_ms = (int64_t)(timeout_s * 1000);
    return true;
}

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "url",
                                         "method",
                                         "headers",
                                         "body",
                                         "expected_status",
                                         "timeout_seconds",
                                         "max_response_bytes",
                                         "follow_redirects" };
    struct input *input = arena_new(a, struct input);
    bool has_type = false;
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) && read_url(a, payload, input, e) &&
           read_method(a, payload, input, e) && read_headers(a, payload, input, &has_type, e) &&
           read_body(a, payload, input, has_type, e) && read_expected(payload, input, e) &&
           read_bounds(payload, input, e);
}

/* ── the answer ── */

static bool is_expected(const struct input *input, int status)
{
    for (size_t i = 0; i < input->expected_count; i++)
        if (input->expected[i] == status)
            return true;
    return input->expected_count == 0 && status >= 200 && status < 300;
}

/* What a later attempt may find otherwise. */
static bool is_passing(int status)
{
    return status >= 500 || status == 429 || status == 408 || status == 425;
}

static void write_headers(struct json_writer *w, const struct http_reply *reply)
{
    static const char *const kept[] = { "content-type", "location", "etag", "last-modified",
                                        "retry-after" };
    json_key_c(w, "headers");
    json_begin_object(w);
    for (size_t i = 0; i < countof(kept); i++) {
        struct str value = http_reply_header(reply, str_of_c(kept[i]));
        if (value.ptr == NULL || !str_is_utf8(value) ||
            (value.len && memchr(value.ptr, 0, value.len)))
            continue;
        json_key(w, str_of_c(kept[i]));
        json_write_string(w, value);
    }
    json_end_object(w);
}

/* "application/json", "application/problem+json; charset=utf-8" */
static bool is_json_type(struct str content_type)
{
    struct str type, parameters;
    (void)str_cut(content_type, ';', &type, &parameters);
    type = str_trim(type);
    return str_eq_nocase(type, STR("application/json")) ||
           (type.len > 5 && str_eq_nocase(str_from(type, type.len - 5), STR("+json")));
}

/* `text` without a character that the cut left half. */
static struct str whole_characters(struct str text)
{
    for (size_t back = 1; back <= 3 && back <= text.len; back++) {
        unsigned char c = (unsigned char)text.ptr[text.len - back];
        if (c < 0x80)
            break;
        if (c >= 0xc0) {
            size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return length > back ? str_first(text, text.len - back) : text;
        }
    }
    return text;
}

/* As JSON where it is that, as text where it is that, else in base64url. */
static void write_body(struct json_writer *w, const struct http_reply *reply)
{
    scoped(arena_destroyp) struct arena *a = arena_create(VALUE_ARENA_BYTES);
    const struct json_value *value;
    struct err ignored;
    struct str body = reply->body;
    struct str text = reply->is_cut ? whole_characters(body) : body;
    json_key_c(w, "body");
    if (body.len == 0) {
        json_write_null(w);
        return;
    }
    if (!reply->is_cut && is_json_type(http_reply_header(reply, STR("content-type"))) &&
        json_parse_carrier(a, body, -RESULT_LEVELS, &value, &ignored)) {
        json_write_value(w, value);
        return;
    }
    if (str_is_utf8(text) && !memchr(text.ptr, '\0', text.len)) {
        json_write_string(w, text);
        return;
    }
    char *encoded = arena_alloc(a, BASE64URL_LEN(body.len) + 1);
    base64url_encode(body, encoded);
    json_write_string(w, str_of_c(encoded));
    json_key_c(w, "body_encoding");
    json_write_string(w, STR("base64url"));
}

static void succeed(struct attempt *t, const struct http_reply *reply, int64_t duration_us)
{
    struct buf result;
    buf_init(&result, 0);
    struct json_writer w = json_writer_to(&result);
    json_begin_object(&w);
    json_key_c(&w, "status");
    json_write_i64(&w, reply->status);
    write_headers(&w, reply);
    write_body(&w, reply);
    json_key_c(&w, "duration_ms");
    json_write_i64(&w, duration_us / CLOCK_MS);
    json_key_c(&w, "is_truncated");
    json_write_bool(&w, reply->is_cut);
    json_end_object(&w);
    attempt_complete(t, buf_str(&result));
    buf_clear(&result);
}

/* In seconds, as most say it; a date is left to the worker's back-off. */
static int64_t retry_after_ms(const struct http_reply *reply)
{
    uint64_t seconds;
    struct str text = http_reply_header(reply, STR("retry-after"));
    if (!str_to_u64(text, &seconds))
        return 0;
    return (int64_t)min_of(seconds, (uint64_t)RETRY_AFTER_S_MAX) * 1000;
}

static void disappoint(struct attempt *t, const struct http_reply *reply)
{
    const struct input *input = t->input;
    struct str excerpt = str_trim(str_first(reply->body, EXCERPT_BYTES));
    if (!str_is_utf8(whole_characters(excerpt)))
        excerpt = STR("");
    struct str error =
        arena_printf(t->arena, "%s %.*s was answered with status %d%s%.*s", input->method,
                     STR_FMT(str_first(input->url, 300)), reply->status, excerpt.len ? ": " : "",
                     STR_FMT(whole_characters(excerpt)));
    if (is_passing(reply->status))
        attempt_fail(t, error, retry_after_ms(reply));
    else
        attempt_fail_for_good(t, error);
}

static void replied(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct attempt *t = owner;
    struct state *state = t->state;
    state->call = NULL;
    if (reply && is_expected(t->input, reply->status))
        succeed(t, reply, clock_mono_us() - state->started_us);
    else if (reply)
        disappoint(t, reply);
    else if (e->code == ERR_DENIED || e->code == ERR_INVALID || e->code == ERR_LIMIT)
        attempt_fail_for_good(t, str_of_c(e->message));
    else
        attempt_fail(t, str_of_c(e->message), 0);
}

static void start(struct attempt *t)
{
    const struct input *input = t->input;
    struct state *state = arena_new(t->arena, struct state);
    const char *headers[HEADERS_MAX + 3];
    size_t count = input->header_count;
    struct err e;
    memcpy(headers, input->headers, sizeof headers);
    headers[count++] = arena_printf(t->arena, "Windlass-Task: %.*s", STR_FMT(t->id)).ptr;
    headers[count++] = arena_printf(t->arena, "Windlass-Attempt: %lld", (long long)t->attempt).ptr;
    const struct http_call_options options = {
        .method = input->method,
        .url = input->url.ptr,
        .headers = headers,
        .header_count = count,
        .body = input->body,
        .deadline_ms = max_of(input->timeout_ms, (int64_t)1),
        .is_sent_once = !is_reading(input),
        .body_bytes_kept = (size_t)input->kept_bytes,
        .redirects_max = (unsigned)input->redirects,
        .fn = replied,
        .owner = t,
    };
    state->started_us = clock_mono_us();
    t->state = state;
    if (!http_client_call(t->runner->web, &options, &state->call, &e)) {
        state->call = NULL;
        if (e.code == ERR_INVALID)
            attempt_fail_for_good(t, arena_printf(t->arena, "$.url: %s", e.message));
        else
            attempt_fail(t, str_of_c(e.message), 0);
    }
}

static void stop(struct attempt *t)
{
    struct state *state = t->state;
    if (state->call)
        http_call_cancel(state->call);
}

const struct task_type task_type_http_request = {
    .name = "http.request",
    .read = read_payload,
    .start = start,
    .stop = stop,
};
