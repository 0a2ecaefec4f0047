#include "client/reltime.h"
#include "client/text.h"

#include "base/clock.h"
#include "test.h"

/* source: UAX #11, and what terminals do with marks and emoji */
static void width_is_what_a_terminal_takes(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        { "", 0 },
        { "plain", 5 },
        { "größe", 5 },
        { "e\xcc\x81", 1 }, /* a letter and a mark upon it */
        { "日本", 4 },
        { "한글", 4 },
        { "🚀", 2 },
        { "a\xe2\x80\x8d"
          "b",
          2 },             /* a joiner */
        { "\xff\xfe", 2 }, /* no UTF-8: a replacement each */
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++)
        assert_int_equal(text_width(str_of_c(cases[i].text)), cases[i].width);
}

static void the_first_columns_keep_letters_whole(void **state)
{
    (void)state;
    assert_str(text_first_columns(STR("abc"), 2), "ab");
    assert_str(text_first_columns(STR("abc"), 9), "abc");
    assert_str(text_first_columns(STR("日本"), 3), "日");
    assert_str(text_first_columns(STR("e\xcc\x81x"), 1), "e\xcc\x81");
    assert_str(text_first_columns(STR("abc"), 0), "");
}

static void a_clean_line_is_given_back_as_it_is(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    struct str clean = STR("grün 日本");
    (void)state;
    assert_ptr_equal(text_line(a, clean).ptr, clean.ptr);
    assert_str(text_line(a, STR("a\tb\r\nc")), "a b  c");
    assert_str(text_line(a, STR("a\0b")), "a\xef\xbf\xbd"
                                          "b");
}

static void times_are_told_in_one_unit(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        { 0, "now" },           { -1, "1s ago" },           { 1, "in 1s" },
        { -59, "59s ago" },     { -60, "1m ago" },          { 3'599, "in 1h" },
        { 3'569, "in 59m" },    { -3'599, "59m ago" },      { 7'199, "in 2h" },
        { 171'000, "in 2d" },   { 3'600, "in 1h" },         { -172'799, "47h ago" },
        { -172'800, "2d ago" }, { 86'400'000, "in 1000d" },
    };
    char text[RELTIME_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        reltime_format(1'000'000'000'000'000 + cases[i].seconds * CLOCK_S, 1'000'000'000'000'000,
                       text);
        assert_string_equal(text, cases[i].text);
    }
}

static void spans_are_told_in_two_units(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        { -5, "0ms" },
        { 999'999, "999ms" },
        { 1'500'000, "1.5s" },
        { 125'000'000, "2m 5s" },
        { 11'400'000'000, "3h 10m" },
        { 352'800'000'000, "4d 2h" },
    };
    char text[RELTIME_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        reltime_span(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(width_is_what_a_terminal_takes),
        cmocka_unit_test(the_first_columns_keep_letters_whole),
        cmocka_unit_test(a_clean_line_is_given_back_as_it_is),
        cmocka_unit_test(times_are_told_in_one_unit),
        cmocka_unit_test(spans_are_told_in_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
