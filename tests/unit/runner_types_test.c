/* What each task type takes as its payload. What the types do is tested against a worker. */
#include "runner/attempt.h"

#include "test.h"

static const struct task_type *find(const char *name)
{
    for (size_t i = 0; i < TASK_TYPE_COUNT; i++)
        if (strcmp(task_types[i]->name, name) == 0)
            return task_types[i];
    base_abort(name);
}

/* The error of that payload; empty when it is right. */
static const char *error_of(const char *type, const char *payload_text)
{
    static struct err e;
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    const struct json_value *payload;
    const void *input;
    e = (struct err){ 0 };
    if (!json_parse(a, str_of_c(payload_text), &payload, &e))
        fail_msg("%s: %s", payload_text, e.message);
    if (!find(type)->read(a, payload, &input, &e))
        assert_int_equal(e.code, ERR_INVALID);
    return e.message;
}

struct row {
    const char *type, *payload, *error; /* how it begins; "": none */
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *error = error_of(rows[i].type, rows[i].payload);
        if (*rows[i].error ? !str_starts_with(str_of_c(error), str_of_c(rows[i].error)) : *error)
            fail_msg("%s %s: \"%s\", expected \"%s\"", rows[i].type, rows[i].payload, error,
                     rows[i].error);
    }
}

static void simple_types_take_what_they_say(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "noop", "null", "" },
        { "noop", "[{\"a\": 1}]", "" },
        { "sleep", "{\"seconds\": 0}", "" },
        { "sleep", "{\"seconds\": 0.001}", "" },
        { "sleep", "{\"seconds\": 8.64e4}", "" },
        { "sleep", "{\"seconds\": 86400.001}", "$.seconds: number from 0 to 86400 expected" },
        { "sleep", "{\"seconds\": 1e999}", "$.seconds: number" },
        { "sleep", "{\"seconds\": -0.1}", "$.seconds: number" },
        { "sleep", "{\"seconds\": true}", "$.seconds: number" },
        { "sleep", "{\"seconds\": null}", "$.seconds: missing; number of seconds expected" },
        { "sleep", "{}", "$.seconds: missing" },
        { "sleep", "null", "$.seconds: missing" },
        { "sleep", "7", "$: object expected, got number" },
        { "sleep", "{\"seconds\": 1, \"Seconds\": 1}",
          "$.Seconds: unknown member; known: seconds" },
        { "fail", "null", "" },
        { "fail", "{}", "" },
        { "fail", "{\"message\": \"x\", \"fatal\": true, \"times\": 3}", "" },
        { "fail", "{\"message\": \"\"}", "$.message: 1 to 1000 bytes expected, got 0" },
        { "fail", "{\"message\": \"a\\u0000\"}", "$.message: holds U+0000" },
        { "fail", "{\"message\": 1}", "$.message: text expected, got number" },
        { "fail", "{\"fatal\": \"yes\"}", "$.fatal: true or false expected, got string" },
        { "fail", "{\"times\": -1}", "$.times: whole number from 0 to 1000000 expected" },
        { "fail", "{\"times\": 1000001}", "$.times: " },
        { "fail", "{\"times\": 2.0}", "" },
        { "fail", "{\"times\": 2.5}", "$.times: " },
        { "fail", "{\"time\": 1}", "$.time: unknown member; known: message, fatal, times" },
    };
    check(rows, countof(rows));
}

#define URL "\"url\": \"https://example.org/\""

static void a_request_is_checked_before_it_is_sent(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "http.request", "{" URL "}", "" },
        { "http.request", "{}", "$.url: missing" },
        { "http.request", "{\"url\": \"HTTPS://example.org\"}", "" },
        { "http.request", "{\"url\": \"http://[::1]:80/a?b#c\"}", "" },
        { "http.request", "{\"url\": 5}", "$.url: text expected" },
        { "http.request", "{\"url\": \"\"}", "$.url: 1 to 4096 bytes" },
        { "http.request", "{\"url\": \"ftp://example.org/\"}", "$.url: begins with neither" },
        { "http.request", "{\"url\": \"file:///etc/passwd\"}", "$.url: begins with neither" },
        { "http.request", "{\"url\": \"//example.org/\"}", "$.url: begins with neither" },
        { "http.request", "{\"url\": \"http:///path\"}", "$.url: names no host" },
        { "http.request", "{\"url\": \"http://?q\"}", "$.url: names no host" },
        { "http.request", "{\"url\": \"http://a b/\"}", "$.url: byte 8 is a space" },
        { "http.request", "{\"url\": \"http://a/\\r\\nX: y\"}", "$.url: byte 9" },
        { "http.request", "{\"url\": \"http://\\u00e9.org/\"}", "$.url: byte 7" },
        { "http.request", "{\"url\": \"http://127.0.0.1\\\\@example.org/\"}", "$.url: byte 16" },
        { "http.request", "{\"url\": \"http://user:secret@example.org/\"}",
          "$.url: holds a user; an Authorization header is the place for that" },
        { "http.request", "{\"url\": \"http://example.org/@home\"}", "" },
        { "http.request", "{" URL ", \"method\": \"delete\"}", "" },
        { "http.request", "{" URL ", \"method\": \"TRACE\"}", "$.method: GET, HEAD" },
        { "http.request", "{" URL ", \"method\": \"GET / HTTP/1\"}", "$.method: GET, HEAD" },
        { "http.request", "{" URL ", \"headers\": {\"X-A\": \"b\", \"Accept\": \"\"}}", "" },
        { "http.request", "{" URL ", \"headers\": [\"X-A: b\"]}", "$.headers: object" },
        { "http.request", "{" URL ", \"headers\": {\"X A\": \"b\"}}", "$.headers.X A: is no name" },
        { "http.request", "{" URL ", \"headers\": {\"\": \"b\"}}", "$.headers.: is no name" },
        { "http.request", "{" URL ", \"headers\": {\"X:\": \"b\"}}", "$.headers.X:: is no name" },
        { "http.request", "{" URL ", \"headers\": {\"X-A\": \"b\\r\\nX-B: c\"}}",
          "$.headers.X-A: text of at most 8192 bytes without line ends" },
        { "http.request", "{" URL ", \"headers\": {\"X-A\": \"\\u0000\"}}", "$.headers.X-A: text" },
        { "http.request", "{" URL ", \"headers\": {\"X-A\": 1}}", "$.headers.X-A: text" },
        { "http.request", "{" URL ", \"headers\": {\"hOST\": \"a\"}}",
          "$.headers.hOST: is set by the runner" },
        { "http.request", "{" URL ", \"headers\": {\"transfer-encoding\": \"chunked\"}}",
          "$.headers.transfer-encoding: is set" },
        { "http.request", "{" URL ", \"headers\": {\"Windlass-Task\": \"a\"}}",
          "$.headers.Windlass-Task: is set" },
        { "http.request", "{" URL ", \"body\": \"x\"}", "$.body: a GET has none" },
        { "http.request", "{" URL ", \"body\": null}", "" },
        { "http.request", "{" URL ", \"method\": \"POST\", \"body\": [1, {\"a\": null}]}", "" },
        { "http.request", "{" URL ", \"expected_status\": 599}", "" },
        { "http.request", "{" URL ", \"expected_status\": [200, 404]}", "" },
        { "http.request", "{" URL ", \"expected_status\": []}", "$.expected_status: 1 to 20" },
        { "http.request", "{" URL ", \"expected_status\": 600}", "$.expected_status: status" },
        { "http.request", "{" URL ", \"expected_status\": [200, \"x\"]}",
          "$.expected_status[1]: status from 100 to 599" },
        { "http.request", "{" URL ", \"timeout_seconds\": 0}", "$.timeout_seconds: number" },
        { "http.request", "{" URL ", \"timeout_seconds\": 3601}", "$.timeout_seconds: number" },
        { "http.request", "{" URL ", \"timeout_seconds\": 0.001}", "" },
        { "http.request", "{" URL ", \"max_response_bytes\": 0}", "$.max_response_bytes: whole" },
        { "http.request", "{" URL ", \"max_response_bytes\": 1048577}", "$.max_response_bytes: " },
        { "http.request", "{" URL ", \"max_response_bytes\": 1048576}", "" },
        { "http.request", "{" URL ", \"follow_redirects\": 5}", "" },
        { "http.request", "{" URL ", \"follow_redirects\": 6}", "$.follow_redirects: whole" },
        { "http.request", "{" URL ", \"follow_redirects\": 1, \"method\": \"POST\"}",
          "$.follow_redirects: with GET and HEAD only, not with POST" },
        { "http.request", "{" URL ", \"verify\": false}", "$.verify: unknown member; known: url" },
    };
    check(rows, countof(rows));
}

static void long_requests_are_refused_at_their_bounds(void **state)
{
    (void)state;
    enum { LONGEST_URL = 4096, LONGEST_BODY = 1 << 20, MOST_HEADERS = 50 };
    struct buf text;
    buf_init(&text, 0);
    for (int more = 0; more < 2; more++) {
        buf_reset(&text);
        buf_put_c(&text, "{\"url\": \"http://a/");
        for (size_t i = strlen("http://a/"); i < LONGEST_URL + (size_t)more; i++)
            buf_put_char(&text, 'x');
        buf_put(&text, "\"}", 3);
        assert_string_equal(error_of("http.request", text.ptr),
                            more ? "$.url: 1 to 4096 bytes expected, got 4097" : "");
        buf_reset(&text);
        buf_put_c(&text, "{" URL ", \"method\": \"POST\", \"body\": \"");
        for (size_t i = 0; i < LONGEST_BODY + (size_t)more; i++)
            buf_put_char(&text, 'x');
        buf_put(&text, "\"}", 3);
        assert_string_equal(error_of("http.request", text.ptr),
                            more ? "$.body: is longer than 1048576 bytes" : "");
        buf_reset(&text);
        buf_put_c(&text, "{" URL ", \"method\": \"POST\", \"body\": [\"");
        for (size_t i = 4; i < LONGEST_BODY + (size_t)more; i++)
            buf_put_char(&text, 'x');
        buf_put(&text, "\"]}", 4);
        assert_string_equal(error_of("http.request", text.ptr),
                            more ? "$.body: is longer than 1048576 bytes" : "");
        buf_reset(&text);
        buf_put_c(&text, "{" URL ", \"headers\": {");
        for (int i = 0; i < MOST_HEADERS + more; i++)
            buf_printf(&text, "%s\"X-%d\": \"\"", i ? "," : "", i);
        buf_put(&text, "}}", 3);
        assert_string_equal(error_of("http.request", text.ptr),
                            more ? "$.headers: 51 of at most 50" : "");
    }
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_types_take_what_they_say),
        cmocka_unit_test(a_request_is_checked_before_it_is_sent),
        cmocka_unit_test(long_requests_are_refused_at_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
