#include "gateway/task_filter.h"

#include "gateway/tasks.h"
#include "test.h"

#define ID "01a20a5b-5f81-77cf-a575-d6d734ea8519"

static const uint32_t failed = 1 << TASK_STATUS_FAILED, pending = 1 << TASK_STATUS_PENDING;

static struct record task(struct str cells[COL_tasks_COUNT], uint64_t given)
{
    static const struct str values[COL_tasks_COUNT] = {
        [COL_tasks_id] = { ID, 36 },
        [COL_tasks_type] = { "email", 5 },
        [COL_tasks_status] = { "failed", 6 },
        [COL_tasks_state] = { "dead", 4 },
        [COL_tasks_priority] = { "high", 4 },
        [COL_tasks_queue] = { "bulk", 4 },
        [COL_tasks_created_at] = { "2026-11-23 08:30:00+00", 22 },
    };
    memcpy(cells, values, sizeof values);
    return (struct record){ .table = tasks_table(),
                            .cells = cells,
                            .given = given | SELECT_BIT(COL_tasks_id) };
}

static uint64_t all_columns(void)
{
    return SELECT_BIT(COL_tasks_COUNT) - 1;
}

/* A column that is known decides; one that is not leaves it open, unless another says no. */
static void what_is_not_known_may_match(void **state)
{
    static const struct str email = { "email", 5 }, bulk = { "bulk", 4 }, other = { "other", 5 };
    static const struct task_filter_texts emails = { &email, 1 }, bulks = { &bulk, 1 },
                                          others = { &other, 1 };
    struct str cells[COL_tasks_COUNT];
    struct task_filter filter = { .types = &emails, .queues = &bulks };
    struct record known = task(cells, all_columns());
    struct record half = task(cells, SELECT_BIT(COL_tasks_type));
    (void)state;
    assert_int_equal(task_filter_match(&filter, &known), TASK_MATCH_YES);
    assert_int_equal(task_filter_match(&filter, &half), TASK_MATCH_MAYBE);
    filter.types = &others;
    assert_int_equal(task_filter_match(&filter, &half), TASK_MATCH_NO);
    filter = (struct task_filter){ .queues = &others };
    assert_int_equal(task_filter_match(&filter, &known), TASK_MATCH_NO);
    filter = (struct task_filter){ .types = &(struct task_filter_texts){ NULL, 0 } };
    assert_int_equal(task_filter_match(&filter, &known), TASK_MATCH_NO); /* none of none */
}

static void every_member_that_is_asked_for_is_read(void **state)
{
    static const int64_t moment_us = 1795422600000000; /* 2026-11-23T08:30:00Z */
    static const uint32_t dead = 1 << TASK_STATE_DEAD, low = 1 << TASK_PRIORITY_LOW;
    static const struct uuid job = { { 1 } };
    static const struct str suffix = { "d6d734ea8519", 12 };
    struct str cells[COL_tasks_COUNT];
    struct record known = task(cells, all_columns());
    const int64_t earlier_us = moment_us - 1;
    const struct {
        struct task_filter filter;
        enum task_match match;
        int column;
    } cases[] = {
        { { .statuses = &failed }, TASK_MATCH_YES, COL_tasks_status },
        { { .statuses = &pending }, TASK_MATCH_NO, COL_tasks_status },
        { { .states = &dead }, TASK_MATCH_YES, COL_tasks_state },
        { { .priorities = &low }, TASK_MATCH_NO, COL_tasks_priority },
        { { .job_id = &job }, TASK_MATCH_NO, COL_tasks_job_id },
        { { .id_suffix = &suffix }, TASK_MATCH_YES, COL_tasks_id },
        { { .created_after_us = &earlier_us }, TASK_MATCH_YES, COL_tasks_created_at },
        { { .created_after_us = &moment_us }, TASK_MATCH_NO, COL_tasks_created_at },
        { { .created_before_us = &moment_us }, TASK_MATCH_NO, COL_tasks_created_at },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        assert_int_equal(task_filter_match(&cases[i].filter, &known), cases[i].match);
        assert_true(task_filter_columns(&cases[i].filter) & SELECT_BIT(cases[i].column));
    }
}

/* It has failed now: what was it for a filter when it ran, or waited? */
static void what_matched_before_follows_from_the_status_then(void **state)
{
    static const uint32_t ready = 1 << TASK_STATE_READY, running = 1 << TASK_STATE_RUNNING;
    struct str cells[COL_tasks_COUNT];
    struct record known = task(cells, all_columns());
    const struct {
        struct task_filter filter;
        int from;
        enum task_match match;
    } cases[] = {
        { { .statuses = &failed }, TASK_STATUS_IN_PROGRESS, TASK_MATCH_NO },
        { { .statuses = &pending }, TASK_STATUS_PENDING, TASK_MATCH_YES },
        { { .states = &running }, TASK_STATUS_IN_PROGRESS, TASK_MATCH_YES },
        { { .states = &running }, TASK_STATUS_PENDING, TASK_MATCH_NO },
        { { .states = &ready }, TASK_STATUS_PENDING, TASK_MATCH_MAYBE }, /* or scheduled, … */
        { { .statuses = &failed }, -1, TASK_MATCH_YES },
        { { .statuses = &pending, .job_id = &(struct uuid){ { 1 } } },
          TASK_STATUS_PENDING,
          TASK_MATCH_NO },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++)
        assert_int_equal(task_filter_match_before(&cases[i].filter, &known, cases[i].from),
                         cases[i].match);
}

static const char *sql_of(struct arena *a, const struct task_filter *filter)
{
    static const struct task_filter_clock clock = { 7 * INT64_C(86'400'000'000),
                                                    INT64_C(3'600'000'000) };
    const struct select select = { .table = tasks_table(),
                                   .columns = SELECT_BIT(COL_tasks_id),
                                   .filter = task_filter_select(filter, &clock, a) };
    return select_statement(a, &select)->sql;
}

/* The planner must see that the partial indexes serve. */
static void status_and_state_stand_in_the_statement(void **state)
{
    static const uint32_t open = 1 << TASK_STATUS_PENDING | 1 << TASK_STATUS_IN_PROGRESS,
                          retrying = 1 << TASK_STATE_RETRYING | 1 << TASK_STATE_DEAD;
    struct arena *a = arena_create(1 << 20);
    (void)state;
    assert_string_equal(sql_of(a, &(struct task_filter){ 0 }),
                        "SELECT t.\"id\" FROM \"tasks\" AS t");
    assert_string_equal(sql_of(a, &(struct task_filter){ .statuses = &open }),
                        "SELECT t.\"id\" FROM \"tasks\" AS t WHERE "
                        "(t.\"status\" IN ('pending', 'in-progress'))");
    assert_string_equal(sql_of(a, &(struct task_filter){ .states = &retrying, .statuses = &open }),
                        "SELECT t.\"id\" FROM \"tasks\" AS t WHERE "
                        "(t.\"status\" IN ('pending') AND t.\"state\" IN ('retrying', 'dead'))");
    arena_destroy(a);
}

/* What no index serves alone goes to the slow lane, and the dearest member is the one to narrow. */
static void what_it_costs_is_known(void **state)
{
    static const struct str text = { "x", 1 };
    static const struct task_filter_texts one = { &text, 1 };
    static const uint32_t completed = 1 << TASK_STATUS_COMPLETED,
                          running = 1 << TASK_STATUS_IN_PROGRESS, ready = 1 << TASK_STATE_READY;
    static const struct str suffix = { "01234567", 8 };
    static const struct uuid nil;
    static const int64_t now_us = 1;
    static const struct task_filter_ids ids = { NULL, 0 };
    const struct {
        struct task_filter filter;
        bool is_bounded, is_few, is_counted;
        const char *dearest;
    } cases[] = {
        { { 0 }, true, false, true, "filter" },
        { { .statuses = &failed }, true, false, true, "filter.status" },
        { { .statuses = &pending }, true, false, true, "filter.status" },
        { { .statuses = &completed }, false, false, true, "filter.status" },
        { { .statuses = &running }, false, false, true, "filter.status" },
        { { .types = &one }, true, false, true, "filter.type" },
        { { .types = &one, .statuses = &failed }, false, false, true, "filter.status" },
        { { .states = &ready }, false, false, false, "filter.state" },
        { { .states = &ready, .statuses = &failed }, true, true, false, "filter.state" },
        { { .queues = &one }, false, false, false, "filter.queue" },
        { { .search = &text, .queues = &one }, false, false, false, "filter.search" },
        { { .ids = &ids, .search = &text }, true, true, false, "filter.search" },
        { { .id_suffix = &suffix, .queues = &one }, true, true, false, "filter.queue" },
        { { .job_id = &nil }, true, false, false, "filter" },
        { { .created_after_us = &now_us }, false, false, false, "filter.createdAfter" },
        { { .created_before_us = &now_us }, false, false, false, "filter.createdBefore" },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        assert_int_equal(task_filter_is_bounded(&cases[i].filter), cases[i].is_bounded);
        assert_int_equal(task_filter_is_few(&cases[i].filter), cases[i].is_few);
        assert_int_equal(task_filter_is_counted(&cases[i].filter), cases[i].is_counted);
        assert_string_equal(task_filter_dearest(&cases[i].filter), cases[i].dearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_may_match),
        cmocka_unit_test(every_member_that_is_asked_for_is_read),
        cmocka_unit_test(what_matched_before_follows_from_the_status_then),
        cmocka_unit_test(status_and_state_stand_in_the_statement),
        cmocka_unit_test(what_it_costs_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
