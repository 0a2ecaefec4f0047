#include "rules/task.h"

#include "rules/retry.h"
#include "test.h"

static void states_have_their_status(void **state)
{
    static const enum rule_status expected[STATE_COUNT] = {
        [STATE_SCHEDULED] = STATUS_PENDING,   [STATE_READY] = STATUS_PENDING,
        [STATE_BLOCKED] = STATUS_PENDING,     [STATE_RETRYING] = STATUS_PENDING,
        [STATE_RUNNING] = STATUS_IN_PROGRESS, [STATE_SUCCEEDED] = STATUS_COMPLETED,
        [STATE_CANCELLED] = STATUS_FAILED,    [STATE_DEAD] = STATUS_FAILED,
    };
    (void)state;
    for (size_t i = 0; i < STATE_COUNT; i++)
        assert_int_equal(rule_status_of((enum rule_state)i), expected[i]);
}

static void what_waits_is_ready_scheduled_or_retrying(void **state)
{
    (void)state;
    assert_int_equal(rule_waiting_state(10, 0, 10), STATE_READY);
    assert_int_equal(rule_waiting_state(10, 2, 10), STATE_READY);
    assert_int_equal(rule_waiting_state(11, 0, 10), STATE_SCHEDULED);
    assert_int_equal(rule_waiting_state(11, 1, 10), STATE_RETRYING);
}

static void every_name_is_there_and_priorities_read_back(void **state)
{
    enum rule_priority priority;
    (void)state;
    for (size_t i = 0; i < STATE_COUNT; i++)
        assert_true(rule_state_name((enum rule_state)i).len > 0);
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        assert_true(rule_outcome_name((enum rule_outcome)i).len > 0);
    for (size_t i = 0; i < PRIORITY_COUNT; i++) {
        assert_true(rule_priority_of(rule_priority_name((enum rule_priority)i), &priority));
        assert_int_equal(priority, i);
    }
    assert_false(rule_priority_of(STR("NORMAL"), &priority));
}

static void retries_wait_twice_as_long_each_time(void **state)
{
    (void)state;
    for (unsigned attempt = 1; attempt < 64; attempt++) {
        int64_t plain = RETRY_FIRST_MS;
        for (unsigned i = 1; i < attempt && plain < RETRY_MAX_MS; i++)
            plain *= 2;
        plain = min_of(plain, (int64_t)RETRY_MAX_MS);
        for (uint32_t chance = 0; chance < UINT32_MAX - 99'999'999; chance += 99'999'999) {
            int64_t delay = retry_delay_ms(attempt, chance);
            assert_in_range(delay, plain * 8 / 10, plain * 12 / 10);
        }
    }
    assert_int_not_equal(retry_delay_ms(5, 1), retry_delay_ms(5, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_have_their_status),
        cmocka_unit_test(what_waits_is_ready_scheduled_or_retrying),
        cmocka_unit_test(every_name_is_there_and_priorities_read_back),
        cmocka_unit_test(retries_wait_twice_as_long_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
