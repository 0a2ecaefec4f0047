#include "gql/tool.h"

#include "gql_harness.h"

static const char sdl[] =
    "interface Pet { name(surname: Boolean): String }\n"
    "type Dog implements Pet { name(surname: Boolean): String barks: Boolean mother: Dog\n"
    "  knows(command: Command!): Boolean! }\n"
    "type Cat implements Pet { name(surname: Boolean): String meows: Int }\n"
    "union CatOrDog = Cat | Dog\n"
    "enum Command { SIT HEEL }\n"
    "input In { a: Int! b: [String] c: In }\n"
    "input One @oneOf { x: Int y: String }\n"
    "type Query { dog: Dog pet: Pet catOrDog: CatOrDog find(in: In, one: One, ids: [ID!]): Dog }\n"
    "type Subscription { a: Int b: Int }";

static int setup(void **state)
{
    struct harness *h = test_malloc(sizeof *h);
    harness_schema(h, sdl, NULL);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    harness_clear(*state);
    test_free(*state);
    return 0;
}

/* Exactly these messages, each on a line of `expected`; "" for a valid document. */
static void assert_errors(struct harness *h, const char *document, const char *expected)
{
    struct gql_errors errors = { .arena = h->arena };
    struct buf found;
    buf_init(&found, 0);
    if (!gql_document_validate(h->schema, str_of_c(document), &errors))
        fail_msg("%.*s", STR_FMT(errors.first->message));
    for (const struct gql_error *e = errors.first; e; e = e->next) {
        buf_put_str(&found, e->message);
        buf_put_c(&found, e->next ? "\n" : "");
        assert_string_equal(e->code, GQL_CODE_VALIDATION);
    }
    assert_str(buf_str(&found), expected);
    buf_clear(&found);
}

/* spec: GraphQL Sep 2025, 5.1 and 5.2 */
static void checks_definitions(void **state)
{
    assert_errors(*state, "{ dog { barks } }", "");
    assert_errors(*state, "{ dog { barks } } type T { a: Int }",
                  "The \"T\" definition is not executable.");
    assert_errors(*state, "query A { dog { barks } } query A { dog { barks } }",
                  "There can be only one operation named \"A\".");
    assert_errors(*state, "{ dog { barks } } query A { dog { barks } }",
                  "This anonymous operation must be the only defined operation.");
    assert_errors(*state, "subscription { a b }",
                  "Anonymous Subscription must select only one top level field.");
    assert_errors(*state, "subscription S { ...F } fragment F on Subscription { a x: b }",
                  "Subscription \"S\" must select only one top level field.");
    assert_errors(*state, "subscription { __typename }",
                  "Anonymous Subscription must not select an introspection top level field.");
}

/* spec: GraphQL Sep 2025, 5.3 */
static void checks_fields(void **state)
{
    assert_errors(*state, "{ dog { bark } }",
                  "Cannot query field \"bark\" on type \"Dog\". Did you mean \"barks\"?");
    assert_errors(*state, "{ pet { meows } }",
                  "Cannot query field \"meows\" on type \"Pet\". Did you mean to use an inline "
                  "fragment on \"Cat\"?");
    assert_errors(*state, "{ catOrDog { name } }",
                  "Cannot query field \"name\" on type \"CatOrDog\". Did you mean to use an inline "
                  "fragment on \"Pet\", \"Cat\", or \"Dog\"?");
    assert_errors(*state, "{ catOrDog { __typename ... on Pet { name } } }", "");
    assert_errors(*state, "{ dog { barks { x } } }",
                  "Field \"barks\" must not have a selection since type \"Boolean\" has no "
                  "subfields.");
    assert_errors(*state, "{ dog }",
                  "Field \"dog\" of type \"Dog\" must have a selection of subfields. Did you mean "
                  "\"dog { ... }\"?");
}

/* spec: GraphQL Sep 2025, 5.3.2 */
static void checks_that_fields_merge(void **state)
{
    assert_errors(*state, "{ dog { x: barks ... on Dog { x: barks } } }", "");
    assert_errors(*state, "{ pet { ... on Dog { x: barks } ... on Cat { x: name } } }",
                  "Fields \"x\" conflict because they return conflicting types \"Boolean\" and "
                  "\"String\". Use different aliases on the fields to fetch both if this was "
                  "intentional.");
    assert_errors(*state, "{ dog { x: barks x: name } }",
                  "Fields \"x\" conflict because \"barks\" and \"name\" are different fields. Use "
                  "different aliases on the fields to fetch both if this was intentional.");
    assert_errors(*state, "{ dog { name(surname: true) ...F } } fragment F on Dog { name }",
                  "Fields \"name\" conflict because they have differing arguments. Use different "
                  "aliases on the fields to fetch both if this was intentional.");
    assert_errors(*state, "{ dog { x: mother { y: name } } dog { x: mother { y: barks } } }",
                  "Fields \"dog\" conflict because subfields \"x\" conflict because subfields "
                  "\"y\" conflict because \"name\" and \"barks\" are different fields. Use "
                  "different aliases on the fields to fetch both if this was intentional.");
}

/* spec: GraphQL Sep 2025, 5.4 */
static void checks_arguments(void **state)
{
    assert_errors(*state, "{ dog { knows } }",
                  "Field \"knows\" argument \"command\" of type \"Command!\" is required, but it "
                  "was not provided.");
    assert_errors(*state, "{ dog { name(sirname: true) } }",
                  "Unknown argument \"sirname\" on field \"Dog.name\". Did you mean \"surname\"?");
    assert_errors(*state, "{ dog { name(surname: true, surname: false) } }",
                  "There can be only one argument named \"surname\".");
}

/* spec: GraphQL Sep 2025, 5.5 */
static void checks_fragments(void **state)
{
    assert_errors(*state, "{ dog { ...F } }", "Unknown fragment \"F\".");
    assert_errors(*state, "{ dog { barks } } fragment F on Dog { barks }",
                  "Fragment \"F\" is never used.");
    assert_errors(*state, "{ dog { ...F } } fragment F on Command { x }",
                  "Fragment \"F\" cannot condition on non composite type \"Command\".");
    assert_errors(*state, "{ dog { ... on Aardvark { x } } }", "Unknown type \"Aardvark\".");
    assert_errors(*state, "{ dog { ... on Cat { meows } } }",
                  "Fragment cannot be spread here as objects of type \"Dog\" can never be of type "
                  "\"Cat\".");
    assert_errors(*state,
                  "{ dog { ...F } } fragment F on Dog { mother { ...G } } "
                  "fragment G on Dog { mother { ...F } }",
                  "Cannot spread fragment \"F\" within itself via \"G\".");
}

/* spec: GraphQL Sep 2025, 5.6 */
static void checks_values(void **state)
{
    assert_errors(*state, "{ dog { knows(command: SAT) } }",
                  "Value \"SAT\" does not exist in \"Command\" enum. Did you mean the enum value "
                  "\"SIT\"?");
    assert_errors(*state, "{ dog { knows(command: null) } }",
                  "Expected value of type \"Command!\", found null.");
    assert_errors(*state, "{ find(in: {b: 1}) { barks } }",
                  "Field \"In.a\" of required type \"Int!\" was not provided.\n"
                  "String cannot represent a non string value: 1");
    assert_errors(
        *state, "{ find(in: {a: 2147483648, d: 1}) { barks } }",
        "Int cannot represent non 32-bit signed integer value: 2147483648\n"
        "Field \"d\" is not defined by type \"In\". Did you mean \"a\", \"b\", or \"c\"?");
    assert_errors(*state, "{ find(in: {a: 1, a: 2}) { barks } }",
                  "There can be only one input field named \"a\".");
    assert_errors(*state, "{ find(one: {x: 1, y: \"\"}) { barks } }",
                  "OneOf Input Object \"One\" must specify exactly one key.");
    assert_errors(*state, "{ find(ids: [1, \"a\", null]) { barks } }",
                  "Expected value of type \"ID!\", found null.");
    assert_errors(*state, "{ find(ids: 1) { barks } }", "");
}

/* spec: GraphQL Sep 2025, 5.7 */
static void checks_directives(void **state)
{
    assert_errors(*state, "{ dog @nope { barks } }", "Unknown directive \"@nope\".");
    assert_errors(*state, "query @skip(if: true) { dog { barks } }",
                  "Directive \"@skip\" may not be used on QUERY.");
    assert_errors(*state, "{ dog @skip(if: true) @skip(if: false) { barks } }",
                  "The directive \"@skip\" can only be used once at this location.");
    assert_errors(*state, "{ dog @include { barks } }",
                  "Directive \"@include\" argument \"if\" of type \"Boolean!\" is required, but it "
                  "was not provided.");
}

/* spec: GraphQL Sep 2025, 5.8 */
static void checks_variables(void **state)
{
    assert_errors(*state, "query ($a: Int, $a: Int) { find(in: {a: $b}) { barks } }",
                  "There can be only one variable named \"$a\".\nVariable \"$b\" is not defined.\n"
                  "Variable \"$a\" is never used.\nVariable \"$a\" is never used.");
    assert_errors(*state, "query Q($d: Dog) { find(in: $d) { barks } }",
                  "Variable \"$d\" cannot be non-input type \"Dog\".\n"
                  "Variable \"$d\" of type \"Dog\" used in position expecting type \"In\".");
    assert_errors(*state, "query ($a: Int) { find(in: {a: $a}) { barks } }",
                  "Variable \"$a\" of type \"Int\" used in position expecting type \"Int!\".");
    assert_errors(*state, "query ($a: Int = 1) { find(in: {a: $a}) { barks } }", "");
    assert_errors(*state, "query ($i: [ID]) { find(ids: $i) { barks } }",
                  "Variable \"$i\" of type \"[ID]\" used in position expecting type \"[ID!]\".");
    assert_errors(*state,
                  "query Q($a: Int) { dog { ...F } } fragment F on Dog { name(surname: $s) }",
                  "Variable \"$s\" is not defined by operation \"Q\".\n"
                  "Variable \"$a\" is never used in operation \"Q\".");
    assert_errors(
        *state, "query ($x: Int) { find(one: {x: $x}) { barks } }",
        "Variable \"$x\" is of type \"Int\" but must be non-nullable to be used for OneOf "
        "Input Object \"One\".");
}

static void stops_after_a_hundred_errors(void **state)
{
    struct harness *h = *state;
    struct gql_errors errors = { .arena = h->arena };
    struct buf document;
    buf_init(&document, 0);
    buf_put_c(&document, "{");
    for (int i = 0; i < 1000; i++)
        buf_printf(&document, " f%d", i);
    buf_put_c(&document, " }");
    assert_true(gql_document_validate(h->schema, buf_str(&document), &errors));
    assert_int_equal(errors.count, 101);
    assert_str(errors.last->message,
               "Too many validation errors, error limit reached. Validation aborted.");
    buf_clear(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_definitions),
        cmocka_unit_test(checks_fields),
        cmocka_unit_test(checks_that_fields_merge),
        cmocka_unit_test(checks_arguments),
        cmocka_unit_test(checks_fragments),
        cmocka_unit_test(checks_values),
        cmocka_unit_test(checks_directives),
        cmocka_unit_test(checks_variables),
        cmocka_unit_test(stops_after_a_hundred_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
