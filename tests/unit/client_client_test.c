#include "client/client.h"

#include "test.h"

/* What the response says, as the command line tells it: "message (context)". */
static void refuses(int status, const char *body, enum err_code code, const char *message,
                    const char *context)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    const struct json_value *data;
    struct err e;
    assert_false(client_read_response(a, status, str_of_c(body), &data, &e));
    assert_int_equal(e.code, code);
    assert_string_equal(e.message, message);
    assert_string_equal(e.context, context);
}

/* source: docs/errors.md */
static void errors_keep_their_message_and_their_code(void **state)
{
    (void)state;
    refuses(200,
            "{\"data\":null,\"errors\":[{\"message\":\"no such task\","
            "\"extensions\":{\"code\":\"NOT_FOUND\"}},{\"message\":\"another\"}]}",
            ERR_NOT_FOUND, "no such task", "NOT_FOUND");
    refuses(400,
            "{\"errors\":[{\"message\":\"syntax\",\"extensions\":{\"code\":\"GRAPHQL_PARSE_"
            "FAILED\"}}]}",
            ERR_INTERNAL, "syntax", "GRAPHQL_PARSE_FAILED");
    refuses(
        200,
        "{\"errors\":[{\"message\":\"away\",\"extensions\":{\"code\":\"WORKER_UNAVAILABLE\"}}]}",
        ERR_UNAVAILABLE, "away", "WORKER_UNAVAILABLE");
}

static void problems_are_told_as_well(void **state)
{
    (void)state;
    refuses(401, "{\"status\":401,\"detail\":\"who are you\",\"code\":\"UNAUTHENTICATED\"}",
            ERR_UNAUTHENTICATED, "who are you", "UNAUTHENTICATED");
    refuses(503, "gone", ERR_UNAVAILABLE, "status 503", "");
    refuses(404, "<html>", ERR_INTERNAL, "status 404", "");
    refuses(200, "<html>", ERR_INTERNAL, "what answers is no gateway of Windlass", "");
    refuses(200, "[1]", ERR_INTERNAL, "what answers is no gateway of Windlass", "");
    refuses(200, "{\"data\":null}", ERR_INTERNAL, "status 200", "");
}

static void data_is_given(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    const struct json_value *data;
    struct err e;
    (void)state;
    assert_true(client_read_response(a, 200, STR("{\"data\":{\"a\":1}}"), &data, &e));
    assert_str(json_get_c(data, "a")->text, "1");
}

static void a_token_that_would_break_a_header_is_refused(void **state)
{
    scoped(client_destroyp) struct client *client = NULL;
    struct client_options options = { .url = STR("http://127.0.0.1:1"), .token = STR("a\r\nb: c") };
    struct err e;
    (void)state;
    assert_false(client_create(&options, &client, &e));
    assert_int_equal(e.code, ERR_INVALID);
    options.token = STR("wlt_abc");
    options.url = STR("ftp://x");
    assert_false(client_create(&options, &client, &e));
    assert_int_equal(e.code, ERR_INVALID);
    options.url = STR("https://example.org/");
    assert_true(client_create(&options, &client, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_keep_their_message_and_their_code),
        cmocka_unit_test(problems_are_told_as_well),
        cmocka_unit_test(data_is_given),
        cmocka_unit_test(a_token_that_would_break_a_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
