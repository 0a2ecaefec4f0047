#include "base/clock.h"

#include "test.h"

static void formats_and_parses_back(void **state)
{
    (void)state;
    static const int64_t times[] = { 0,
                                     1,
                                     -1,
                                     1795415830123456,
                                     951782399999999,
                                     951782400000000,
                                     -62135596800000000,
                                     253402300799999999 };
    for (size_t i = 0; i < countof(times); i++) {
        char text[CLOCK_TEXT_MAX];
        int64_t back = 0;
        clock_format(times[i], text);
        assert_true(clock_parse(str_of_c(text), &back));
        assert_int_equal(back, times[i]);
    }
}

static void knows_fixed_points(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_MAX];
    clock_format(1795415830123456, text);
    assert_string_equal(text, "2026-11-23T06:37:10.123456Z");
    int64_t us = 0;
    assert_true(clock_parse(STR("2026-11-23T07:37:10.1234569+01:00"), &us));
    assert_int_equal(us, 1795415830123456);
    assert_true(clock_parse(STR("2024-02-29t00:00:00z"), &us));
}

static void refuses_what_is_no_date_time(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-11-23",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T06:37:10",
        "2026-11-23T06:37:10.Z",
        "2026-11-23T06:37:10+1:00",
        "2026-11-23T06:37:10Zx",
        "0000-01-01T00:00:00Z",
        "2026-11-23T06:60:10Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+00:01",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        int64_t us = 0;
        if (clock_parse(str_of_c(bad[i]), &us))
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_and_parses_back),
        cmocka_unit_test(knows_fixed_points),
        cmocka_unit_test(refuses_what_is_no_date_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
