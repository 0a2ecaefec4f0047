#include "gql/schema_priv.h"

#include "gql_harness.h"

/* The first error of a schema text, and how many there are. */
static void assert_refused(const char *sdl, const char *message, size_t count)
{
    struct arena *arena = arena_create(SIZE_MAX);
    struct gql_errors errors = { .arena = arena };
    struct gql_schema *s = gql_schema_create(str_of_c(sdl), NULL, &errors);
    if (s)
        fail_msg("accepted: %s", sdl);
    assert_str(errors.first->message, message);
    assert_int_equal(errors.count, count);
    arena_destroy(arena);
}

/* spec: GraphQL Sep 2025, 3.1 to 3.13 */
static void refuses_documents_against_the_rules(void **state)
{
    (void)state;
    assert_refused("type Query { a: }", "Syntax Error: Expected Name, found \"}\".", 1);
    assert_refused("type Query { a: Int a: Int }", "Field \"Query.a\" can only be defined once.",
                   1);
    assert_refused("type Query { a: Nope }", "Unknown type \"Nope\".", 1);
    assert_refused("type Query { a: Strin }", "Unknown type \"Strin\". Did you mean \"String\"?",
                   1);
    assert_refused("type Query { a: Int } type Query { b: Int }",
                   "There can be only one type named \"Query\".", 1);
    assert_refused("type Query { a: Int @no }", "Unknown directive \"@no\".", 1);
    assert_refused("type Query { a: Int @skip(if: true) }",
                   "Directive \"@skip\" may not be used on FIELD_DEFINITION.", 1);
    assert_refused("type Query { a(x: Int x: Int): Int }",
                   "Argument \"Query.a(x:)\" can only be defined once.", 1);
    assert_refused("extend type Nope { a: Int } type Query { a: Int }",
                   "Cannot extend type \"Nope\" because it is not defined.", 1);
    assert_refused("extend input Query { b: Int } type Query { a: Int }",
                   "Cannot extend non-input object type \"Query\".", 1);
    assert_refused("scalar S @specifiedBy type Query { a: S }",
                   "Directive \"@specifiedBy\" argument \"url\" of type \"String!\" is required, "
                   "but it was not provided.",
                   1);
    assert_refused("schema { query: Q } schema { query: Q } type Q { a: Int }",
                   "Must provide only one schema definition.", 2);
}

static void refuses_types_that_do_not_fit(void **state)
{
    (void)state;
    assert_refused("type T { a: Int }", "Query root type must be provided.", 1);
    assert_refused("type Query", "Type Query must define one or more fields.", 1);
    assert_refused("input I { a: Int } type Query { a: I }",
                   "The type of Query.a must be Output Type but got: I.", 1);
    assert_refused("type Query { a(b: Query): Int }",
                   "The type of Query.a(b:) must be Input Type but got: Query.", 1);
    assert_refused("interface I { a: Int! } type Query implements I { a: Int }",
                   "Interface field I.a expects type Int! but Query.a is type Int.", 1);
    assert_refused("interface I { a: Int } type Query implements I { b: Int }",
                   "Interface field I.a expected but Query does not provide it.", 1);
    assert_refused("interface A { a: Int } interface B implements A { a: Int } "
                   "type Query implements B { a: Int }",
                   "Type Query must implement A because it is implemented by B.", 1);
    assert_refused("union U = Query | U type Query { a: U }",
                   "Union type U can only include Object types, it cannot include U.", 1);
    assert_refused("input I @oneOf { a: Int! } type Query { a(i: I): Int }",
                   "OneOf input field I.a must be nullable.", 1);
    assert_refused("input A { b: B! } input B { a: A! } type Query { a(i: A): Int }",
                   "Cannot reference Input Object \"A\" within itself through a series of non-null "
                   "fields: \"b.a\".",
                   1);
    assert_refused("type Query { __a: Int }",
                   "Name \"__a\" must not begin with \"__\", which is reserved by GraphQL "
                   "introspection.",
                   1);
}

static void counts_places_of_errors(void **state)
{
    struct arena *arena = arena_create(SIZE_MAX);
    struct gql_errors errors = { .arena = arena };
    (void)state;
    assert_null(
        gql_schema_create(STR("type Query {\n  a: Int\n}\ntype Query { b: Int }"), NULL, &errors));
    assert_int_equal(errors.first->location_count, 2);
    assert_int_equal(errors.first->locations[1].line, 4);
    assert_int_equal(errors.first->locations[1].column, 6);
    arena_destroy(arena);
}

static enum gql_next nothing(struct gql_step *step)
{
    (void)step;
    return GQL_DONE;
}

static void does_not_start_with_a_field_unbound(void **state)
{
    static const struct gql_binding binding = { .resolve = nothing };
    static const struct gql_binding fallback = { .get = harness_property };
    struct harness h;
    struct err e;
    (void)state;
    harness_schema(&h, "type Query { a: T b: Int } type T { c: Int }", NULL);
    assert_false(gql_schema_bind(h.schema, "Query.z", &binding, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(gql_schema_bind(h.schema, "Query.a", &binding, &e));
    assert_false(gql_schema_bind(h.schema, "Query.a", &binding, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_false(gql_schema_seal(h.schema, NULL, &e));
    assert_string_equal(e.message, "field Query.b has no resolver (2 in all)");
    assert_false(gql_schema_seal(h.schema, &fallback, &e));
    assert_string_equal(e.message, "field Query.b has no resolver (1 in all)");
    assert_true(gql_schema_bind(h.schema, "Query.b", &binding, &e));
    assert_true(gql_schema_seal(h.schema, &fallback, &e));
    harness_clear(&h);
}

/* Building drops a default that is no value of its type, as the reference does; hosts hear of it.
 */
static void does_not_start_with_a_wrong_default(void **state)
{
    static const char *const wrong[] = {
        "type Query { a(x: Int = \"1\"): Int }",
        "type Query { a(x: [Int!] = [null]): Int }",
        "type Query { a(x: In): Int } input In { x: E = B } enum E { A }",
        "type Query { a(x: In = {z: 1}): Int } input In { y: Int! z: Int }",
    };
    static const struct gql_binding fallback = { .resolve = nothing };
    (void)state;
    for (size_t i = 0; i < countof(wrong); i++) {
        struct harness h;
        struct err e;
        harness_schema(&h, wrong[i], NULL);
        harness_bind(&h, "Query.a", fallback);
        assert_false(gql_schema_seal(h.schema, NULL, &e));
        assert_true(str_find(str_of_c(e.message), STR(".x is no value of its type")) > 0);
        harness_clear(&h);
    }
}

static void subscriptions_need_a_source(void **state)
{
    static const struct gql_binding binding = { .resolve = nothing };
    struct harness h;
    struct err e;
    (void)state;
    harness_schema(&h, "type Query { a: Int } type Subscription { s: Int }", NULL);
    assert_true(gql_schema_bind(h.schema, "Query.a", &binding, &e));
    assert_true(gql_schema_bind(h.schema, "Subscription.s", &binding, &e));
    assert_false(gql_schema_seal(h.schema, NULL, &e));
    assert_string_equal(e.message, "field Subscription.s has no resolver (1 in all)");
    harness_clear(&h);
}

static void root_fields_have_the_default_role(void **state)
{
    static const struct gql_schema_options options = { .default_access = "VIEWER" };
    struct harness h;
    (void)state;
    harness_schema(&h,
                   "directive @access(role: R!) on FIELD_DEFINITION\nenum R { ANYONE VIEWER }\n"
                   "type Query { a: T b: Int @access(role: ANYONE) } type T { c: Int }",
                   &options);
    const struct gql_type *query = schema_find(h.schema, STR("Query"));
    assert_str(query->fields[0].access, "VIEWER");
    assert_str(query->fields[1].access, "ANYONE");
    assert_null(schema_find(h.schema, STR("T"))->fields[0].access.ptr);
    harness_clear(&h);
}

static void prints_what_it_read(void **state)
{
    static const char sdl[] =
        "\"\"\"The schema.\"\"\"\nschema {\n  query: Root\n}\n\n"
        "directive @d(a: Int = 1) repeatable on FIELD\n\n"
        "type Root implements Node {\n  id: ID!\n\n  \"\"\"With words.\"\"\"\n"
        "  f(a: In = {x: 1, l: [\"a\"]}, e: E = B): [U!]! @deprecated(reason: \"old\")\n}\n\n"
        "interface Node {\n  id: ID!\n}\n\nunion U = Root\n\nenum E {\n  A\n  B @deprecated\n}\n\n"
        "input In {\n  x: Int!\n  l: [String]\n}\n\nscalar S @specifiedBy(url: \"https://s\")";
    struct harness h;
    (void)state;
    harness_schema(&h, sdl, NULL);
    gql_schema_print(h.schema, &h.out);
    assert_str(buf_str(&h.out), sdl);
    harness_clear(&h);
}

/* spec: GraphQL Sep 2025, 3.5: a built-in scalar that nothing refers to is not in the schema. */
static void hides_unused_scalars(void **state)
{
    struct harness h;
    (void)state;
    harness_schema(&h, "type Query { a: Int }", NULL);
    assert_non_null(gql_schema_type(h.schema, STR("Int")));
    assert_null(gql_schema_type(h.schema, STR("Float")));
    assert_null(gql_schema_type(h.schema, STR("__Meta")));
    harness_clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_documents_against_the_rules),
        cmocka_unit_test(refuses_types_that_do_not_fit),
        cmocka_unit_test(counts_places_of_errors),
        cmocka_unit_test(does_not_start_with_a_field_unbound),
        cmocka_unit_test(does_not_start_with_a_wrong_default),
        cmocka_unit_test(subscriptions_need_a_source),
        cmocka_unit_test(root_fields_have_the_default_role),
        cmocka_unit_test(prints_what_it_read),
        cmocka_unit_test(hides_unused_scalars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
