#include "runner/acks.h"

#include "test.h"

static void add(struct acks *acks, const char *task, const char *fence)
{
    acks_add(acks, &(struct ack){ .task = str_of_c(task),
                                  .fence = str_of_c(fence),
                                  .outcome = ACK_COMPLETE,
                                  .result = STR("[1]") });
}

/* What a carrier takes, as text in `buf`. */
static struct str taken(struct acks *acks, enum ack_carrier carrier, struct buf *buf)
{
    buf_reset(buf);
    struct json_writer w = json_writer_to(buf);
    acks_take(acks, carrier, &w);
    return buf_str(buf);
}

/* The tasks of `text`, one letter each. */
static const char *letters(struct str text)
{
    static char found[8];
    size_t count = 0;
    ptrdiff_t at;
    while ((at = str_find(text, STR("\"task\":\""))) >= 0 && count < sizeof found - 1) {
        text = str_from(text, (size_t)at + 8);
        found[count++] = text.ptr[0];
    }
    found[count] = '\0';
    return found;
}

struct setting {
    struct acks acks;
    struct buf buf;
};

static int begin(void **state)
{
    static struct setting setting;
    acks_init(&setting.acks);
    buf_init(&setting.buf, 0);
    *state = &setting;
    return 0;
}

static int end(void **state)
{
    struct setting *s = *state;
    acks_clear(&s->acks);
    assert_int_equal(s->acks.count, 0);
    buf_clear(&s->buf);
    return 0;
}

static void they_are_written_as_the_protocol_says(void **state)
{
    struct setting *s = *state;
    add(&s->acks, "a", "0:1");
    acks_add(&s->acks, &(struct ack){ .task = STR("b"),
                                      .fence = STR("0:2"),
                                      .outcome = ACK_FAIL,
                                      .error = STR("no \"luck\"\n\x01"),
                                      .retry_in_ms = 700 });
    assert_str(taken(&s->acks, ACK_ON_ACKS, &s->buf),
               "[{\"task\":\"a\",\"fence\":\"0:1\",\"outcome\":\"complete\",\"result\":[1]},"
               "{\"task\":\"b\",\"fence\":\"0:2\",\"outcome\":\"fail\","
               "\"error\":\"no \\\"luck\\\"  \",\"retry_in_ms\":700}]");
}

static void errors_are_cut_at_a_character_and_made_utf8(void **state)
{
    struct setting *s = *state;
    char text[ACK_ERROR_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    memcpy(text + ACK_ERROR_BYTES_MAX - 1, "\xc3\xa9", 2); /* one half would remain */
    acks_add(&s->acks, &(struct ack){ .task = STR("a"),
                                      .fence = STR("f"),
                                      .outcome = ACK_FAIL,
                                      .error = str_of(text, sizeof text) });
    acks_add(&s->acks, &(struct ack){ .task = STR("b"),
                                      .fence = STR("f"),
                                      .outcome = ACK_FAIL,
                                      .error = STR("\xff\xfe!") });
    struct str written = taken(&s->acks, ACK_ON_ACKS, &s->buf);
    assert_true(str_is_utf8(written));
    assert_true(str_find(written, STR("x\"}")) > ACK_ERROR_BYTES_MAX - 2);
    assert_true(str_find(written, STR("\xc3")) < 0);
    assert_true(str_find(written, STR("\"?\?!\"")) > 0);
}

static void what_is_answered_goes_and_the_rest_comes_back_in_order(void **state)
{
    struct setting *s = *state;
    uint64_t counts[WIRE_VERDICT_COUNT] = { 0 };
    static const struct wire_ack answers[] = {
        { STR("c"), WIRE_STALE },
        { STR("a"), WIRE_APPLIED },
        { STR("z"), WIRE_APPLIED },
        { STR("a"), WIRE_DUPLICATE },
    };
    add(&s->acks, "a", "0:1");
    add(&s->acks, "b", "0:2");
    add(&s->acks, "c", "0:3");
    add(&s->acks, "a", "0:4"); /* a later attempt of the first */
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "abca");
    add(&s->acks, "d", "0:5");
    assert_int_equal(acks_settle(&s->acks, ACK_ON_ACKS, answers, countof(answers), counts), 1);
    assert_int_equal(counts[WIRE_APPLIED], 1);
    assert_int_equal(counts[WIRE_DUPLICATE], 1);
    assert_int_equal(counts[WIRE_STALE], 1);
    assert_int_equal(s->acks.count, 2);
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "bd");
}

static void carriers_do_not_mix_and_a_lost_call_gives_back(void **state)
{
    struct setting *s = *state;
    add(&s->acks, "a", "1");
    assert_string_equal(letters(taken(&s->acks, ACK_ON_LEASES, &s->buf)), "a");
    add(&s->acks, "b", "2");
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "b");
    add(&s->acks, "c", "3");
    assert_int_equal(s->acks.count, 3);
    assert_int_equal(s->acks.waiting_count, 1);
    acks_give_back(&s->acks, ACK_ON_LEASES);
    assert_string_equal(letters(taken(&s->acks, ACK_ON_LEASES, &s->buf)), "ac");
    buf_reset(&s->buf);
    struct json_writer w = json_writer_to(&s->buf);
    json_begin_array(&w);
    acks_write_tasks(&s->acks, &w);
    json_end_array(&w);
    assert_string_equal(letters(buf_str(&s->buf)), "acb"); /* all that are not answered */
}

static void a_call_takes_no_more_than_it_may(void **state)
{
    struct setting *s = *state;
    char task[16];
    for (int i = 0; i <= ACKS_ONE_CALL_MAX; i++) {
        (void)snprintf(task, sizeof task, "t%d", i);
        add(&s->acks, task, "f");
    }
    (void)taken(&s->acks, ACK_ON_ACKS, &s->buf);
    assert_int_equal(s->acks.waiting_count, 1);
    acks_clear(&s->acks);
    struct buf big;
    buf_init(&big, 0);
    json_put_string(&big, STR(""));
    big.len--;
    while (big.len < ACKS_ONE_CALL_BYTES)
        buf_put_char(&big, 'x');
    buf_put_char(&big, '"');
    for (int i = 0; i < 2; i++)
        acks_add(&s->acks, &(struct ack){ .task = STR("a"),
                                          .fence = STR("f"),
                                          .outcome = ACK_COMPLETE,
                                          .result = buf_str(&big) });
    buf_clear(&big);
    (void)taken(&s->acks, ACK_ON_ACKS, &s->buf); /* longer than allowed, but alone */
    assert_int_equal(s->acks.waiting_count, 1);
}

static void the_one_that_is_refused_is_found_and_told_as_fatal(void **state)
{
    struct setting *s = *state;
    uint64_t counts[WIRE_VERDICT_COUNT] = { 0 };
    const struct wire_ack good = { STR("a"), WIRE_APPLIED };
    add(&s->acks, "a", "1");
    add(&s->acks, "b", "2");
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "ab");
    assert_true(acks_refuse(&s->acks, ACK_ON_ACKS, STR("too long")));
    add(&s->acks, "c", "3");
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "a");
    assert_int_equal(acks_settle(&s->acks, ACK_ON_ACKS, &good, 1, counts), 0);
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "b");
    assert_true(acks_refuse(&s->acks, ACK_ON_ACKS, STR("too long")));
    assert_str(taken(&s->acks, ACK_ON_ACKS, &s->buf),
               "[{\"task\":\"b\",\"fence\":\"2\",\"outcome\":\"fatal\",\"error\":\"too long\"}]");
    assert_false(acks_refuse(&s->acks, ACK_ON_ACKS, STR("too long"))); /* and is dropped */
    assert_int_equal(s->acks.count, 1);
    assert_int_equal(s->acks.single_count, 0);
    assert_string_equal(letters(taken(&s->acks, ACK_ON_ACKS, &s->buf)), "c");
}

/* Lines of the attempt are on a heartbeat. */
static void add_with_logs(struct acks *acks, const char *task, const char *logs)
{
    acks_add(acks, &(struct ack){ .task = str_of_c(task),
                                  .fence = STR("1"),
                                  .outcome = ACK_COMPLETE,
                                  .logs = str_of_c(logs),
                                  .logs_out = STR("{\"n\":1}") });
}

static void what_follows_a_heartbeat_tells_what_did_not_arrive_with_it(void **state)
{
    struct setting *s = *state;
    add_with_logs(&s->acks, "a", "{\"n\":2}");
    add_with_logs(&s->acks, "b", "");
    assert_int_equal(s->acks.count, 2);
    assert_str(taken(&s->acks, ACK_ON_ACKS, &s->buf), "[]"); /* nobody knows what arrives */
    acks_heartbeat_ended(&s->acks, false);
    assert_str(taken(&s->acks, ACK_ON_ACKS, &s->buf),
               "[{\"task\":\"a\",\"fence\":\"1\",\"outcome\":\"complete\","
               "\"logs\":[{\"n\":1},{\"n\":2}]},"
               "{\"task\":\"b\",\"fence\":\"1\",\"outcome\":\"complete\","
               "\"logs\":[{\"n\":1}]}]");
    acks_clear(&s->acks);
    add_with_logs(&s->acks, "a", "{\"n\":2}");
    acks_heartbeat_ended(&s->acks, true);
    assert_str(taken(&s->acks, ACK_ON_ACKS, &s->buf),
               "[{\"task\":\"a\",\"fence\":\"1\",\"outcome\":\"complete\","
               "\"logs\":[{\"n\":2}]}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_are_written_as_the_protocol_says, begin, end),
        cmocka_unit_test_setup_teardown(errors_are_cut_at_a_character_and_made_utf8, begin, end),
        cmocka_unit_test_setup_teardown(what_is_answered_goes_and_the_rest_comes_back_in_order,
                                        begin, end),
        cmocka_unit_test_setup_teardown(carriers_do_not_mix_and_a_lost_call_gives_back, begin, end),
        cmocka_unit_test_setup_teardown(a_call_takes_no_more_than_it_may, begin, end),
        cmocka_unit_test_setup_teardown(what_follows_a_heartbeat_tells_what_did_not_arrive_with_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(the_one_that_is_refused_is_found_and_told_as_fatal, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
