#include "worker/live_lane.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "test.h"

enum { NOW = 1'000'000 };

static uint32_t chance(uint32_t below)
{
    uint32_t n;
    random_ids(&n, sizeof n);
    return n % below;
}

static struct live *add(struct live_set *set, uint32_t type, uint8_t priority, int64_t at_us)
{
    struct live *task = live_add(set, uuid_v7());
    live_join(set, task,
              &(struct live_lane){ .type = type, .priority = (enum rule_priority)priority });
    task->at_us = at_us;
    task->state = LIVE_WAITING;
    live_place(set, task, NOW);
    return task;
}

/* Of one type, without ageing; NULL: none. */
static struct live *first_ready(struct live_set *set, uint32_t type, bool crashed)
{
    struct live_pick pick = { .set = set, .now_us = NOW, .of_crashed = crashed };
    live_pick_consider(&pick, type);
    return live_pick_end(&pick);
}

/* By priority, then since when it waits, then id. */
static bool is_in_order(const struct live_set *set, const struct live *a,
                        const struct live_lane *lane, const struct live *b)
{
    enum rule_priority other = live_lane_of(set, b).priority;
    if (lane->priority != other)
        return lane->priority > other;
    return a->at_us != b->at_us ? a->at_us < b->at_us
                                : memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) < 0;
}

static void ready_ones_come_by_priority_age_and_id(void **state)
{
    struct live_set *set = live_create();
    (void)state;
    for (int i = 0; i < 3000; i++)
        (void)add(set, 3, (uint8_t)chance(3), chance(50));
    const struct live *last = NULL;
    static struct live copy;
    struct live_lane lane = { 0 };
    size_t count = 0;
    for (struct live *task; (task = first_ready(set, 3, false)); count++) {
        if (last)
            assert_true(is_in_order(set, last, &lane, task));
        copy = *task;
        lane = live_lane_of(set, task);
        last = &copy;
        live_remove(set, task);
    }
    assert_int_equal(count, 3000);
    assert_int_equal(live_count(set), 0);
    assert_int_equal(live_ready_count(set), 0);
    live_destroy(set);
}

static void what_is_not_due_waits_until_it_is(void **state)
{
    struct live_set *set = live_create();
    (void)state;
    struct live *later = add(set, 0, PRIORITY_HIGH, NOW + 10);
    assert_null(first_ready(set, 0, false));
    assert_ptr_equal(live_first_due(set), later);
    live_ripen(set, NOW + 9);
    assert_null(first_ready(set, 0, false));
    live_ripen(set, NOW + 10);
    assert_ptr_equal(first_ready(set, 0, false), later);
    assert_null(live_first_due(set));
    live_destroy(set);
}

static void what_crashed_waits_apart(void **state)
{
    struct live_set *set = live_create();
    (void)state;
    struct live *task = add(set, 0, PRIORITY_NORMAL, 0);
    live_lift(set, task);
    live_leave(set, live_crash(set, task));
    live_place(set, task, NOW);
    assert_null(first_ready(set, 0, false));
    assert_ptr_equal(first_ready(set, 0, true), task);
    live_destroy(set);
}

static void deadlines_move_when_it_was_told(void **state)
{
    struct live_set *set = live_create();
    (void)state;
    struct live *task = add(set, 0, PRIORITY_NORMAL, 0);
    live_lift(set, task);
    task->state = LIVE_RUNNING;
    task->timeout_s = 5;
    live_place(set, task, NOW);
    assert_true(live_deadline_us(live_first_deadline(set)) == 5 * CLOCK_S);
    live_lift(set, task);
    task->flags |= LIVE_OVERDUE;
    live_place(set, task, NOW);
    assert_true(live_deadline_us(live_first_deadline(set)) == (5 + LIVE_GRACE_S) * CLOCK_S);
    assert_int_equal(live_running_count(set), 1);
    live_destroy(set);
}

/* Everything that memory does, at random, against an array that does it by looking. */
static void it_agrees_with_a_plain_list(void **state)
{
    enum { TASKS = 500, STEPS = 200'000 };
    struct live_set *set = live_create();
    static struct live *tasks[TASKS];
    static struct uuid ids[TASKS];
    size_t count = 0;
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        size_t i = chance(TASKS);
        if (!tasks[i]) {
            tasks[i] = add(set, chance(4), (uint8_t)chance(3), chance(2 * NOW));
            ids[i] = tasks[i]->id;
            count++;
        } else if (chance(3) == 0) {
            live_remove(set, tasks[i]);
            tasks[i] = NULL;
            count--;
            assert_null(live_find(set, ids[i]));
        } else {
            struct live was = *tasks[i];
            struct live_run run = live_run_of(set, tasks[i]);
            uint32_t left = UINT32_MAX;
            live_lift(set, tasks[i]);
            bool is_running = chance(2);
            tasks[i]->state = is_running ? LIVE_RUNNING : LIVE_WAITING;
            live_set_run(set, tasks[i], (struct live_run){ is_running ? step + 1 : 0, 7 });
            tasks[i]->at_us = chance(2 * NOW);
            if (chance(8) == 0)
                left = live_crash(set, tasks[i]);
            live_place(set, tasks[i], NOW);
            if (chance(2))
                live_restore(set, tasks[i], &was, run, NOW);
            else if (left != UINT32_MAX)
                live_leave(set, left);
        }
        assert_int_equal(live_count(set), count);
    }
    size_t ready = 0, running = 0, seen = 0, at = 0;
    for (size_t i = 0; i < TASKS; i++) {
        if (!tasks[i])
            continue;
        assert_ptr_equal(live_find(set, ids[i]), tasks[i]);
        ready += tasks[i]->state == LIVE_WAITING && tasks[i]->at_us <= NOW;
        running += tasks[i]->state == LIVE_RUNNING;
        assert_int_equal(tasks[i]->state == LIVE_RUNNING, live_run_of(set, tasks[i]).fence > 0);
    }
    while (live_next(set, &at))
        seen++;
    assert_int_equal(seen, count);
    assert_int_equal(live_ready_count(set), ready);
    assert_int_equal(live_running_count(set), running);
    live_destroy(set);
}

static void a_key_is_held_until_its_task_is_gone(void **state)
{
    struct live_set *set = live_create();
    struct live_key key = live_key_of(STR("k"));
    (void)state;
    assert_null(live_by_key(set, key));
    struct live *task = add(set, 0, PRIORITY_NORMAL, 0);
    live_hold_key(set, key, task);
    assert_ptr_equal(live_by_key(set, key), task);
    live_remove(set, task);
    assert_null(live_by_key(set, key));
    struct live *same_memory = add(set, 0, PRIORITY_NORMAL, 0);
    assert_ptr_equal(same_memory, task);
    assert_null(live_by_key(set, key));
    live_hold_key(set, key, same_memory);
    for (int i = 0; i < 5000; i++) { /* grows, and drops those who have gone */
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        struct live *other = add(set, 0, PRIORITY_NORMAL, 0);
        live_hold_key(set, live_key_of(str_of_c(text)), other);
        if (i % 2)
            live_remove(set, other);
    }
    assert_ptr_equal(live_by_key(set, key), same_memory);
    assert_non_null(live_by_key(set, live_key_of(STR("4000"))));
    assert_null(live_by_key(set, live_key_of(STR("4001"))));
    live_destroy(set);
}

static void a_million_cost_what_was_promised(void **state)
{
    enum { TASKS = 1 << 18 };
    struct live_set *set = live_create();
    (void)state;
    for (int i = 0; i < TASKS; i++)
        (void)add(set, 0, PRIORITY_NORMAL, i);
    assert_true(live_bytes(set) <= (size_t)TASKS * 64); /* with all ways to find them */
    live_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_ones_come_by_priority_age_and_id),
        cmocka_unit_test(what_is_not_due_waits_until_it_is),
        cmocka_unit_test(what_crashed_waits_apart),
        cmocka_unit_test(deadlines_move_when_it_was_told),
        cmocka_unit_test(it_agrees_with_a_plain_list),
        cmocka_unit_test(a_key_is_held_until_its_task_is_gone),
        cmocka_unit_test(a_million_cost_what_was_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
