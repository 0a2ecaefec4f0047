#include "gql/tool.h"

#include "test.h"

static struct gql_schema *schema_of(const char *sdl)
{
    static const struct gql_schema_options options = { 0 };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct gql_errors errors = { .arena = a };
    struct gql_schema *schema = gql_schema_create(str_of_c(sdl), &options, &errors);
    if (schema == NULL)
        fail_msg("%.*s", STR_FMT(errors.first->message));
    return schema;
}

#define COMMON                                                                                     \
    "directive @access(role: Role!) on FIELD_DEFINITION | INPUT_FIELD_DEFINITION\n"                \
    "enum Role { A B }\n"

static void compares(const char *have, const char *want, const char *lines)
{
    scoped(gql_schema_destroyp) struct gql_schema *one = schema_of(have);
    scoped(gql_schema_destroyp) struct gql_schema *other = schema_of(want);
    struct buf out;
    size_t count = 0;
    buf_init(&out, 0);
    for (const char *at = lines; *at; at++)
        count += *at == '\n';
    assert_int_equal(gql_schema_compare(one, other, &out), count);
    assert_str(buf_str(&out), lines);
    buf_clear(&out);
}

static void what_is_the_same_has_no_lines(void **state)
{
    static const char sdl[] =
        COMMON "type Query { a(b: [Int!] = [1, 2]): String! @access(role: A) }";
    (void)state;
    compares(sdl, sdl, "");
    /* Descriptions, order and what goes beyond the contract are no matter. */
    compares(
        COMMON
        "type Query { z: Int \"text\" a(c: Int, b: [Int!] = [1, 2]): String! @access(role: A) }",
        sdl, "");
}

static void what_is_missing_has_a_coordinate(void **state)
{
    (void)state;
    compares(
        COMMON "interface I { x: Int } enum E { ONE } input In { a: Int } union U = T\n"
               "type T implements I { x: Int } type Query { t(a: In): T e: E u: U }",
        COMMON "interface I { x: Int y(z: Int): Int } interface J { x: Int } enum E { ONE TWO }\n"
               "input In { a: Int b: Int } union U = T | V scalar S directive @d on FIELD\n"
               "type T implements I & J { x: Int y(z: Int): Int } type V { s: S }\n"
               "type Query { t(a: In, b: Int): T e: E u: U v: V }",
        "missing I.y\nmissing J\nmissing E.TWO\nmissing In.b\nmissing U = V\nmissing S\n"
        "missing T.y\nmissing T implements J\nmissing V\nmissing Query.t(b:)\nmissing Query.v\n"
        "missing @d\n");
}

static void what_differs_says_how(void **state)
{
    (void)state;
    compares(
        COMMON
        "enum K { X } input In { a: Int! b: Int = 1 c: String = \"x\" d: Int! }\n"
        "type Query { k: K f(a: In, g: [Int], must: Int!): String! @access(role: A) h: [Int]! }",
        COMMON
        "type K { x: Int } input In { a: Int b: Int = 2 c: String d: Int! = 3 @access(role: B) }\n"
        "type Query { k: K f(a: In!, g: [Int!]): String @access(role: B) h: [Int!] }",
        "differs K: enum, not type\n"
        "differs In.a: Int!, not Int\n"
        "differs In.b: default 1, not default 2\n"
        "differs In.c: default \"x\", not no default\n"
        "differs In.d: no default, not default 3\n"
        "differs In.d: no @access, not @access(role: B)\n"
        "differs Query.f: String!, not String\n"
        "differs Query.f: @access(role: A), not @access(role: B)\n"
        "differs Query.f(a:): In, not In!\n"
        "differs Query.f(g:): [Int], not [Int!]\n"
        "differs Query.f(must:): required, not asked for\n"
        "differs Query.h: [Int]!, not [Int!]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_has_no_lines),
        cmocka_unit_test(what_is_missing_has_a_coordinate),
        cmocka_unit_test(what_differs_says_how),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
