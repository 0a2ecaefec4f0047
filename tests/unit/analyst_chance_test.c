#include "analyst/chance.h"

#include <math.h>

#include "test.h"

#define assert_near(actual, expected, tolerance)                                                   \
    do {                                                                                           \
        double actual_ = (actual), expected_ = (expected);                                         \
        if (!(fabs(actual_ - expected_) <= (tolerance)))                                           \
            fail_msg("%s is %.12g, expected %.12g", #actual, actual_, expected_);                  \
    } while (0)

static void knows_the_tails_of_the_tables(void **state)
{
    (void)state;
    assert_near(chance_normal_above(0), 0.5, 1e-12);
    assert_near(chance_normal_above(1.959963985), 0.025, 1e-9);
    assert_near(chance_normal_above(-1.644853627), 0.95, 1e-9);
    assert_near(chance_normal_above(6), 9.865876450e-10, 1e-18);
    /* Student's table: two-sided 5 % and 1 %. */
    assert_near(chance_student_above(12.7062, 1), 0.025, 1e-6);
    assert_near(chance_student_above(2.228139, 10), 0.025, 1e-6);
    assert_near(chance_student_above(2.749996, 30), 0.005, 1e-6);
    assert_near(chance_student_above(-2.228139, 10), 0.975, 1e-6);
    assert_near(chance_student_above(0, 3), 0.5, 1e-12);
    assert_near(chance_student_above(2, 1e6), chance_normal_above(2), 1e-6);
    assert_near(chance_student_above((double)INFINITY, 4), 0, 0);
}

static void wilson_keeps_within_0_and_1_and_agrees_with_the_book(void **state)
{
    (void)state;
    struct chance_interval i = chance_wilson(1, 10, 1.959963985);
    assert_near(i.low, 0.017876, 1e-6);
    assert_near(i.high, 0.404150, 1e-6);
    i = chance_wilson(0, 20, 1.959963985);
    assert_near(i.low, 0, 1e-12);
    assert_near(i.high, 0.161125, 1e-6);
    i = chance_wilson(20, 20, 1.959963985);
    assert_near(i.high, 1, 1e-12);
}

/* Beta-binomial by hand: a = b = 1/2 and n = 2 give 3/8, 1/4, 3/8. */
static void predicts_hits_from_what_was_seen(void **state)
{
    (void)state;
    assert_near(chance_hits_above(2, 2, 0, 0), 0.375, 1e-12);
    assert_near(chance_hits_above(3, 2, 0, 0), 0, 0);
    assert_near(chance_hits_above(0, 10, 5, 5), 0.5, 0); /* not above the mean */
    /* Much history: the binomial. P(X >= 5), n = 10, 1/10: 0.0016349. */
    assert_near(chance_hits_above(5, 10, 1e7, 9e7), 0.0016349374, 1e-8);
    /* Little history makes the same less odd. */
    assert_true(chance_hits_above(5, 10, 1, 9) > 0.01);
    assert_near(chance_poisson_below(0, 2), exp(-2), 1e-15);
    assert_near(chance_poisson_below(2, 2), 5 * exp(-2), 1e-12);
    assert_near(chance_poisson_below(10, 0), 1, 0);
}

static void confidence_grows_with_evidence_and_falls_with_looks(void **state)
{
    (void)state;
    /* -e p ln p at 0.001 is 0.018777; odds 1/9 over that; 5.9174 / 6.9174. */
    assert_near(chance_confidence(0.001, 1), 0.85544, 1e-4);
    assert_near(chance_confidence(0.001, CHANCE_LOOKS_FREE), chance_confidence(0.001, 1), 0);
    assert_true(chance_confidence(0.001, 100) < chance_confidence(0.001, 1));
    assert_near(chance_confidence(0.01, 1), chance_confidence(0.001, 100), 1e-12);
    assert_near(chance_confidence(0.5, 1), CHANCE_PRIOR, 0);
    assert_near(chance_confidence(0, 1000), CHANCE_CONFIDENCE_MAX, 0);
    assert_true(chance_confidence(0.05, 1) < 0.5); /* is worth little */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_tails_of_the_tables),
        cmocka_unit_test(wilson_keeps_within_0_and_1_and_agrees_with_the_book),
        cmocka_unit_test(predicts_hits_from_what_was_seen),
        cmocka_unit_test(confidence_grows_with_evidence_and_falls_with_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
