/* The text forms that db reads; tests/service has the rest on a real server. */
#include "db/rows.h"

#include "base/clock.h"
#include "test.h"

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wall_us;
    } good[] = {
        { "1970-01-01 00:00:00+00", 0 },
        { "1970-01-01 00:00:01.5+00", 1500000 },
        { "1970-01-01 05:30:00+05:30", 0 },
        { "1969-12-31 19:00:00-05", 0 },
        { "1969-12-31 23:59:59.999999+00", -1 },
        { "1970-01-01 00:19:32+00:19:32", 0 }, /* Amsterdam before 1937 */
        { "9999-12-31 23:59:59.999999+00", 253402300799999999 },
    };
    for (size_t i = 0; i < countof(good); i++) {
        int64_t wall_us = 1;
        assert_true(db_time_parse(str_of_c(good[i].text), &wall_us));
        assert_true(wall_us == good[i].wall_us);
    }
}

static void other_times_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "infinity",
        "-infinity",
        "2026-11-23",
        "2026-11-23 08:30:00",
        "0044-03-15 12:00:00+00 BC",
        "294276-12-31 00:00:00+00",
        "23.11.2026 08:30:00.25 UTC",
        "2026-13-23 08:30:00+00",
        "2026-11-23 08:30:00+00:00:xx",
        "2026-11-23 08:30:00+00:00:-1",
        "2026-11-23 08:30:00.000000000000000000000000000000000000000000000000+00",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        int64_t wall_us = 77;
        assert_false(db_time_parse(str_of_c(bad[i]), &wall_us));
        assert_true(wall_us == 77);
    }
}

static void arrays_are_read(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str *items = NULL;
    size_t count = 77;
    assert_true(db_array_parse(a, STR("{}"), &items, &count));
    assert_int_equal(count, 0);
    assert_true(db_array_parse(a, STR("{1,\"a,}\\\"\\\\b\",NULL,\"NULL\",\"\"}"), &items, &count));
    assert_int_equal(count, 5);
    assert_str(items[0], "1");
    assert_str(items[1], "a,}\"\\b");
    assert_null(items[2].ptr);
    assert_str(items[3], "NULL");
    assert_non_null(items[4].ptr);
    assert_int_equal(items[4].len, 0);
}

static void other_arrays_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",    "{",    "}",     "1",     "{1",       "{1,",      "{1,}",      "{,}",         "{1}x",
        "{}}", "{\"}", "{\"a}", "{\"\\", "{\"a\"b}", "{a\"b\"}", "{{1},{2}}", "[0:1]={1,2}",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        struct str *items = NULL;
        size_t count = 0;
        if (db_array_parse(a, str_of_c(bad[i]), &items, &count))
            fail_msg("\"%s\" was read", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(other_times_are_refused),
        cmocka_unit_test(arrays_are_read),
        cmocka_unit_test(other_arrays_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
