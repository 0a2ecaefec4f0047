/*
 * http.request: one HTTP request to the public internet, or to what http-allow names. Members and
 * result: docs/task-types.md.
 */
#include "json/check.h"
#include "base/base64.h"
#include "base/clock.h"
#include "payload/inputs.h"
#include "runner/runner_priv.h"
#include "runner/types_priv.h"

enum {
    OWN_HEADERS_MAX = 5,
    RETRY_AFTER_S_MAX = 3600,
    EXCERPT_BYTES = 200, /* of an unexpected answer, in the error */
    VALUE_ARENA_BYTES = 64 << 20,
    RESULT_LEVELS = 1, /* of the result, around the answer's body */
};

struct state {
    struct http_call *call; /* NULL: none */
    int64_t started_us;
};

/* ── the answer ── */

static bool is_expected(const struct payload_http_input *input, int status)
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
    const struct payload_http_input *input = t->input;
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

/* ── the log ── */

static const struct str log_stream = STR("http");

/* A query may hold what nobody should read. */
static void log_request(struct attempt *t, const struct payload_http_input *input)
{
    struct str path, query;
    bool has_query = str_cut(input->url, '?', &path, &query);
    attempt_log(
        t, log_stream,
        arena_printf(t->arena, "%s %.*s%s", input->method, STR_FMT(path), has_query ? "?…" : ""));
}

static void log_reply(struct attempt *t, const struct http_reply *reply, const struct err *e)
{
    const struct state *state = t->state;
    long long ms = (clock_mono_us() - state->started_us) / CLOCK_MS;
    attempt_log(t, log_stream,
                reply
                    ? arena_printf(t->arena, "status %d, %zu bytes%s, after %lld ms", reply->status,
                                   reply->body.len, reply->is_cut ? " kept" : "", ms)
                    : arena_printf(t->arena, "no answer after %lld ms: %s", ms, e->message));
}

static void replied(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct attempt *t = owner;
    struct state *state = t->state;
    state->call = NULL;
    log_reply(t, reply, e);
    if (reply && is_expected(t->input, reply->status))
        succeed(t, reply, clock_mono_us() - state->started_us);
    else if (reply)
        disappoint(t, reply);
    else if (e->code == ERR_DENIED || e->code == ERR_INVALID || e->code == ERR_LIMIT)
        attempt_fail_for_good(t, str_of_c(e->message));
    else
        attempt_fail(t, str_of_c(e->message), 0);
}

/* False: there is no such secret; the attempt has ended. */
static bool sign(struct attempt *t, const char **headers, size_t *count)
{
    const struct payload_http_input *input = t->input;
    int64_t now_s = clock_wall_us() / CLOCK_S;
    if (input->sign_with.len == 0)
        return true;
    const char *signature = http_secrets_sign(t->runner->http_secrets, t->arena, input->sign_with,
                                              t->id, now_s, input->body);
    if (!signature) {
        attempt_fail_for_good(t, STR("$.sign_with: this runner has no secret of that name"));
        return false;
    }
    headers[(*count)++] = arena_printf(t->arena, "webhook-id: %.*s", STR_FMT(t->id)).ptr;
    headers[(*count)++] = arena_printf(t->arena, "webhook-timestamp: %lld", (long long)now_s).ptr;
    headers[(*count)++] = arena_printf(t->arena, "webhook-signature: %s", signature).ptr;
    return true;
}

static void start(struct attempt *t)
{
    const struct payload_http_input *input = t->input;
    struct state *state = arena_new(t->arena, struct state);
    const char *headers[PAYLOAD_HTTP_HEADERS_MAX + 1 + OWN_HEADERS_MAX];
    size_t count = input->header_count;
    struct err e;
    memcpy(headers, input->headers, sizeof input->headers);
    t->state = state;
    if (!sign(t, headers, &count))
        return;
    headers[count++] = arena_printf(t->arena, "Windlass-Task: %.*s", STR_FMT(t->id)).ptr;
    headers[count++] = arena_printf(t->arena, "Windlass-Attempt: %lld", (long long)t->attempt).ptr;
    const struct http_call_options options = {
        .method = input->method,
        .url = input->url.ptr,
        .headers = headers,
        .header_count = count,
        .body = input->body,
        .deadline_ms = max_of(input->timeout_ms, (int64_t)1),
        .is_sent_once = !input->is_reading,
        .body_bytes_kept = (size_t)input->kept_bytes,
        .redirects_max = (unsigned)input->redirects,
        .fn = replied,
        .owner = t,
    };
    state->started_us = clock_mono_us();
    log_request(t, input);
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
    .schema = &payload_http_request,
    .start = start,
    .stop = stop,
};
