#include "rules/job.h"

#include "base/clock.h"
#include "rules/zone.h"
#include "test.h"

static const int64_t noon = INT64_C(1'795'867'200) * CLOCK_S; /* a whole minute */
static const int64_t hour = INT64_C(3'600) * CLOCK_S;

static void fire(const char *schedule, int64_t due_us, int64_t now_us, enum rule_misfire misfire,
                 enum rule_overlap overlap, bool is_running, struct rule_firing *ret_firing)
{
    scoped(zone_destroyp) struct zone *utc = zone_create_utc();
    struct cron cron;
    struct err e;
    assert_true(cron_parse(str_of_c(schedule), STR(""), noon, &cron, &e));
    rule_job_fire(&cron, utc, due_us, now_us, misfire, overlap, is_running, ret_firing);
    if (ret_firing->has_next)
        assert_true(ret_firing->next_us > now_us);
}

static void a_firing_in_time_is_one_run_whatever_the_policy(void **state)
{
    struct rule_firing f;
    (void)state;
    for (int misfire = 0; misfire < MISFIRE_COUNT; misfire++)
        for (int overlap = 0; overlap < OVERLAP_COUNT; overlap++) {
            fire("* * * * *", noon, noon + 5'000, (enum rule_misfire)misfire,
                 (enum rule_overlap)overlap, false, &f);
            assert_int_equal(f.fire_count, 1);
            assert_int_equal(f.fire_us[0], noon);
            assert_false(f.is_overlapped);
            assert_int_equal(f.next_us, noon + 60 * CLOCK_S);
        }
}

static void missed_firings_follow_the_policy(void **state)
{
    struct rule_firing f;
    int64_t now_us = noon + hour + 90 * CLOCK_S; /* a minute and a half after 13:00 */
    (void)state;
    fire("0 * * * *", noon, now_us, MISFIRE_SKIP, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 0);
    assert_int_equal(f.next_us, noon + 2 * hour);
    fire("0 * * * *", noon, now_us, MISFIRE_RUN_ONCE, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 1);
    assert_int_equal(f.fire_us[0], noon + hour);
    fire("0 * * * *", noon, now_us, MISFIRE_RUN_ALL, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 2);
    assert_int_equal(f.fire_us[0], noon);
    assert_int_equal(f.fire_us[1], noon + hour);
    assert_int_equal(f.next_us, noon + 2 * hour);
}

/* Of those that were missed before it nothing is made up. */
static void a_late_firing_is_not_missed_within_a_minute(void **state)
{
    struct rule_firing f;
    (void)state;
    fire("0 * * * *", noon, noon + (hour + 60 * CLOCK_S), MISFIRE_SKIP, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 1);
    assert_int_equal(f.fire_us[0], noon + hour);
    fire("0 * * * *", noon, noon + (hour + 60 * CLOCK_S) + 1, MISFIRE_SKIP, OVERLAP_ALLOW, false,
         &f);
    assert_int_equal(f.fire_count, 0);
}

static void making_up_is_bounded_and_keeps_the_latest(void **state)
{
    struct rule_firing f;
    int64_t now_us = noon + INT64_C(30) * 86'400 * CLOCK_S; /* 2.6 million firings */
    (void)state;
    fire("* * * * * *", noon, now_us, MISFIRE_RUN_ALL, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, RULE_CATCH_UP_MAX);
    for (size_t i = 0; i < RULE_CATCH_UP_MAX; i++)
        assert_int_equal(f.fire_us[i], now_us - (int64_t)(RULE_CATCH_UP_MAX - 1 - i) * CLOCK_S);
    assert_int_equal(f.next_us, now_us + CLOCK_S);
    fire("0 0 1 1 *", noon, noon + INT64_C(40) * 366 * 86'400 * CLOCK_S, MISFIRE_RUN_ALL,
         OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 40);
}

static void overlaps_follow_the_policy(void **state)
{
    struct rule_firing f;
    (void)state;
    fire("* * * * *", noon, noon, MISFIRE_RUN_ONCE, OVERLAP_SKIP, true, &f);
    assert_int_equal(f.fire_count, 0);
    assert_true(f.is_overlapped);
    assert_int_equal(f.next_us, noon + 60 * CLOCK_S);
    fire("* * * * *", noon, noon, MISFIRE_RUN_ONCE, OVERLAP_ALLOW, true, &f);
    assert_int_equal(f.fire_count, 1);
    fire("* * * * *", noon, noon, MISFIRE_RUN_ONCE, OVERLAP_CANCEL_RUNNING, true, &f);
    assert_int_equal(f.fire_count, 1);
    /* of many at once only the last would stay */
    fire("* * * * *", noon, noon + 600 * CLOCK_S, MISFIRE_RUN_ALL, OVERLAP_SKIP, false, &f);
    assert_int_equal(f.fire_count, 1);
    assert_int_equal(f.fire_us[0], noon + 600 * CLOCK_S);
    fire("* * * * *", noon, noon + 600 * CLOCK_S, MISFIRE_RUN_ALL, OVERLAP_CANCEL_RUNNING, true,
         &f);
    assert_int_equal(f.fire_count, 1);
}

/* A row whose time is no firing of its schedule, and a schedule that has run out. */
static void what_is_due_need_not_be_a_firing(void **state)
{
    struct rule_firing f;
    (void)state;
    fire("0 * * * *", noon + 1, noon + 10 * CLOCK_S, MISFIRE_RUN_ALL, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 0);
    assert_int_equal(f.next_us, noon + hour);
    fire("0 0 30 2 *", noon, noon, MISFIRE_RUN_ALL, OVERLAP_ALLOW, false, &f);
    assert_int_equal(f.fire_count, 0);
    assert_false(f.has_next);
}

static void jitter_is_a_hash_within_its_bound(void **state)
{
    struct uuid job = { .bytes = { 1, 2, 3 } }, other = { .bytes = { 1, 2, 4 } };
    int64_t least = INT64_MAX, most = 0;
    (void)state;
    assert_int_equal(rule_job_jitter_us(job, noon, 0), 0);
    for (int i = 0; i < 1'000; i++) {
        int64_t us = rule_job_jitter_us(job, noon + i * CLOCK_S, 10);
        assert_in_range(us, 0, 10 * CLOCK_S);
        assert_int_equal(us, rule_job_jitter_us(job, noon + i * CLOCK_S, 10));
        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    assert_true(least < CLOCK_S && most > 9 * CLOCK_S);
    assert_int_not_equal(rule_job_jitter_us(job, noon, 3'600),
                         rule_job_jitter_us(other, noon, 3'600));
}

static void names_are_read_back(void **state)
{
    enum rule_misfire misfire;
    enum rule_overlap overlap;
    (void)state;
    for (int i = 0; i < MISFIRE_COUNT; i++)
        assert_true(rule_misfire_of(rule_misfire_name((enum rule_misfire)i), &misfire) &&
                    misfire == (enum rule_misfire)i);
    for (int i = 0; i < OVERLAP_COUNT; i++)
        assert_true(rule_overlap_of(rule_overlap_name((enum rule_overlap)i), &overlap) &&
                    overlap == (enum rule_overlap)i);
    assert_false(rule_misfire_of(STR("RUN_ONCE"), &misfire));
    assert_false(rule_overlap_of(STR(""), &overlap));
    assert_str(rule_job_name(JOB_PAUSED), "paused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_firing_in_time_is_one_run_whatever_the_policy),
        cmocka_unit_test(missed_firings_follow_the_policy),
        cmocka_unit_test(a_late_firing_is_not_missed_within_a_minute),
        cmocka_unit_test(making_up_is_bounded_and_keeps_the_latest),
        cmocka_unit_test(overlaps_follow_the_policy),
        cmocka_unit_test(what_is_due_need_not_be_a_firing),
        cmocka_unit_test(jitter_is_a_hash_within_its_bound),
        cmocka_unit_test(names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
