/* What attempts write, on its way to the worker. */
#include "runner/lines.h"

#include "test.h"

static struct str taken(struct lines *lines, struct buf *out)
{
    buf_reset(out);
    lines_take(lines, out);
    return out->len > 0 ? buf_str(out) : STR("");
}

static void lines_leave_once_and_in_order(void **state)
{
    (void)state;
    struct lines lines = { 0 };
    struct buf out;
    buf_init(&out, 0);
    assert_true(lines_are_empty(&lines));
    lines_add(&lines, 7, "stdout", STR("one"));
    lines_add(&lines, 8, "stderr", STR(""));
    assert_false(lines_are_empty(&lines));
    struct str text = taken(&lines, &out);
    const char *expected = "{\"stream\":\"stdout\",\"at_us\":7,\"text\":\"one\"},"
                           "{\"stream\":\"stderr\",\"at_us\":8,\"text\":\"\"}";
    assert_true(str_eq_c(text, expected));
    assert_true(lines_are_empty(&lines));
    assert_int_equal(taken(&lines, &out).len, 0);
    lines_clear(&lines);
    buf_clear(&out);
}

static void what_is_no_text_is_replaced(void **state)
{
    (void)state;
    static const struct {
        struct str given;
        const char *told;
    } rows[] = {
        { { "ü€😀", 9 }, "ü€😀" },
        { { "a\0b", 3 },
          "a\xef\xbf\xbd"
          "b" },
        { { "a\xff\xc3", 3 }, "a\xef\xbf\xbd\xef\xbf\xbd" },
        { { "\xed\xa0\x80", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a lone surrogate */
        { { "\xc0\xaf", 2 }, "\xef\xbf\xbd\xef\xbf\xbd" },
    };
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < countof(rows); i++) {
        struct lines lines = { 0 };
        char expected[100];
        lines_add(&lines, 1, "s", rows[i].given);
        (void)snprintf(expected, sizeof expected, "{\"stream\":\"s\",\"at_us\":1,\"text\":\"%s\"}",
                       rows[i].told);
        struct str text = taken(&lines, &out);
        if (!str_eq_c(text, expected))
            fail_msg("row %zu: %.*s", i, STR_FMT(text));
        lines_clear(&lines);
    }
    buf_clear(&out);
}

static void of_very_many_the_last_are_kept(void **state)
{
    (void)state;
    enum { LINES = 20'000 };
    struct lines lines = { 0 };
    struct buf out;
    buf_init(&out, 0);
    for (int i = 0; i < LINES; i++)
        lines_add(&lines, i, "stdout", STR("some words that are written again and again"));
    struct str text = taken(&lines, &out);
    assert_true(text.len >= LINES_BYTES);
    assert_true(text.len <= 2 * (LINES_BYTES + 200));
    assert_true(str_find(text, STR("\"at_us\":19999,")) >= 0);
    assert_true(str_starts_with(text, STR("{\"stream\"")));
    lines_clear(&lines);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_leave_once_and_in_order),
        cmocka_unit_test(what_is_no_text_is_replaced),
        cmocka_unit_test(of_very_many_the_last_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
