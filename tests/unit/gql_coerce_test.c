#include "gql/coerce_priv.h"

#include "gql/tool.h"
#include "gql_harness.h"

static const char sdl[] =
    "enum E { A B }\nscalar Day\nscalar Any\n"
    "input In { a: Int! = 7 b: [E!] c: In d: Day }\n"
    "input One @oneOf { x: Int y: String }\n"
    "type Query { f(int: Int, float: Float, string: String, bool: Boolean, "
    "id: ID, e: E, in: In, one: One, day: Day, any: Any, ints: [Int]): String }";

static bool parse_day(const struct gql_scalar_in *in, struct gql_value *ret, struct str *ret_why)
{
    if (in->kind == GQL_TEXT && in->text.len == 10) {
        *ret = gql_text(in->text);
        return true;
    }
    *ret_why = STR("a day is written 2026-11-23");
    return false;
}

static enum gql_next show_args(struct gql_step *step)
{
    struct buf text;
    buf_init(&text, 0);
    gql_args_put(&text, step);
    step->results[0] = gql_text(arena_copy(step->arena, buf_str(&text)));
    buf_clear(&text);
    return GQL_DONE;
}

static int setup(void **state)
{
    static const struct gql_scalar day = { .parse = parse_day };
    static const struct gql_scalar any = { .is_json = true };
    struct harness *h = test_malloc(sizeof *h);
    struct err e;
    harness_schema(h, sdl, NULL);
    assert_true(gql_schema_bind_scalar(h->schema, "Day", &day, &e));
    assert_true(gql_schema_bind_scalar(h->schema, "Any", &any, &e));
    harness_bind(h, "Query.f", (struct gql_binding){ .resolve = show_args });
    harness_ready(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    harness_clear(*state);
    test_free(*state);
    return 0;
}

/* What the resolver got as arguments. */
static void assert_args(struct harness *h, const char *document, const char *variables,
                        const char *expected)
{
    struct str answer = harness_run(h, document, variables);
    const struct json_value *v = harness_json(h, arena_cstr(h->arena, answer));
    const struct json_value *data = json_get_c(v, "data");
    const struct json_value *f = data ? json_get_c(data, "f") : NULL;
    if (!f || f->type != JSON_STRING)
        fail_msg("%.*s", STR_FMT(answer));
    assert_str(f->text, expected);
}

static void assert_refused(struct harness *h, const char *document, const char *variables,
                           const char *message)
{
    struct str answer = harness_run(h, document, variables);
    const struct json_value *v = harness_json(h, arena_cstr(h->arena, answer));
    const struct json_value *errors = json_get_c(v, "errors");
    if (!errors)
        fail_msg("%.*s", STR_FMT(answer));
    assert_str(json_get_c(&errors->items[0], "message")->text, message);
    assert_string_equal(h->outcome.code, GQL_CODE_INPUT);
}

/* spec: GraphQL Sep 2025, 3.5 to 3.12 */
static void takes_literals(void **state)
{
    assert_args(*state, "{ f(int: -5, float: 1, string: \"s\", bool: true, id: 4, e: B) }", NULL,
                "{\"int\":-5,\"float\":1,\"string\":\"s\",\"bool\":true,\"id\":\"4\",\"e\":\"B\"}");
    assert_args(*state, "{ f(ints: 3, in: {b: A, c: {a: 1}}) }", NULL,
                "{\"in\":{\"a\":7,\"b\":[\"A\"],\"c\":{\"a\":1}},\"ints\":[3]}");
    assert_args(*state, "{ f(int: null, ints: [null, 1]) }", NULL,
                "{\"int\":null,\"ints\":[null,1]}");
    assert_args(*state, "{ f(any: {x: [1.50, E, \"s\", null]}) }", NULL,
                "{\"any\":{\"x\":[1.50,\"E\",\"s\",null]}}");
    assert_args(*state, "{ f(any: 12345678901234567890123) }", NULL,
                "{\"any\":12345678901234567890123}");
}

/* spec: GraphQL Sep 2025, 6.1.2 */
static void takes_variables(void **state)
{
    static const char query[] = "query ($i: Int = 3, $in: In, $any: Any, $id: ID, $f: Float) { "
                                "f(int: $i, in: $in, any: $any, id: $id, float: $f) }";
    assert_args(*state, query, NULL, "{\"int\":3}");
    assert_args(*state, query, "{\"i\": null, \"id\": 10, \"f\": 3}",
                "{\"int\":null,\"float\":3,\"id\":\"10\"}");
    assert_args(*state, query, "{\"in\": {\"b\": \"A\"}, \"any\": [1e3, {}], \"i\": 5.0}",
                "{\"int\":5,\"in\":{\"a\":7,\"b\":[\"A\"]},\"any\":[1e3,{}]}");
}

/* A variable inside a literal, given and not given. */
static void takes_variables_inside_literals(void **state)
{
    static const char query[] =
        "query ($a: Int! = 2, $c: In, $x: Int) { f(in: {a: $a, c: $c}, any: {n: [$x], m: $x}, "
        "ints: [$x, 1]) }";
    assert_args(*state, query, NULL, "{\"in\":{\"a\":2},\"any\":{\"n\":[null]},\"ints\":[null,1]}");
    assert_args(*state, query, "{\"c\": {\"a\": 9}, \"x\": 4, \"a\": 1}",
                "{\"in\":{\"a\":1,\"c\":{\"a\":9}},\"any\":{\"n\":[4],\"m\":4},\"ints\":[4,1]}");
}

static void refuses_wrong_variables(void **state)
{
    assert_refused(*state, "query ($i: Int!) { f(int: $i) }", NULL,
                   "Variable \"$i\" of required type \"Int!\" was not provided.");
    assert_refused(*state, "query ($i: Int!) { f(int: $i) }", "{\"i\": null}",
                   "Variable \"$i\" of non-null type \"Int!\" must not be null.");
    assert_refused(*state, "query ($i: Int) { f(int: $i) }", "{\"i\": 1.5}",
                   "Variable \"$i\" got invalid value 1.5; Int cannot represent non-integer value: "
                   "1.5");
    assert_refused(*state, "query ($i: Int) { f(int: $i) }", "{\"i\": 2147483648}",
                   "Variable \"$i\" got invalid value 2147483648; Int cannot represent non 32-bit "
                   "signed integer value: 2147483648");
    assert_refused(
        *state, "query ($s: String) { f(string: $s) }", "{\"s\": [1, {\"a\": {}}]}",
        "Variable \"$s\" got invalid value [1, { a: {} }]; String cannot represent a non "
        "string value: [1, { a: {} }]");
    assert_refused(*state, "query ($in: In) { f(in: $in) }", "{\"in\": {\"b\": [\"A\", \"C\"]}}",
                   "Variable \"$in\" got invalid value \"C\" at \"in.b[1]\"; Value \"C\" does not "
                   "exist in \"E\" enum. Did you mean the enum value \"A\" or \"B\"?");
    assert_refused(*state, "query ($in: In) { f(in: $in) }", "{\"in\": {\"zz\": 1}}",
                   "Variable \"$in\" got invalid value { zz: 1 }; Field \"zz\" is not defined by "
                   "type \"In\".");
    assert_refused(*state, "query ($o: One) { f(one: $o) }", "{\"o\": {\"x\": 1, \"y\": \"\"}}",
                   "Variable \"$o\" got invalid value { x: 1, y: \"\" }; Exactly one key must be "
                   "specified for OneOf type \"One\".");
    assert_refused(*state, "query ($o: One) { f(one: $o) }", "{\"o\": {\"x\": null}}",
                   "Variable \"$o\" got invalid value null at \"o.x\"; Field \"x\" must be "
                   "non-null.");
    assert_refused(*state, "query ($d: Day) { f(day: $d) }", "{\"d\": 7}",
                   "Variable \"$d\" got invalid value 7; Expected type \"Day\". a day is written "
                   "2026-11-23");
}

static const char *first_message(struct harness *h, const char *document, const char *variables)
{
    struct gql_request request = { .document = str_of_c(document),
                                   .variables = variables ? harness_json(h, variables) : NULL,
                                   .no_values = true,
                                   .ctx = h };
    harness_start(h, &request);
    struct str answer = arena_copy(h->arena, buf_str(&h->out));
    assert_true(str_find(answer, STR("S3cret")) < 0);
    const struct json_value *errors =
        json_get_c(harness_json(h, arena_cstr(h->arena, answer)), "errors");
    assert_non_null(errors);
    return arena_cstr(h->arena, json_get_c(&errors->items[0], "message")->text);
}

static void messages_tell_no_values_where_none_may_be_told(void **state)
{
    static const struct {
        const char *document, *variables, *message;
    } rows[] = {
        { "query ($v: In) { f(in: $v) }", "{\"v\": {\"a\": 1, \"bogus\": \"S3cret\"}}",
          "Variable \"$v\" got an invalid value; Field \"bogus\" is not defined by type \"In\"." },
        { "query ($v: In) { f(in: $v) }", "{\"v\": {\"a\": \"S3cret\"}}",
          "Variable \"$v\" got an invalid value at \"v.a\"; Int cannot represent non-integer "
          "value" },
        { "query ($v: E) { f(e: $v) }", "{\"v\": \"S3cret\"}",
          "Variable \"$v\" got an invalid value; Value does not exist in \"E\" enum." },
        { "query ($v: E) { f(e: $v) }", "{\"v\": [\"S3cret\"]}",
          "Variable \"$v\" got an invalid value; Enum \"E\" cannot represent non-string value." },
        { "query ($v: Day) { f(day: $v) }", "{\"v\": \"S3cret\"}",
          "Variable \"$v\" got an invalid value; Expected type \"Day\". a day is written "
          "2026-11-23" },
        { "{ f(int: \"S3cret\") }", NULL, "Int cannot represent non-integer value" },
        { "{ f(string: S3cret) }", NULL, "String cannot represent a non string value" },
        { "{ f(e: S3cret) }", NULL, "Value does not exist in \"E\" enum." },
        { "{ f(e: \"S3cret\") }", NULL, "Enum \"E\" cannot represent non-enum value." },
        { "{ f(in: \"S3cret\") }", NULL, "Expected value of type \"In\"." },
        { "{ f(day: \"S3cret\") }", NULL,
          "Expected value of type \"Day\"; a day is written 2026-11-23" },
        { "query ($v: Day) { f(day: [\"S3cret\", $v]) }", "{\"v\": \"2026-11-23\"}",
          "Argument \"day\" has an invalid value. a day is written 2026-11-23" },
        { "{ f(string \"S3cret\") }", NULL, "Syntax Error: Expected \":\", found String." },
        { "{ f(string: \"a\" \"\"\"S3cret\"\"\") }", NULL,
          "Syntax Error: Expected Name, found BlockString." },
    };
    for (size_t i = 0; i < countof(rows); i++)
        assert_string_equal(first_message(*state, rows[i].document, rows[i].variables),
                            rows[i].message);
}

static void custom_scalars_judge_literals(void **state)
{
    struct harness *h = *state;
    struct gql_errors errors = { .arena = h->arena };
    assert_args(h, "{ f(day: \"2026-11-23\") }", NULL, "{\"day\":\"2026-11-23\"}");
    assert_true(gql_document_validate(h->schema, STR("{ f(day: \"x\") }"), &errors));
    assert_str(errors.first->message,
               "Expected value of type \"Day\", found \"x\"; a day is written 2026-11-23");
}

static void errors_of_variables_are_bounded(void **state)
{
    struct harness *h = *state;
    struct buf variables;
    buf_init(&variables, 0);
    buf_put_c(&variables, "{\"i\": [");
    for (int i = 0; i < 5000; i++)
        buf_put_c(&variables, i ? ",\"x\"" : "\"x\"");
    buf_put_c(&variables, "]}");
    buf_put_char(&variables, '\0');
    harness_run(h, "query ($i: [Int]) { f(ints: $i) }", variables.ptr);
    assert_int_equal(h->outcome.error_count, 51);
    buf_clear(&variables);
}

/* ECMAScript's Number::toString. */
static void writes_numbers_as_javascript(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0, "0" },           { -0.0, "0" },
        { 1, "1" },           { -1.5, "-1.5" },
        { 1e21, "1e+21" },    { 1e20, "100000000000000000000" },
        { 0.1, "0.1" },       { 1e-6, "0.000001" },
        { 1.5e-7, "1.5e-7" }, { 123.456, "123.456" },
    };
    struct harness *h = *state;
    for (size_t i = 0; i < countof(cases); i++)
        assert_str(js_number(h->arena, cases[i].value), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_literals),
        cmocka_unit_test(takes_variables),
        cmocka_unit_test(takes_variables_inside_literals),
        cmocka_unit_test(refuses_wrong_variables),
        cmocka_unit_test(messages_tell_no_values_where_none_may_be_told),
        cmocka_unit_test(custom_scalars_judge_literals),
        cmocka_unit_test(errors_of_variables_are_bounded),
        cmocka_unit_test(writes_numbers_as_javascript),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
