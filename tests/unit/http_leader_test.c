#include "http/leader.h"

#include "test.h"

static struct io_loop *loop;
static unsigned replies;

static void replied(void *owner, const struct http_reply *reply, const struct err *e)
{
    (void)owner;
    assert_null(reply);
    assert_int_equal(e->code, ERR_UNAVAILABLE);
    replies++;
    io_loop_stop(loop);
}

static struct http_leader *create(const char *list)
{
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    struct http_leader *leader;
    struct err e;
    options.breaker.failures_max = 1;
    if (!http_leader_create(loop, "some-url", str_of_c(list), &options, &leader, &e))
        fail_msg("%s", e.message);
    return leader;
}

static void assert_refused(const char *list, const char *message)
{
    const struct http_client_options options = HTTP_CLIENT_DEFAULT;
    struct http_leader *leader;
    struct err e;
    assert_false(http_leader_create(loop, "some-url", str_of_c(list), &options, &leader, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.message, message);
}

/* Starts a call and returns whom it went to. */
static size_t call(struct http_leader *leader, struct http_call **ret_call)
{
    const struct http_call_options options = { .deadline_ms = 5'000, .fn = replied };
    size_t address = 0;
    struct err e;
    if (!http_leader_call(leader, "/x", &options, &address, ret_call, &e))
        fail_msg("%s", e.message);
    return address;
}

static size_t asked(struct http_leader *leader)
{
    struct http_call *started;
    size_t address = call(leader, &started);
    http_call_cancel(started);
    return address;
}

static void a_list_is_read_and_what_is_wrong_is_named(void **state)
{
    (void)state;
    struct http_leader *leader = create("unix:/a, http://127.0.0.1:1 ,http://[::1]:2/");
    assert_int_equal(http_leader_count(leader), 3);
    http_leader_destroy(leader);
    assert_refused("unix:/a,,unix:/b", "some-url: \"\" is neither http://HOST:PORT nor unix:/path");
    assert_refused("unix:/a,ftp://b",
                   "some-url: \"ftp://b\" is neither http://HOST:PORT nor unix:/path");
    assert_refused("unix:/1,unix:/2,unix:/3,unix:/4,unix:/5,unix:/6,unix:/7,unix:/8,unix:/9,"
                   "unix:/10,unix:/11,unix:/12,unix:/13,unix:/14,unix:/15,unix:/16,unix:/17",
                   "some-url: more than 16 addresses");
}

static void calls_stay_with_one_until_it_is_passed(void **state)
{
    (void)state;
    struct http_leader *leader = create("unix:/nowhere/a,unix:/nowhere/b");
    assert_int_equal(asked(leader), 0);
    assert_int_equal(asked(leader), 0);
    http_leader_pass(leader, 0, true);
    assert_int_equal(asked(leader), 1);
    http_leader_pass(leader, 0, true); /* another call had found the same */
    assert_int_equal(asked(leader), 1);
    http_leader_found(leader); /* of a call that began before, elsewhere */
    assert_int_equal(asked(leader), 1);
    http_leader_pass(leader, 1, false);
    assert_int_equal(asked(leader), 0);
    http_leader_destroy(leader);
}

static void nobody_leads_when_all_have_said_so(void **state)
{
    (void)state;
    struct http_leader *leader = create("unix:/nowhere/a,unix:/nowhere/b");
    assert_false(http_leader_is_none(leader));
    http_leader_pass(leader, 0, true);
    assert_false(http_leader_is_none(leader));
    http_leader_pass(leader, 1, false); /* it may lead, and cannot be reached */
    assert_false(http_leader_is_none(leader));
    http_leader_pass(leader, 1, true);
    assert_true(http_leader_is_none(leader));
    http_leader_found(leader);
    assert_false(http_leader_is_none(leader));
    http_leader_destroy(leader);
}

static void an_open_breaker_is_gone_round(void **state)
{
    (void)state;
    struct http_leader *leader = create("unix:/nowhere/a,unix:/nowhere/b");
    struct http_call *started;
    struct err e;
    replies = 0;
    assert_int_equal(call(leader, &started), 0);
    io_loop_run(loop);
    assert_int_equal(call(leader, &started), 1);
    io_loop_run(loop);
    assert_int_equal(replies, 2);
    const struct http_call_options options = { .deadline_ms = 5'000, .fn = replied };
    size_t address;
    assert_false(http_leader_call(leader, "/x", &options, &address, &started, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE); /* both refuse for a while */
    struct http_client_stats stats = http_leader_stats(leader);
    assert_int_equal(stats.failures, 2);
    assert_int_equal(stats.refused, 3);
    http_leader_destroy(leader);
}

static int begin(void **state)
{
    (void)state;
    loop = io_loop_create();
    return 0;
}

static int end(void **state)
{
    (void)state;
    io_loop_destroy(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_and_what_is_wrong_is_named),
        cmocka_unit_test(calls_stay_with_one_until_it_is_passed),
        cmocka_unit_test(nobody_leads_when_all_have_said_so),
        cmocka_unit_test(an_open_breaker_is_gone_round),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
