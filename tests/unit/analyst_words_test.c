#include "analyst/words.h"

#include <math.h>

#include "test.h"

static void numbers_are_written_for_people(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    assert_str(words_count(a, 0), "0");
    assert_str(words_count(a, 999), "999");
    assert_str(words_count(a, -12'345), "-12,345");
    assert_str(words_count(a, INT64_MIN), "-9,223,372,036,854,775,808");
    assert_str(words_number(a, 4.5678), "4.57");
    assert_str(words_number(a, 0.012345), "0.0123");
    assert_str(words_number(a, 12'345.6), "12,346");
    assert_str(words_number(a, 3), "3");
    assert_str(words_number(a, -1e300), "-1e+300");
    assert_str(words_number(a, (double)NAN), "unknown");
    assert_str(words_things(a, 1, "task", NULL), "1 task");
    assert_str(words_things(a, 0, "task", NULL), "0 tasks");
    assert_str(words_things(a, 12'345, "entry", "entries"), "12,345 entries");
}

static void shares_are_percent(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    assert_str(words_percent(a, 0.034), "3.4 %");
    assert_str(words_percent(a, 1 - 0.97), "3 %");
    assert_str(words_percent(a, 0.456), "46 %");
    assert_str(words_percent(a, 0.0999), "10 %");
    assert_str(words_percent(a, 0), "0 %");
    assert_str(words_percent(a, 1), "100 %");
    assert_str(words_percent(a, 0.0004), "<0.1 %");
    assert_str(words_percent(a, (double)INFINITY), "unknown");
}

static void durations_have_their_two_largest_units(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *words;
    } pairs[] = {
        { 0, "0 s" },
        { 0.0123, "12 ms" },
        { 0.9996, "1 s" },
        { 2.54, "2.5 s" },
        { 9.96, "10 s" },
        { 59.4, "59 s" },
        { 60, "1 min" },
        { 125, "2 min 5 s" },
        { 3'599.9, "1 h" },
        { 3'661, "1 h 1 min" },
        { 7'200, "2 h" },
        { 86'400, "1 day" },
        { 180'000, "2 days 2 h" },
        { -125, "-2 min 5 s" },
        { 1e15, "unknown" },
        { (double)NAN, "unknown" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    for (size_t i = 0; i < countof(pairs); i++)
        assert_str(words_duration(a, pairs[i].seconds), pairs[i].words);
    assert_str(words_time(a, 1'764'336'000'000'000), "2025-11-28 13:20 UTC");
}

static void texts_of_others_are_made_harmless(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    assert_str(words_quoted(a, STR(" a\nb\tc `d` "), 100), "a b c 'd'");
    assert_str(words_quoted(a, STR("![x](http://e) <img>"), 100), "!(x)(http://e) (img)");
    assert_str(words_quoted(a, STR("no user <n> in <path>"), 100), "no user <n> in <path>");
    assert_str(words_quoted(a, STR("aéé"), 4), "aé…");
    assert_str(words_quoted(a, STR("aéé"), 5), "aéé");
    assert_str(words_quoted(a, STR("in <path>"), 6), "in …"); /* never half of one */
    assert_str(words_quoted(a, STR(""), 10), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_for_people),
        cmocka_unit_test(shares_are_percent),
        cmocka_unit_test(durations_have_their_two_largest_units),
        cmocka_unit_test(texts_of_others_are_made_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
