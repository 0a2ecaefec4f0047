#include "gateway/spans.h"

#include "base/clock.h"
#include "gateway/figures.h"
#include "test.h"

static const int64_t minute_us = INT64_C(60) * CLOCK_S;

/* Whatever the ends, the ranges follow each other without a hole, each begins and ends at whole
 * spans of its own, and no two have the same length but the two edges. */
static void ranges_cover_a_period_exactly(void **state)
{
    const int64_t base_us = spans_floor(1795415830123456, SPAN_DAY_S);
    (void)state;
    for (int64_t from = 0; from < 3 * 1440; from += 7)
        for (int64_t length = 0; length < 4 * 1440; length += 11) {
            struct stats_range ranges[SPANS_RANGES_MAX];
            int64_t at_us = base_us + from * minute_us, to_us = at_us + length * minute_us;
            size_t count = spans_cover(at_us, to_us, ranges);
            int64_t rows = 0;
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(ranges[i].from_us, at_us);
                assert_int_equal(spans_floor(ranges[i].from_us, ranges[i].span_s), at_us);
                assert_int_equal(spans_floor(ranges[i].to_us, ranges[i].span_s), ranges[i].to_us);
                assert_true(ranges[i].to_us > ranges[i].from_us);
                rows += (ranges[i].to_us - ranges[i].from_us) / (ranges[i].span_s * CLOCK_S);
                at_us = ranges[i].to_us;
            }
            assert_int_equal(at_us, to_us);
            assert_true(rows <= 2 * 59 + 2 * 23 + 4);
        }
}

static void a_week_begins_on_monday(void **state)
{
    int64_t sunday, monday;
    (void)state;
    assert_true(clock_parse(STR("2026-11-29T23:59:59.999999Z"), &sunday));
    assert_true(clock_parse(STR("2026-11-23T00:00:00Z"), &monday));
    assert_int_equal(spans_floor(sunday, SPAN_WEEK_S), monday);
    assert_int_equal(spans_floor(sunday + 1, SPAN_WEEK_S), sunday + 1);
    assert_int_equal(spans_floor(monday, SPAN_WEEK_S), monday);
    assert_int_equal(spans_floor(-1, SPAN_MINUTE_S), -minute_us); /* before 1970, too */
}

/* The period ends with the spans that now is in; the one before it ends where it begins. */
static void two_periods_meet(void **state)
{
    static const char *const windows[] = { "1m", "30m", "11h", "12h", "24h",
                                           "7d", "29d", "30d", "90d" };
    const int64_t noon_us = spans_floor(1795415830123456, SPAN_DAY_S) + 720 * minute_us;
    (void)state;
    for (size_t i = 0; i < countof(windows); i++)
        for (int64_t into_us = -720 * minute_us; into_us <= 720 * minute_us;
             into_us += 13 * minute_us + 17) {
            struct spans_period now, before;
            int64_t window_s = 0, now_us = noon_us + into_us;
            struct err e;
            assert_true(spans_read_window(str_of_c(windows[i]), &window_s, &e));
            spans_periods(now_us, window_s, &now, &before);
            assert_true(now_us - now.from_us >= window_s * CLOCK_S);
            assert_int_equal(now.ranges[0].from_us, now.from_us);
            assert_true(now.ranges[now.range_count - 1].to_us > now_us);
            assert_int_equal(before.to_us, now.from_us);
            assert_int_equal(before.ranges[0].from_us, before.from_us);
            assert_int_equal(before.ranges[before.range_count - 1].to_us, now.from_us);
            assert_true(before.to_us - before.from_us >= window_s * CLOCK_S);
        }
}

/* They follow each other up to the span that now is in, and few rows make any window. */
static void spans_of_errors_lead_up_to_now(void **state)
{
    const int64_t base_us = spans_floor(1795415830123456, SPAN_DAY_S);
    enum { WINDOW_STEP_S = 3'333, NOW_STEP_S = 9'973, ROWS_MAX = 40 };
    (void)state;
    for (int64_t window_s = 60; window_s <= 90 * SPAN_DAY_S; window_s += WINDOW_STEP_S)
        for (int64_t into_s = 0; into_s < 20 * SPAN_DAY_S; into_s += NOW_STEP_S * 7) {
            struct stats_range ranges[SPANS_OF_ERRORS];
            int64_t now_us = base_us + into_s * CLOCK_S + 1, rows = 0;
            size_t count = spans_of_errors(now_us, window_s, ranges);
            assert_true(count >= 1 && count <= SPANS_OF_ERRORS);
            int64_t early_us = now_us - window_s * CLOCK_S - ranges[0].from_us;
            assert_true(early_us >= 0);
            assert_true(early_us < max_of(window_s / 6, (int64_t)SPAN_MINUTE_S) * CLOCK_S);
            for (size_t i = 0; i < count; i++) {
                const struct stats_range *range = &ranges[i];
                assert_true(range->to_us > range->from_us);
                assert_int_equal(spans_floor(range->from_us, range->span_s), range->from_us);
                assert_true(i + 1 == count || ranges[i + 1].from_us == range->to_us);
                rows += (range->to_us - range->from_us) / (range->span_s * CLOCK_S);
            }
            assert_true(ranges[count - 1].to_us > now_us);
            assert_true(rows <= ROWS_MAX);
        }
}

static void a_histogram_reads_as_it_is_stored(void **state)
{
    struct histogram h = { 0 };
    (void)state;
    figures_add_cell(&h, STR("{}"));
    assert_int_equal(histogram_total(&h), 0);
    figures_add_cell(&h, STR("{0,12,3}"));
    figures_add_cell(&h, STR("{1}"));
    assert_int_equal(h.counts[0], 1);
    assert_int_equal(h.counts[1], 12);
    assert_int_equal(h.counts[2], 3);
    assert_int_equal(histogram_total(&h), 16);
    char cell[4 * HISTOGRAM_BUCKETS] = "{";
    for (int i = 0; i < HISTOGRAM_BUCKETS + 2; i++) /* more than there are: the rest is no bucket */
        strncat(cell, i > 0 ? ",1" : "1", sizeof cell - strlen(cell) - 1);
    strncat(cell, "}", sizeof cell - strlen(cell) - 1);
    struct histogram full = { 0 };
    figures_add_cell(&full, str_of_c(cell));
    assert_int_equal(histogram_total(&full), HISTOGRAM_BUCKETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_cover_a_period_exactly),
        cmocka_unit_test(a_week_begins_on_monday),
        cmocka_unit_test(two_periods_meet),
        cmocka_unit_test(spans_of_errors_lead_up_to_now),
        cmocka_unit_test(a_histogram_reads_as_it_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
