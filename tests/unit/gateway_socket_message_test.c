#include "gateway/socket_message.h"

#include "test.h"

enum { ARENA_BYTES = 1 << 20 };

static bool read_text(struct arena *a, const char *text, struct socket_message *ret_message)
{
    struct err e;
    return socket_message_read(a, str_of_c(text), ret_message, &e);
}

static void reads_each_message_of_a_client(void **state)
{
    static const struct {
        const char *text;
        const char *id;
        enum socket_message_type type;
        bool has_payload;
    } cases[] = {
        { "{\"type\":\"connection_init\"}", "", SOCKET_INIT, false },
        { "{\"type\":\"connection_init\",\"payload\":null}", "", SOCKET_INIT, false },
        { "{\"type\":\"ping\",\"payload\":{}}", "", SOCKET_PING, true },
        { "{\"type\":\"pong\",\"id\":7}", "", SOCKET_PONG, false },
        { "{\"id\":\"a\",\"type\":\"complete\"}", "a", SOCKET_COMPLETE, false },
        { "{\"id\":\"\\u00e9\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\","
          "\"variables\":null,\"operationName\":null}}",
          "\xc3\xa9", SOCKET_SUBSCRIBE, true },
        { "{\"id\":\"a\",\"type\":\"subscribe\",\"payload\":{\"extensions\":{}}}", "a",
          SOCKET_SUBSCRIBE, true },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
        struct socket_message m;
        assert_true(read_text(a, cases[i].text, &m));
        assert_int_equal(m.type, cases[i].type);
        assert_true(str_eq_c(m.id, cases[i].id));
        assert_int_equal(m.payload != NULL, cases[i].has_payload);
    }
}

static void refuses_what_the_protocol_does_not_have(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"type\":null}",
        "{\"type\":\"next\"}",
        "{\"type\":\"connection_ack\"}",
        "{\"type\":\"ping\",\"payload\":1}",
        "{\"type\":\"complete\"}",
        "{\"type\":\"complete\",\"id\":\"\"}",
        "{\"type\":\"subscribe\",\"id\":\"a\"}",
        "{\"type\":\"subscribe\",\"payload\":{\"query\":\"\"}}",
        "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":{}}}",
        "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":\"\",\"variables\":\"\"}}",
    };
    (void)state;
    for (size_t i = 0; i < countof(bad); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
        struct socket_message m;
        assert_false(read_text(a, bad[i], &m));
    }
}

static void finds_the_token(void **state)
{
    static const struct {
        const char *payload, *token; /* NULL: refused */
    } cases[] = {
        { "{}", "" },
        { "{\"token\":null}", "" },
        { "{\"token\":\" t \"}", "t" },
        { "{\"authorization\":\"bearer t\"}", "t" },
        { "{\"Authorization\":\"Bearer  t\"}", "t" },
        { "{\"Authorization\":\"t\"}", NULL },
        { "{\"Authorization\":\"Basic t\"}", NULL },
        { "{\"token\":{}}", NULL },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
        const struct json_value *payload;
        struct str token;
        struct err e;
        assert_true(json_parse(a, str_of_c(cases[i].payload), &payload, &e));
        assert_int_equal(socket_message_token(payload, &token, &e), cases[i].token != NULL);
        if (cases[i].token)
            assert_true(str_eq_c(token, cases[i].token));
    }
}

static void writes_what_the_client_reads(void **state)
{
    struct buf out = { 0 };
    (void)state;
    socket_message_put_next(&out, STR("a\""));
    buf_put_c(&out, "{}}");
    socket_message_put_error(&out, STR("b"), STR("[]"));
    socket_message_put_complete(&out, STR("c"));
    socket_message_put_pong(&out, NULL);
    assert_true(str_eq_c(buf_str(&out), "{\"id\":\"a\\\"\",\"type\":\"next\",\"payload\":{}}"
                                        "{\"id\":\"b\",\"type\":\"error\",\"payload\":[]}"
                                        "{\"id\":\"c\",\"type\":\"complete\"}"
                                        "{\"type\":\"pong\"}"));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_message_of_a_client),
        cmocka_unit_test(refuses_what_the_protocol_does_not_have),
        cmocka_unit_test(finds_the_token),
        cmocka_unit_test(writes_what_the_client_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
