#include "runner/wire.h"

#include "test.h"

static bool read_answer(struct arena *a, const char *text, struct wire_answer *answer,
                        struct err *e)
{
    return wire_read_answer(a, str_of_c(text), answer, e);
}

static void an_answer_holds_what_it_says_and_no_more(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct wire_answer answer;
    struct err e;
    assert_true(read_answer(a, "{}", &answer, &e));
    assert_int_equal(
        answer.lease_count + answer.ack_count + answer.command_count + answer.lost_count, 0);
    assert_int_equal(answer.mode, WIRE_RUN);
    assert_true(read_answer(
        a,
        "{\"leases\": [{\"task\": \"t1\", \"type\": \"sleep\", \"fence\": \"0:9007199254740993\","
        " \"payload\": {\"seconds\": 1}, \"attempt\": 3, \"deadline_us\": 1764336000000000,"
        " \"lease_until_us\": 1764335990000000,"
        " \"checkpoint\": null, \"unknown\": []}, {\"task\": \"t2\", \"type\": \"noop\","
        " \"fence\": \"0:2\"}],"
        " \"acks\": [{\"task\": \"t3\", \"outcome\": \"duplicate\"},"
        " {\"task\": \"t4\", \"outcome\": \"unknown\"}],"
        " \"commands\": [{\"kind\": \"cancel\", \"task\": \"t5\", \"fence\": \"0:5\","
        " \"reason\": \"timeout\"}, {\"kind\": \"dance\"}],"
        " \"lost\": [{\"task\": \"t6\", \"fence\": \"0:6\"}], \"mode\": \"quiet\"}",
        &answer, &e));
    assert_int_equal(answer.lease_count, 2);
    assert_str(answer.leases[0].task, "t1");
    assert_str(answer.leases[0].type, "sleep");
    assert_str(answer.leases[0].fence, "0:9007199254740993");
    assert_non_null(json_get_c(answer.leases[0].payload, "seconds"));
    assert_int_equal(answer.leases[0].attempt, 3);
    assert_true(answer.leases[0].deadline_us == 1764336000000000);
    assert_true(answer.leases[0].lease_until_us == 1764335990000000);
    assert_int_equal(answer.leases[1].payload->type, JSON_NULL);
    assert_int_equal(answer.leases[1].attempt, 1);
    assert_true(answer.leases[1].deadline_us == 0);
    assert_int_equal(answer.ack_count, 2);
    assert_int_equal(answer.acks[0].verdict, WIRE_DUPLICATE);
    assert_int_equal(answer.acks[1].verdict, WIRE_UNKNOWN);
    assert_int_equal(answer.command_count, 2);
    assert_true(answer.commands[0].is_timeout);
    assert_str(answer.commands[0].fence, "0:5");
    assert_str(answer.commands[1].fence, ""); /* of a kind that a newer worker knows */
    assert_int_equal(answer.lost_count, 1);
    assert_str(answer.lost[0].task, "t6");
    assert_int_equal(answer.mode, WIRE_QUIET);
}

static void what_makes_no_sense_is_refused_by_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } rows[] = {
        { "", "$: " },
        { "[]", "$: object expected" },
        { "{\"leases\": {}}", "$.leases: array" },
        { "{\"leases\": [1]}", "$.leases[0].task: text" },
        { "{\"leases\": [{\"task\": \"a\", \"type\": \"b\"}]}", "$.leases[0].fence: text" },
        { "{\"leases\": [{\"task\": \"a\", \"type\": \"b\", \"fence\": \"c\", \"attempt\": "
          "\"1\"}]}",
          "$.leases[0].attempt: whole number" },
        { "{\"leases\": [{\"task\": \"a\", \"type\": \"b\", \"fence\": \"c\", "
          "\"deadline_us\": 1e30}]}",
          "$.leases[0].deadline_us: whole number" },
        { "{\"acks\": [{\"task\": \"a\", \"outcome\": \"applied\"}, {\"task\": \"a\", "
          "\"outcome\": \"lost\"}]}",
          "$.acks[1].outcome: applied" },
        { "{\"commands\": [{\"kind\": \"cancel\", \"task\": \"a\"}]}", "$.commands[0].fence" },
        { "{\"lost\": [{\"fence\": \"a\"}]}", "$.lost[0].task" },
        { "{\"mode\": \"party\"}", "$.mode: run" },
        { "{\"mode\": 1}", "$.mode: run" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        struct wire_answer answer = { .lease_count = 77 };
        struct err e;
        if (read_answer(a, rows[i].text, &answer, &e))
            fail_msg("%s was read", rows[i].text);
        assert_int_equal(e.code, ERR_INVALID);
        if (!str_starts_with(str_of_c(e.message), str_of_c(rows[i].place)))
            fail_msg("%s: \"%s\"", rows[i].text, e.message);
        assert_int_equal(answer.lease_count, 77); /* nothing was given */
    }
}

static void a_session_must_be_usable_in_a_path_and_a_header(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        { "{\"session\": \"01a20a5b-5f81-77cf-a575-d6d734ea8519\", \"secret\": \"s\", "
          "\"ttl_ms\": 1000, \"heartbeat_ms\": 300}",
          true },
        { "{\"session\": \"../tasks\", \"secret\": \"s\", \"ttl_ms\": 1, \"heartbeat_ms\": 1}",
          false },
        { "{\"session\": \"01a20a5b-5f81-77cf-a575-d6d734ea8519\", \"secret\": \"a\\r\\nb\", "
          "\"ttl_ms\": 1, \"heartbeat_ms\": 1}",
          false },
        { "{\"session\": \"01a20a5b-5f81-77cf-a575-d6d734ea8519\", \"secret\": \"s\", "
          "\"ttl_ms\": 0, \"heartbeat_ms\": 1}",
          false },
        { "{\"session\": \"01a20a5b-5f81-77cf-a575-d6d734ea8519\", \"secret\": \"s\", "
          "\"ttl_ms\": 5}",
          false },
        { "{\"session\": \"01a20a5b-5f81-77cf-a575-d6d734ea8519\", \"secret\": \"s\", "
          "\"ttl_ms\": 10000000000, \"heartbeat_ms\": 1}",
          false },
        { "{\"secret\": \"s\", \"ttl_ms\": 1, \"heartbeat_ms\": 1}", false },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        struct wire_session session;
        struct err e;
        if (wire_read_session(a, str_of_c(rows[i].text), &session, &e) != rows[i].is_good)
            fail_msg("%s", rows[i].text);
    }
}

static void an_error_tells_its_message_or_nothing(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    assert_str(wire_read_error(a, STR("{\"detail\": \"not now\"}")), "not now");
    assert_str(wire_read_error(a, STR("{\"detail\": 1}")), "");
    assert_str(wire_read_error(a, STR("<html>")), "");
    assert_str(wire_read_error(a, STR("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_holds_what_it_says_and_no_more),
        cmocka_unit_test(what_makes_no_sense_is_refused_by_place),
        cmocka_unit_test(a_session_must_be_usable_in_a_path_and_a_header),
        cmocka_unit_test(an_error_tells_its_message_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
