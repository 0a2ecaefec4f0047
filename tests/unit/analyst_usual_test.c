#include "analyst/usual.h"

#include "analyst/chance.h"
#include "analyst_series.h"
#include "test.h"

static void judges_by_the_history_alone(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const double history[] = { 10, 11, 9, 10, 12, 8, 10, 11, 9, 10, 500, 10 };
    struct usual u;
    assert_true(usual_judge(a, history, countof(history), 60, 12, 30, 0.1, &u));
    assert_true(u.expected == 10);
    assert_true(u.z > 8 && u.p < 0.01);
    assert_true(usual_judge(a, history, countof(history), 60, 12, 10.5, 0.1, &u));
    assert_true(u.p > 0.2);
    assert_true(usual_judge(a, history, countof(history), 60, 12, -10, 0.1, &u));
    assert_true(u.z < -8 && u.p < 0.01);
}

static void needs_a_history_and_a_value(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const double history[] = { 1, 2, 1, 2, 1, 2, 1, (double)NAN, (double)NAN, (double)NAN };
    const double same[] = { 4, 4, 4, 4, 4, 4, 4, 4 };
    struct usual u;
    assert_false(usual_judge(a, history, countof(history), 60, 10, 1, 0.1, &u)); /* seven */
    assert_false(usual_judge(a, same, countof(same), 60, 8, (double)NAN, 0.1, &u));
    assert_true(
        usual_judge(a, same, countof(same), 60, 8, 4.1, 1, &u)); /* the least spread counts */
    assert_true(u.p > 0.4);
}

static void knows_the_time_of_day(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    struct chance_source c = { 41 };
    double history[24 * 7];
    struct usual u;
    for (size_t i = 0; i < countof(history); i++)
        history[i] = (i % 24 < 8 ? 5 : 100) + chance_normal(&c);
    assert_true(usual_judge(a, history, countof(history), 3'600, countof(history) + 3, 5, 0.5, &u));
    assert_int_equal(u.period, 24);
    assert_true(u.p > 0.05);
    assert_true(
        usual_judge(a, history, countof(history), 3'600, countof(history) + 3, 100, 0.5, &u));
    assert_true(u.p < 1e-4);
}

/* At p < 0.01 on either side: at most two in a hundred, also where points remember. */
static void false_alarms_keep_their_rate(void **state)
{
    (void)state;
    enum { SERIES = 2'000, POINTS = 47 };
    static const double memories[] = { 0, 0.6 };
    for (size_t m = 0; m < countof(memories); m++) {
        scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
        struct chance_source c = { 42 };
        size_t alarms = 0;
        for (int i = 0; i < SERIES; i++) {
            double values[POINTS + 1], last = 0;
            struct usual u;
            for (size_t k = 0; k <= POINTS; k++)
                values[k] = last = memories[m] * last + chance_normal(&c);
            arena_reset(a);
            assert_true(usual_judge(a, values, POINTS, 3'600, POINTS, values[POINTS], 0.01, &u));
            alarms += u.p < 0.01;
        }
        print_message("# memory %.1f: %zu of %d values odd at 0.01\n", memories[m], alarms, SERIES);
        assert_true(alarms <= SERIES * 3 / 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_by_the_history_alone),
        cmocka_unit_test(needs_a_history_and_a_value),
        cmocka_unit_test(knows_the_time_of_day),
        cmocka_unit_test(false_alarms_keep_their_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
