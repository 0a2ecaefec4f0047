#include "json/json.h"

#include "base/err.h"
#include "test.h"

enum { BUDGET = 1 << 20 };

/* spec: RFC 8259 sections 2 to 8 */
static void accepts_what_the_grammar_accepts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "0.5",
        "-0.5e-3",
        "1E+2",
        "1e0010",
        "123456789012345678901234567890.000000000000000000000000000001",
        "1e1000000",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0041\\u00e4\\uD83D\\uDE80\\ud83d\\ude80\"",
        "\"\\u0000\"",
        "\"\x7f\"",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\x80\"",
        "\"\xef\xbf\xbe\"",
        "[]",
        "[ ]",
        "[1]",
        "[1,2]",
        "[[],[[]]]",
        "{}",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        " \t\r\n[ \n1 , { \"a\" : [ ] } ] \r\n",
    };
    for (size_t i = 0; i < countof(good); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(BUDGET);
        const struct json_value *v = NULL;
        struct err e = { 0 };
        if (!json_parse(a, str_of_c(good[i]), &v, &e))
            fail_msg("refused %s: %s", good[i], e.message);
    }
}

/* spec: RFC 8259 sections 2 to 8 */
static void refuses_what_the_grammar_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "+1",
        "01",
        "-01",
        "-",
        "--1",
        ".5",
        "5.",
        "1.e3",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "1 000",
        "Infinity",
        "-Infinity",
        "NaN",
        "nan",
        "True",
        "nul",
        "nulll",
        "undefined",
        "'a'",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x41\"",
        "\"\\a\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\U0041\"",
        "\"\n\"",
        "\"\t\"",
        "\"\x1f\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ude80\\ud83d\"",
        "\"\x80\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "[1}",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{a:1}",
        "{1:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}}",
        "1 2",
        "[] []",
        "[]x",
        "[1] // no",
        "/* no */ 1",
        "# no\n1",
        "\xef\xbb\xbf[]",
        "\f1",
        "\v1",
        "\302\2401", /* a no-break space */
    };
    for (size_t i = 0; i < countof(bad); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(BUDGET);
        const struct json_value *v = NULL;
        struct err e = { 0 };
        if (json_parse(a, str_of_c(bad[i]), &v, &e))
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(e.code, ERR_INVALID);
        assert_null(v);
    }
    struct err e = { 0 };
    scoped(arena_destroyp) struct arena *a = arena_create(BUDGET);
    const struct json_value *v = NULL;
    assert_false(json_parse(a, str_of("[1]\0", 4), &v, &e));
    assert_false(json_parse(a, str_of("\"a\0b\"", 5), &v, &e));
}

static void gives_the_values_back(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(BUDGET);
    const struct json_value *v = NULL;
    struct err e;
    char text[] = "{\"n\":[null,true,false],\"s\":\"a\\u0000\\ud83d\\ude80\",\"d\":-1.50e+03,"
                  "\"twice\":1,\"o\":{\"twice\":{}},\"twice\":2}";
    assert_true(json_parse(a, str_of_c(text), &v, &e));
    memset(text, 'x', sizeof text - 1); /* the tree does not point into it */
    assert_int_equal(v->type, JSON_OBJECT);
    assert_int_equal(v->member_count, 6);
    assert_str(v->members[0].key, "n");
    const struct json_value *n = json_get_c(v, "n");
    assert_int_equal(n->item_count, 3);
    assert_int_equal(n->items[0].type, JSON_NULL);
    assert_true(n->items[1].boolean);
    assert_false(n->items[2].boolean);
    const struct json_value *s = json_get_c(v, "s");
    assert_true(str_eq(s->text, str_of("a\0\xf0\x9f\x9a\x80", 6)));
    assert_str(json_get_c(v, "d")->text, "-1.50e+03");
    assert_str(json_get_c(v, "twice")->text, "2"); /* the last wins, as in jsonb */
    assert_null(json_get_c(v, "none"));
    assert_null(json_get_c(n, "n"));
    assert_int_equal(json_get_c(json_get_c(v, "o"), "twice")->member_count, 0);
}

/* What the message says, for text that is refused. */
static void assert_refused(const char *text, const char *message)
{
    scoped(arena_destroyp) struct arena *a = arena_create(BUDGET);
    const struct json_value *v = NULL;
    struct err e = { 0 };
    assert_false(json_parse(a, str_of_c(text), &v, &e));
    assert_string_equal(e.message, message);
}

static void says_where_it_broke(void **state)
{
    (void)state;
    assert_refused("", "$: the text is empty (line 1 column 1, byte 0)");
    assert_refused("{\"a\":[1,2,{\"b\\n c\":tru}]}",
                   "$.a[2][\"b\\n c\"]: unknown word, expected a JSON value (line 1 "
                   "column 20, byte 19)");
    assert_refused(
        "{\n  \"\xc3\xa4\": \"\xc3\xa4\", x}",
        "$: unexpected character, expected a string for object key (line 2 column 13, byte 16)");
    assert_refused("[1,2", "$[1]: the text ends too early (line 1 column 5, byte 4)");
    assert_refused("[1] 2", "$: unexpected text after the document (line 1 column 5, byte 4)");
}

static struct str repeat(struct arena *a, const char *unit, size_t count)
{
    size_t len = strlen(unit);
    char *text = arena_alloc(a, len * count);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, unit, len);
    return str_of(text, len * count);
}

static struct str nested(struct arena *a, const char *open, const char *close, size_t depth)
{
    return arena_printf(a, "%.*s%s%.*s", STR_FMT(repeat(a, open, depth)), open[0] == '{' ? "0" : "",
                        STR_FMT(repeat(a, close, depth)));
}

static void refuses_nesting_beyond_its_bound(void **state)
{
    (void)state;
    static const struct {
        const char *open, *close;
    } shapes[] = { { "[", "]" }, { "{\"a\":", "}" } };
    for (size_t i = 0; i < countof(shapes); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
        const struct json_value *v = NULL;
        struct err e = { 0 };
        const char *open = shapes[i].open, *close = shapes[i].close;
        assert_true(json_parse(a, nested(a, open, close, JSON_DEPTH_MAX), &v, &e));
        assert_false(json_parse(a, nested(a, open, close, JSON_DEPTH_MAX + 1), &v, &e));
        assert_int_equal(e.code, ERR_LIMIT);
        assert_non_null(strstr(e.message, "nested deeper than 256 levels"));
        /* Far beyond any stack, were there a recursion; and unclosed. */
        assert_false(json_parse(a, nested(a, open, close, 1'000'000), &v, &e));
        assert_false(json_parse(a, repeat(a, open, 1'000'000), &v, &e));
    }
}

static void stays_within_the_budget(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *text_arena = arena_create(8 << 20);
    struct str commas = repeat(text_arena, ",0", 100'000);
    struct str text = arena_printf(text_arena, "[0%.*s]", STR_FMT(commas));
    struct err e = { 0 };
    const struct json_value *v = NULL;
    scoped(arena_destroyp) struct arena *small = arena_create(100'000); /* not even the text */
    assert_false(json_parse(small, text, &v, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    scoped(arena_destroyp) struct arena *middle = arena_create(1'000'000); /* not the tree */
    assert_false(json_parse(middle, text, &v, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    scoped(arena_destroyp) struct arena *large = arena_create(4 << 20);
    assert_true(json_parse(large, text, &v, &e));
    assert_int_equal(v->item_count, 100'001);
}

static void reads_whole_numbers_in_any_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_whole;
        int64_t value;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "-0.000e99999999999999999999", false, 0 },
        { "0.0e-5", true, 0 },
        { "7", true, 7 },
        { "-7", true, -7 },
        { "10.0", true, 10 },
        { "1e1", true, 10 },
        { "1.5e1", true, 15 },
        { "150e-1", true, 15 },
        { "0.000015e6", true, 15 },
        { "1.5", false, 0 },
        { "1e-1", false, 0 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "9.223372036854775807e18", true, INT64_MAX },
        { "1e18", true, INT64_C(1'000'000'000'000'000'000) },
        { "1e19", false, 0 },
        { "1e400", false, 0 },
        { "1e-99999999999999999999", false, 0 },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct json_value v = json_of_number(str_of_c(cases[i].text));
        int64_t value = 4711;
        if (json_to_i64(&v, &value) != cases[i].is_whole)
            fail_msg("%s is taken for %swhole", cases[i].text, cases[i].is_whole ? "not " : "");
        assert_int_equal(value, cases[i].is_whole ? cases[i].value : 4711);
    }
}

static void reads_doubles(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(BUDGET);
    double value = 0;
    struct json_value v = json_of_number(STR("-1.5e3"));
    assert_true(json_to_double(&v, &value));
    assert_true(value == -1500.0);
    v = json_of_number(STR("1e999"));
    assert_false(json_to_double(&v, &value));
    v = json_of_number(arena_printf(a, "0.%.*s5", STR_FMT(repeat(a, "0", 200))));
    assert_true(json_to_double(&v, &value)); /* longer than any fixed field */
    assert_true(value == 5e-201);
    v = json_of_i64(a, INT64_MIN);
    assert_str(v.text, "-9223372036854775808");
}

static void reads_members_of_the_type_that_is_asked_for(void **state)
{
    struct arena *a = arena_create(1 << 16);
    const struct json_value *v;
    struct err e;
    int64_t number = 7;
    (void)state;
    assert_true(json_parse(
        a, STR("{\"text\": \"x\", \"empty\": \"\", \"n\": 12, \"half\": 0.5, \"t\": \"-17\"}"), &v,
        &e));
    assert_true(str_eq_c(json_get_text(v, STR("text")), "x"));
    assert_non_null(json_get_text(v, STR("empty")).ptr);
    assert_null(json_get_text(v, STR("n")).ptr);
    assert_null(json_get_text(v, STR("none")).ptr);
    assert_null(json_get_text(NULL, STR("text")).ptr);
    assert_false(json_get_i64(v, STR("half"), &number));
    assert_false(json_get_i64(v, STR("t"), &number));
    assert_false(json_get_i64(v, STR("none"), &number));
    assert_false(json_get_i64_text(v, STR("n"), &number));
    assert_false(json_get_i64_text(v, STR("empty"), &number));
    assert_int_equal(number, 7);
    assert_true(json_get_i64(v, STR("n"), &number));
    assert_int_equal(number, 12);
    assert_true(json_get_i64_text(v, STR("t"), &number));
    assert_int_equal(number, -17);
    arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_grammar_accepts),
        cmocka_unit_test(refuses_what_the_grammar_refuses),
        cmocka_unit_test(gives_the_values_back),
        cmocka_unit_test(says_where_it_broke),
        cmocka_unit_test(refuses_nesting_beyond_its_bound),
        cmocka_unit_test(stays_within_the_budget),
        cmocka_unit_test(reads_whole_numbers_in_any_spelling),
        cmocka_unit_test(reads_doubles),
        cmocka_unit_test(reads_members_of_the_type_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
