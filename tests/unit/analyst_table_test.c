#include "analyst/table.h"

#include <math.h>

#include "base/buf.h"
#include "base/clock.h"
#include "test.h"

static const struct json_value *parse(struct arena *a, const char *text)
{
    const struct json_value *v;
    struct err e;
    assert_true(json_parse(a, str_of_c(text), &v, &e));
    return v;
}

static struct table read(struct arena *a, const char *text)
{
    struct table t;
    struct err e;
    if (!table_read(a, parse(a, text), STR(""), NULL, 0, &t, &e))
        fail_msg("%s: %s", text, e.message);
    return t;
}

static void bare_numbers_are_one_column(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct table t = read(a, "[1, null, 2.5e3]");
    assert_int_equal(t.row_count, 3);
    assert_int_equal(t.column_count, 1);
    assert_null(t.at_us);
    assert_str(t.columns[0].name, "value");
    assert_true(t.columns[0].values[2] == 2500 && isnan(t.columns[0].values[1]));
    assert_int_equal(t.columns[0].missing, 1);
}

static void times_and_numeric_fields_are_found(void **state)
{
    (void)state;
    static const char *const times[] = { "\"2025-11-28T13:20:00Z\"",
                                         "\"2025-11-28 13:20:00\"",
                                         "\"2025-11-28T14:20:00+01:00\"",
                                         "1764336000",
                                         "1764336000000",
                                         "1764336000000000" };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    for (size_t i = 0; i < countof(times); i++) {
        struct str text = arena_printf(a,
                                       "[{\"id\":7,\"name\":\"x\",\"v\":null,\"w\":2,\"time\":%s},"
                                       "{\"v\":3,\"time\":%s}]",
                                       times[i], times[i]);
        struct table t = read(a, text.ptr);
        assert_str(t.time_field, "time");
        assert_int_equal(t.at_us[0], 1'764'336'000'000'000);
        assert_int_equal(t.column_count, 2); /* no id, no name */
        assert_str(t.columns[0].name, "w");  /* its first value comes first */
        assert_str(t.columns[1].name, "v");
        assert_int_equal(t.columns[1].missing, 1);
    }
    struct table day = read(a, "[{\"day\":\"2025-11-28\",\"v\":1}]");
    assert_int_equal(day.at_us[0], 1'764'288'000'000'000);
    struct table mixed = read(a, "[{\"v\":1,\"code\":\"A1\"},{\"v\":2,\"code\":7}]");
    assert_int_equal(mixed.column_count, 1); /* a code is no number because one looks so */
    struct table count = read(a, "[{\"count\":1764336000,\"v\":1}]"); /* a large count is no time */
    assert_null(count.at_us);
    assert_int_equal(count.column_count, 2);
}

static void rows_come_in_order_of_time_and_gaps_are_filled(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct table t = read(a, "[{\"t\":1764336120,\"v\":3},{\"t\":1764336000,\"v\":1},"
                             "{\"t\":1764336060,\"v\":2},{\"t\":1764336180,\"v\":4},"
                             "{\"t\":1764336240,\"v\":5},{\"t\":1764336300,\"v\":6},"
                             "{\"t\":1764336480,\"v\":9}]");
    assert_false(t.was_sorted);
    assert_int_equal(t.step_s, 60);
    assert_int_equal(t.row_count, 9);
    assert_int_equal(t.gap_count, 2);
    for (size_t i = 0; i < t.row_count; i++) {
        assert_int_equal(t.at_us[i], (1'764'336'000LL + 60 * (int64_t)i) * CLOCK_S);
        assert_true(i == 6 || i == 7 ? isnan(t.columns[0].values[i])
                                     : t.columns[0].values[i] == (double)i + 1);
    }
    t = read(a, "[{\"t\":1764336000,\"v\":3},{\"t\":1764336001,\"v\":1},{\"t\":1764339000,\"v\":1},"
                "{\"t\":1764350000,\"v\":1}]");
    assert_int_equal(t.step_s, 0); /* no common step: nothing is filled */
    assert_int_equal(t.row_count, 4);
    t = read(a,
             "[{\"t\":1764336000,\"v\":3},{\"t\":1764336001,\"v\":1},{\"t\":1764336002,\"v\":1},"
             "{\"t\":1764336003,\"v\":1},{\"t\":1764336004,\"v\":1},{\"t\":1795000000,\"v\":1}]");
    assert_int_equal(t.row_count, 6); /* a gap of a year is not filled */
    assert_int_equal(t.gap_count, 0);
}

static void refuse(const char *text, const char *time_field, const char *value_field,
                   const char *message)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str field = str_of_c(value_field);
    struct table t;
    struct err e;
    assert_false(
        table_read(a, parse(a, text), str_of_c(time_field), &field, value_field != NULL, &t, &e));
    assert_string_equal(e.message, message);
}

static void errors_name_their_place(void **state)
{
    (void)state;
    refuse("{}", NULL, NULL, "data: is not an array");
    refuse("[]", NULL, NULL, "data: is empty");
    refuse("[1,\"2\"]", NULL, NULL, "data[1]: is not a number");
    refuse("[1,1e999]", NULL, NULL, "data[1]: is too large");
    refuse("[1]", "t", NULL, "data[0]: is not an object, but fields were named");
    refuse("[{\"v\":1},2]", NULL, NULL, "data[1]: is not an object, as the first row is");
    refuse("[{\"v\":1},{\"v\":[]}]", NULL, NULL, "data[1].v: is not a number");
    refuse("[{\"v\":\"a\"}]", NULL, NULL, "data: holds no field with numbers");
    refuse("[{\"v\":1}]", "t", NULL, "time_field: the first 100 rows hold no \"t\"");
    refuse("[{\"v\":1}]", NULL, "w", "value_fields[0]: the first 100 rows hold no \"w\"");
    refuse("[{\"t\":\"2025-11-28\",\"v\":1},{\"v\":1}]", "t", NULL, "data[1].t: is missing");
    refuse("[{\"t\":\"2025-11-28\",\"v\":1},{\"t\":\"noon\",\"v\":1}]", "t", NULL,
           "data[1].t: is not a time");
}

static void rows_and_cells_are_bounded(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(256 << 20);
    struct json_value *rows = arena_new_array(a, TABLE_ROWS_MAX + 1, struct json_value);
    struct json_member *members = arena_new_array(a, 5, struct json_member);
    struct table t;
    struct err e;
    for (size_t i = 0; i < 5; i++)
        members[i] = (struct json_member){ arena_printf(a, "v%zu", i), json_of_number(STR("1")) };
    for (size_t i = 0; i <= TABLE_ROWS_MAX; i++)
        rows[i] = json_of_members(members, 5);
    struct json_value data = json_of_items(rows, TABLE_ROWS_MAX + 1);
    assert_false(table_read(a, &data, STR(""), NULL, 0, &t, &e));
    assert_string_equal(e.message, "data: has more than 100000 rows");
    data.item_count--;
    assert_false(table_read(a, &data, STR(""), NULL, 0, &t, &e));
    assert_string_equal(e.message, "data: has more than 400000 numbers, name fewer value_fields");
    struct json_member *wide = arena_new_array(a, TABLE_FIELDS_MAX + 1, struct json_member);
    for (size_t i = 0; i <= TABLE_FIELDS_MAX; i++)
        wide[i] = (struct json_member){ arena_printf(a, "w%zu", i), json_of_string(STR("x")) };
    wide[0].value = json_of_number(STR("1"));
    struct json_value row = json_of_members(wide, TABLE_FIELDS_MAX + 1);
    const struct json_value one_row = json_of_items(&row, 1);
    assert_false(table_read(a, &one_row, STR(""), NULL, 0, &t, &e));
    assert_string_equal(e.message, "data[0]: has more than 200 fields");
    const struct str field = STR("v3");
    assert_true(table_read(a, &data, STR(""), &field, 1, &t, &e));
    assert_int_equal(t.row_count, TABLE_ROWS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_numbers_are_one_column),
        cmocka_unit_test(times_and_numeric_fields_are_found),
        cmocka_unit_test(rows_come_in_order_of_time_and_gaps_are_filled),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(rows_and_cells_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
