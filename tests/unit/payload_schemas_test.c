/* What each task type takes as its payload. What the types do is tested against a worker. */
#include "base/buf.h"
#include "payload/payload.h"

#include "test.h"

static const struct payload_schema *find(const char *name)
{
    for (size_t i = 0; i < PAYLOAD_SCHEMA_COUNT; i++)
        if (strcmp(payload_schemas[i]->name, name) == 0)
            return payload_schemas[i];
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

#define SIGNED "{" URL ", \"sign_with\": \"a\", \"headers\": {"

static void a_signature_is_named_and_stands_once(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "http.request", "{" URL ", \"sign_with\": \"partner-1\"}", "" },
        { "http.request", "{" URL ", \"sign_with\": \"\"}", "$.sign_with: 1 to 100 bytes" },
        { "http.request", "{" URL ", \"sign_with\": \"../a\"}", "$.sign_with: letters, digits" },
        { "http.request", "{" URL ", \"sign_with\": [1]}", "$.sign_with: text expected" },
        { "http.request", "{" URL ", \"headers\": {\"webhook-id\": \"1\"}}", "" },
        { "http.request", SIGNED "\"Webhook-Id\": \"1\"}}",
          "$.headers.Webhook-Id: is set by sign_with" },
        { "http.request", SIGNED "\"webhook-signature\": \"\"}}", "$.headers.webhook-signature" },
        { "http.request", SIGNED "\"Webhooks\": \"1\"}}", "" },
    };
    check(rows, countof(rows));
}

static void a_command_is_a_name_with_texts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "command", "{\"command\": \"backup\"}", "" },
        { "command", "{\"command\": \"a\", \"args\": [\"-x\", \"\", \"a b\"]}", "" },
        { "command", "{\"command\": \"a\", \"params\": {\"db\": \"main\", \"x_1\": \"\"}}", "" },
        { "command", "null", "$.command: missing; name of a command expected" },
        { "command", "\"backup\"", "$: object expected, got string" },
        { "command", "{\"command\": \"/bin/sh\"}", "$.command: letters, digits, '.'" },
        { "command", "{\"command\": \"a b\"}", "$.command: letters" },
        { "command", "{\"command\": \"\"}", "$.command: 1 to 100 bytes expected, got 0" },
        { "command", "{\"command\": [\"sh\", \"-c\"]}", "$.command: text expected, got array" },
        { "command", "{\"command\": \"a\", \"args\": \"x\"}", "$.args: list of texts expected" },
        { "command", "{\"command\": \"a\", \"args\": [\"x\", 1]}", "$.args[1]: text of at most" },
        { "command", "{\"command\": \"a\", \"args\": [\"a\\u0000\"]}", "$.args[0]: holds U+0000" },
        { "command", "{\"command\": \"a\", \"params\": []}", "$.params: object of texts expected" },
        { "command", "{\"command\": \"a\", \"params\": {\"a b\": \"\"}}",
          "$.params.a b: is no name" },
        { "command", "{\"command\": \"a\", \"params\": {\"\": \"\"}}", "$.params.: is no name" },
        { "command", "{\"command\": \"a\", \"params\": {\"a\": 1}}",
          "$.params.a: text of at most" },
        { "command", "{\"command\": \"a\", \"params\": {\"a\": \"\\u0000\"}}", "$.params.a: text" },
        { "command", "{\"command\": \"a\", \"params\": {\"a\": \"1\", \"a\": \"2\"}}",
          "$.params.a: is named twice" },
        { "command", "{\"command\": \"a\", \"env\": {}}",
          "$.env: unknown member; known: command, args, params" },
    };
    check(rows, countof(rows));
}

#define QUERY "\"connection\": \"main\", \"statement\": \"select 1\""

static void a_query_names_connection_and_statement(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "sql", "{" QUERY "}", "" },
        { "sql", "{" QUERY ", \"params\": [null, true, 1.50, \"x\", [1], {\"a\": 2}]}", "" },
        { "sql", "{" QUERY ", \"max_rows\": 10000, \"timeout_seconds\": 3600}", "" },
        { "sql", "{\"statement\": \"select 1\"}", "$.connection: missing; name of a connection" },
        { "sql", "{\"connection\": \"main\"}", "$.statement: missing; one SQL statement" },
        { "sql", "{\"connection\": \"postgresql://x\", \"statement\": \"s\"}",
          "$.connection: letters" },
        { "sql", "{\"connection\": 1, \"statement\": \"s\"}", "$.connection: text expected" },
        { "sql", "{\"connection\": \"a\", \"statement\": \"\"}", "$.statement: 1 to 100000 bytes" },
        { "sql", "{\"connection\": \"a\", \"statement\": \"a\\u0000\"}",
          "$.statement: holds U+0000" },
        { "sql", "{\"connection\": \"a\", \"statement\": [\"a\", \"b\"]}",
          "$.statement: text expected, got array" },
        { "sql", "{" QUERY ", \"params\": {}}", "$.params: list expected, got object" },
        { "sql", "{" QUERY ", \"params\": [1, \"\\u0000\"]}", "$.params[1]: holds U+0000" },
        { "sql", "{" QUERY ", \"max_rows\": 0}", "$.max_rows: whole number from 1 to 10000" },
        { "sql", "{" QUERY ", \"max_rows\": 10001}", "$.max_rows: " },
        { "sql", "{" QUERY ", \"max_rows\": \"1\"}", "$.max_rows: " },
        { "sql", "{" QUERY ", \"timeout_seconds\": 0}", "$.timeout_seconds: number from 0.001" },
        { "sql", "{" QUERY ", \"timeout_seconds\": 3601}", "$.timeout_seconds: " },
        { "sql", "{" QUERY ", \"role\": \"x\"}", "$.role: unknown member; known: connection" },
    };
    check(rows, countof(rows));
}

#define MAIL "\"subject\": \"Hi\", \"text\": \"x\""
#define TO_ADA "\"to\": \"ada@example.org\""

static void a_mail_has_clean_addresses_and_lines(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "email", "{" TO_ADA ", " MAIL "}", "" },
        { "email",
          "{\"to\": [\"a@b\", {\"address\": \"c.d+e@x-y.org\", \"name\": \"Ç, D\"}], " MAIL "}",
          "" },
        { "email", "{\"bcc\": \"a@b.org\", \"subject\": \"s\", \"html\": \"<b>\"}", "" },
        { "email", "{" MAIL "}", "$.to: missing; address or list of addresses expected" },
        { "email", "{\"to\": [], " MAIL "}", "$.to: missing" },
        { "email", "{\"to\": 5, " MAIL "}", "$.to: address like" },
        { "email", "{\"to\": [\"a@b\", \"c\"], " MAIL "}", "$.to[1]: address like" },
        { "email", "{\"to\": \"a@b@c\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"@b\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a@\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a..b@c\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \".a@c\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a.@c\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a@-c\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a@c..d\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"\\u00e9@c\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"A <a@b>\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a@b\\r\\nRCPT TO:<x@y>\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a@b>\\u0000\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": \"a@b NOTIFY=NEVER\", " MAIL "}", "$.to: address" },
        { "email", "{\"to\": {\"name\": \"A\"}, " MAIL "}", "$.to: address" },
        { "email", "{\"to\": {\"address\": \"a@b\", \"name\": \"A\\nBcc: x@y\"}, " MAIL "}",
          "$.to.name: text of at most 200 bytes without line ends" },
        { "email", "{\"cc\": [{\"address\": \"a@b\", \"role\": 1}], " MAIL "}",
          "$.cc[0].role: unknown member" },
        { "email", "{" TO_ADA ", \"text\": \"x\"}", "$.subject: missing" },
        { "email", "{" TO_ADA ", \"subject\": \"a\\r\\nBcc: x@y\", \"text\": \"x\"}",
          "$.subject: holds a line end" },
        { "email", "{" TO_ADA ", \"subject\": 1, \"text\": \"x\"}", "$.subject: text expected" },
        { "email", "{" TO_ADA ", \"subject\": \"a\"}", "$.text: missing; text or html expected" },
        { "email", "{" TO_ADA ", \"subject\": \"a\", \"text\": 1}", "$.text: text expected" },
        { "email", "{" TO_ADA ", \"subject\": \"a\", \"html\": []}", "$.html: text expected" },
        { "email", "{" TO_ADA ", " MAIL ", \"reply_to\": \"x\"}", "$.reply_to: address" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"X-A\": \"Grüße\"}}", "" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": []}", "$.headers: object of texts" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"bCC\": \"x@y\"}}",
          "$.headers.bCC: is set by the runner" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"Content-Type\": \"x\"}}",
          "$.headers.Content-Type: is set" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"X A\": \"x\"}}",
          "$.headers.X A: is no" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"X:\": \"x\"}}", "$.headers.X:: is no" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"X-A\": \"a\\nBcc: x@y\"}}",
          "$.headers.X-A: text of at most 900 bytes without line ends" },
        { "email", "{" TO_ADA ", " MAIL ", \"headers\": {\"X-A\": 1}}", "$.headers.X-A: text" },
        { "email", "{" TO_ADA ", " MAIL ", \"from\": \"a@b\"}",
          "$.from: unknown member; known: to" },
    };
    check(rows, countof(rows));
}

/* `count` times `piece`, with commas between. */
static void put_list(struct buf *text, const char *piece, int count)
{
    for (int i = 0; i < count; i++)
        buf_printf(text, "%s%s", i ? "," : "", piece);
}

static void lists_are_refused_beyond_their_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *type, *head, *piece, *tail, *error;
        int most;
    } rows[] = {
        { "command", "{\"command\": \"a\", \"args\": [", "\"x\"", "]}",
          "$.args: 101 of at most 100", 100 },
        { "sql", "{" QUERY ", \"params\": [", "1", "]}", "$.params: 65 of at most 64", 64 },
        { "email", "{" MAIL ", \"to\": [", "\"a@b\"", "]}", "$.to: 101 of at most 100", 100 },
        { "email", "{" TO_ADA ", " MAIL ", \"reply_to\": [", "\"a@b\"", "]}",
          "$.reply_to: 11 of at most 10", 10 },
    };
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < countof(rows); i++)
        for (int more = 0; more < 2; more++) {
            buf_reset(&text);
            buf_put_c(&text, rows[i].head);
            put_list(&text, rows[i].piece, rows[i].most + more);
            buf_put(&text, rows[i].tail, strlen(rows[i].tail) + 1);
            assert_string_equal(error_of(rows[i].type, text.ptr), more ? rows[i].error : "");
        }
    buf_clear(&text);
}

static void a_group_names_its_children_and_their_mistakes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "task.group", "{\"tasks\": [{\"type\": \"a\"}]}", "" },
        { "task.group",
          "{\"tasks\": [{\"type\": \"a\", \"payload\": [1], \"priority\": \"high\", \"queue\": "
          "\"q\", "
          "\"max_attempts\": 1, \"timeout_seconds\": 5}], \"on_failure\": \"ignore\"}",
          "" },
        { "task.group", "null", "$.tasks: list of 1 to 1000 tasks expected" },
        { "task.group", "{\"tasks\": {}}", "$.tasks: list of 1 to 1000 tasks expected" },
        { "task.group", "{\"tasks\": [], \"more\": 1}", "$.more: unknown member" },
        { "task.group", "{\"tasks\": [1]}", "$.tasks[0]: object expected, got number" },
        { "task.group", "{\"tasks\": [{\"type\": \"a\"}, {\"type\": \"\"}]}",
          "$.tasks[1].type: 1 to 200 bytes expected, got 0" },
        { "task.group", "{\"tasks\": [{\"type\": \"task.group\"}]}",
          "$.tasks[0].type: a group within a group" },
        { "task.group", "{\"tasks\": [{\"type\": \"a\", \"timeout_seconds\": 0}]}",
          "$.tasks[0].timeout_seconds: whole number from 1 to 2592000 expected" },
        { "task.group", "{\"tasks\": [{\"type\": \"a\", \"priority\": \"x\"}]}",
          "$.tasks[0].priority: is none of low, normal, high" },
        { "task.group", "{\"tasks\": [{\"type\": \"a\"}], \"on_failure\": \"x\"}",
          "$.on_failure: is none of fail, ignore" },
    };
    check(rows, countof(rows));
}

static void a_schema_is_found_by_what_a_session_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAYLOAD_SCHEMA_COUNT; i++) {
        char stated[60];
        (void)snprintf(stated, sizeof stated, "windlass:%s", payload_schemas[i]->name);
        assert_ptr_equal(payload_schema_find(str_of_c(stated)), payload_schemas[i]);
    }
    assert_null(payload_schema_find(STR("sleep")));
    assert_null(payload_schema_find(STR("windlass:")));
    assert_null(payload_schema_find(STR("windlass:sleeps")));
    assert_null(payload_schema_find(STR("")));
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
        cmocka_unit_test(a_signature_is_named_and_stands_once),
        cmocka_unit_test(a_command_is_a_name_with_texts),
        cmocka_unit_test(a_query_names_connection_and_statement),
        cmocka_unit_test(a_mail_has_clean_addresses_and_lines),
        cmocka_unit_test(lists_are_refused_beyond_their_bounds),
        cmocka_unit_test(a_group_names_its_children_and_their_mistakes),
        cmocka_unit_test(a_schema_is_found_by_what_a_session_states),
        cmocka_unit_test(long_requests_are_refused_at_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
