#include "json/check.h"

#include "base/buf.h"
#include "test.h"

static bool passes(struct str text, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    const struct json_value *v = NULL;
    return json_parse_checked(a, text, &v, e);
}

/* spec: api.graphql, scalar JSON */
static void counts_digits_as_written_out(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool passes;
    } cases[] = {
        { "1e399", true },
        { "1e400", false },
        { "-1e399", true },
        { "-1e400", false },
        { "1E+400", false },
        { "1e0000000000000000000399", true },
        { "10e398", true },
        { "10e399", false },
        { "0.0001e403", true },
        { "0.0001e404", false },
        { "1e-398", true }, /* 0. and 398 digits behind it */
        { "1e-399", true },
        { "1e-400", false },
        { "1.5e-399", false },
        { "12.5e-398", true },
        { "0e399", true },
        { "0e1000000", true }, /* it is 0, to PostgreSQL also */
        { "0e1000001", false },
        { "0e-399", true },
        { "0e-400", false },
        { "1e99999999999999999999999999", false },
        { "1e-99999999999999999999999999", false },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct err e = { 0 };
        if (passes(str_of_c(cases[i].text), &e) != cases[i].passes)
            fail_msg("%s %s", cases[i].text, cases[i].passes ? e.message : "passed");
        if (!cases[i].passes)
            assert_string_equal(e.message, "$: number has more than 400 digits when written out");
    }
    struct buf b;
    buf_init(&b, 0);
    struct err e = { 0 };
    for (int i = 0; i < JSON_CHECK_DIGITS_MAX; i++)
        buf_put_char(&b, '9');
    assert_true(passes(buf_str(&b), &e));
    buf_put_char(&b, '9');
    assert_false(passes(buf_str(&b), &e));
    assert_int_equal(e.code, ERR_INVALID);
    buf_clear(&b);
}

static void counts_levels(void **state)
{
    (void)state;
    static const struct {
        const char *open, *inner, *close;
    } shapes[] = { { "[", "", "]" }, { "[", "1", "]" }, { "{\"a\":", "[]", "}" } };
    for (size_t i = 0; i < countof(shapes); i++) {
        int inner_levels = shapes[i].inner[0] == '[';
        for (int too_many = 0; too_many <= 1; too_many++) {
            struct buf b;
            struct err e = { 0 };
            int depth = JSON_CHECK_DEPTH_MAX - inner_levels + too_many;
            buf_init(&b, 0);
            for (int n = 0; n < depth; n++)
                buf_put_c(&b, shapes[i].open);
            buf_put_c(&b, shapes[i].inner);
            for (int n = 0; n < depth; n++)
                buf_put_c(&b, shapes[i].close);
            assert_int_equal(passes(buf_str(&b), &e), !too_many);
            if (too_many)
                assert_non_null(strstr(e.message, ": nested deeper than 128 levels"));
            buf_clear(&b);
        }
    }
}

static void what_carries_a_value_adds_its_own_levels(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const struct json_value *value;
    struct err e;
    char text[2 * (JSON_CHECK_DEPTH_MAX + 2)];
    for (size_t levels = JSON_CHECK_DEPTH_MAX - 2; levels <= JSON_CHECK_DEPTH_MAX + 2; levels++) {
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        for (int around = -1; around <= 1; around++)
            assert_int_equal(json_parse_carrier(a, str_of(text, 2 * levels), around, &value, &e),
                             (int)levels <= JSON_CHECK_DEPTH_MAX + around);
    }
}

static void names_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "\"\\u0000\"", "$: string holds U+0000" },
        { "{\"a\":[0,1,2,{\"b\":\"x\\u0000\"}]}", "$.a[3].b: string holds U+0000" },
        { "{\"a\":{\"b\\u0000\":1}}", "$.a: a key holds U+0000" },
        { "{\"a b\":{\"\":[1e400]}}",
          "$[\"a b\"][\"\"][0]: number has more than 400 digits when written out" },
        { "{\"say \\\"hi\\\"\\n\":1e400}",
          "$[\"say \\\"hi\\\"\\u000a\"]: number has more than 400 digits when written out" },
        { "{\"\xc3\xa4\":\"\\u0000\"}", "$[\"\xc3\xa4\"]: string holds U+0000" },
        /* Found by the parser, with the place in the text besides. */
        { "{\"a\":[0,1,2,{\"b\":\"\\ud800\"}]}", "$.a[3].b: " },
        { "{\"a\":{\"\\udc00\":1}}", "$.a: " },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct err e = { 0 };
        assert_false(passes(str_of_c(cases[i].text), &e));
        assert_int_equal(e.code, ERR_INVALID);
        if (strncmp(e.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("\"%s\", expected \"%s\"", e.message, cases[i].message);
    }
}

static void cuts_a_long_path_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 3; shift++) {
        struct buf b;
        struct err e = { 0 };
        buf_init(&b, 0);
        buf_put_c(&b, "{\"");
        for (int i = 0; i < shift; i++)
            buf_put_char(&b, 'x');
        for (int i = 0; i < 200; i++)
            buf_put_c(&b, "\xe2\x82\xac");
        buf_put_c(&b, "\":[\"\\u0000\"]}");
        assert_false(passes(buf_str(&b), &e));
        assert_true(str_is_utf8(str_of_c(e.message)));
        assert_non_null(strstr(e.message, "\xe2\x82\xac…: string holds U+0000"));
        buf_clear(&b);
    }
}

static void checks_trees_made_by_code(void **state)
{
    (void)state;
    struct err e = { 0 };
    const struct json_value items[] = { json_of_string(STR("fine")),
                                        json_of_string(str_of("a\0b", 3)) };
    const struct json_value list = json_of_items(items, 2);
    assert_false(json_check(&list, &e));
    assert_string_equal(e.message, "$[1]: string holds U+0000");
    const struct json_member members[] = {
        { STR("ok"), json_of_bool(true) },
        { STR("surrogate"), json_of_string(STR("\xed\xa0\x80")) },
    };
    const struct json_value object = json_of_members(members, 2);
    assert_false(json_check(&object, &e));
    assert_string_equal(e.message, "$.surrogate: string is no Unicode text");
    const struct json_value fine = json_of_members(members, 1);
    assert_true(json_check(&fine, &e));
    const struct json_value null = json_of_null();
    assert_true(json_check(&null, &e));
}

/* The error of that object where "one", "two" and "three" are known; empty: none. */
static const char *unknown_in(const char *text)
{
    static const char *const names[] = { "one", "two", "three", NULL };
    static struct err e;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const struct json_value *v;
    e = (struct err){ 0 };
    assert_true(json_parse(a, str_of_c(text), &v, &e));
    bool is_good = json_only(v, "x[3].", names, &e);
    assert_int_equal(is_good, e.code == ERR_NONE);
    return e.message;
}

static void what_is_not_known_is_named(void **state)
{
    (void)state;
    assert_string_equal(unknown_in("{}"), "");
    assert_string_equal(unknown_in("{\"one\": 1, \"two\": 2, \"three\": 3}"), "");
    assert_string_equal(unknown_in("{\"three\": 3, \"one\": 1, \"three\": 4, \"two\": 2}"), "");
    assert_string_equal(unknown_in("{\"two\": 1, \"One\": 1}"), "x[3].One: is not known here");
    assert_string_equal(unknown_in("{\"\": 1}"), "x[3].: is not known here");
    assert_string_equal(unknown_in("[1]"), "");
    assert_true(json_only(NULL, "", (const char *const[]){ NULL }, &(struct err){ 0 }));
    char expected[128], text[256];
    (void)snprintf(expected, sizeof expected, "x[3].%.*s: is not known here", JSON_CHECK_KEY_SHOWN,
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    (void)snprintf(text, sizeof text, "{\"%0200d\": 1}", 0);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '0')
            *c = 'a';
    assert_string_equal(unknown_in(text), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_digits_as_written_out),
        cmocka_unit_test(counts_levels),
        cmocka_unit_test(what_carries_a_value_adds_its_own_levels),
        cmocka_unit_test(names_the_path),
        cmocka_unit_test(cuts_a_long_path_between_characters),
        cmocka_unit_test(checks_trees_made_by_code),
        cmocka_unit_test(what_is_not_known_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
