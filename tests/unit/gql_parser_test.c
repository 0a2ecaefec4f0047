#include "gql/ast_priv.h"

#include "base/buf.h"
#include "gql/gql.h"
#include "gql/print_priv.h"
#include "test.h"

static const struct parse_options relaxed = { .nesting_max = 1000 };

struct parsed {
    struct arena *arena;
    struct gql_errors errors;
    struct ast_document *doc;
};

static struct ast_document *parse(struct parsed *p, struct str source,
                                  const struct parse_options *options)
{
    *p = (struct parsed){ .arena = arena_create(SIZE_MAX) };
    p->errors.arena = p->arena;
    p->doc = ast_parse(p->arena, source, options, &p->errors);
    return p->doc;
}

static void assert_error(const char *source, const char *message, uint32_t column)
{
    struct parsed p;
    assert_null(parse(&p, str_of_c(source), &relaxed));
    assert_int_equal(p.errors.count, 1);
    assert_str(p.errors.first->message, message);
    assert_int_equal(p.errors.first->locations[0].column, column);
    assert_string_equal(p.errors.first->code, GQL_CODE_PARSE);
    arena_destroy(p.arena);
}

static void assert_prints(const char *source, const char *canonical)
{
    struct parsed p;
    struct buf out;
    if (!parse(&p, str_of_c(source), &relaxed))
        fail_msg("%.*s", STR_FMT(p.errors.first->message));
    buf_init(&out, 0);
    print_document(&out, p.doc);
    assert_str(buf_str(&out), canonical);
    buf_clear(&out);
    arena_destroy(p.arena);
}

/* spec: GraphQL Sep 2025, 2.3 to 2.13 */
static void reads_executable_documents(void **state)
{
    (void)state;
    assert_prints("{a}", "{\n  a\n}");
    assert_prints(
        "query Q($a:[Int!]!=[1 2]@d $b:S){x:y(a:$a b:{c:\"d\",e:[null true E -1.5e3]})@s("
        "if:$b){...F@i ...on T{id}...@k{z}}}fragment F on T@f{id}",
        "query Q($a: [Int!]! = [1, 2] @d, $b: S) {\n"
        "  x: y(a: $a, b: {c: \"d\", e: [null, true, E, -1.5e3]}) @s(if: $b) {\n"
        "    ...F @i\n    ... on T {\n      id\n    }\n    ... @k {\n      z\n    }\n  }\n}"
        "\n\nfragment F on T @f {\n  id\n}");
    assert_prints("\"what\" query A{a}", "\"what\"\nquery A {\n  a\n}");
    assert_prints("subscription{on type query{fragment}}",
                  "subscription {\n  on\n  type\n  query {\n    fragment\n  }\n}");
}

/* spec: GraphQL Sep 2025, 3 */
static void reads_type_system_documents(void **state)
{
    (void)state;
    assert_prints(
        "\"s\" schema@a{query:Q} scalar D@specifiedBy(url:\"u\") "
        "type Q implements&A&B@k{\"d\"f(a:Int=1@x b:[S!]!):T!@y} interface A implements B{a:I} "
        "union U=|A|B enum E{A@z B} input I@oneOf{a:Int b:S} "
        "directive@d(a:Int)repeatable on|FIELD|QUERY extend type Q@m extend schema{mutation:M}",
        "\"s\"\nschema @a {\n  query: Q\n}\n\nscalar D @specifiedBy(url: \"u\")\n\n"
        "type Q implements A & B @k {\n  \"d\"\n  f(a: Int = 1 @x, b: [S!]!): T! @y\n}\n\n"
        "interface A implements B {\n  a: I\n}\n\nunion U = A | B\n\nenum E {\n  A @z\n  B\n}\n\n"
        "input I @oneOf {\n  a: Int\n  b: S\n}\n\n"
        "directive @d(a: Int) repeatable on FIELD | QUERY\n\nextend type Q @m\n\n"
        "extend schema {\n  mutation: M\n}");
}

static void tells_what_was_expected(void **state)
{
    (void)state;
    assert_error("{", "Syntax Error: Expected Name, found <EOF>.", 2);
    assert_error("", "Syntax Error: Unexpected <EOF>.", 1);
    assert_error("{ a(b: 1", "Syntax Error: Expected Name, found <EOF>.", 9);
    assert_error("{ ...on }", "Syntax Error: Expected Name, found \"}\".", 9);
    assert_error("fragment on on T { a }", "Syntax Error: Unexpected Name \"on\".", 10);
    assert_error("query ($a: Int = $b) { a }",
                 "Syntax Error: Unexpected variable \"$b\" in constant value.", 18);
    assert_error("notAnOperation Foo { a }", "Syntax Error: Unexpected Name \"notAnOperation\".",
                 1);
    assert_error("\"d\" { a }",
                 "Syntax Error: Unexpected description, descriptions are not supported on "
                 "shorthand queries.",
                 1);
    assert_error("\"d\" extend type T { a: A }",
                 "Syntax Error: Unexpected description, only GraphQL definitions support "
                 "descriptions.",
                 1);
    assert_error("enum E { true }",
                 "Syntax Error: Name \"true\" is reserved and cannot be used for an enum value.",
                 10);
    assert_error("directive @d on NOWHERE", "Syntax Error: Unexpected Name \"NOWHERE\".", 17);
    assert_error("extend type T", "Syntax Error: Unexpected <EOF>.", 14);
}

/* `opening` over and over: the parser must stop by its own count, not by the end of the stack. */
static void assert_nesting_is_bounded(const char *start, const char *opening)
{
    static const struct parse_options strict = { .nesting_max = 100 };
    struct parsed p;
    struct buf source;
    buf_init(&source, 0);
    buf_put_c(&source, start);
    for (int i = 0; i < 200'000; i++)
        buf_put_c(&source, opening);
    assert_null(parse(&p, buf_str(&source), &strict));
    assert_string_equal(p.errors.first->code, GQL_CODE_COMPLEX);
    assert_str(p.errors.first->message, "Syntax Error: Document nests deeper than 100 levels.");
    assert_str(p.errors.first->extensions_json,
               "\"limit\":\"nesting_max\",\"max\":100,\"value\":101");
    assert_true(arena_used(p.arena) < 256 * 1024);
    arena_destroy(p.arena);
    buf_clear(&source);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    assert_nesting_is_bounded("", "{a");
    assert_nesting_is_bounded("{ a(b: ", "[");
    assert_nesting_is_bounded("{ a(b: ", "{c:");
    assert_nesting_is_bounded("query ($a: ", "[");
    assert_nesting_is_bounded("{", "...{");
    assert_nesting_is_bounded("{", "... on T @d(a: [1]) {");
}

static void tokens_are_bounded(void **state)
{
    static const struct parse_options strict = { .tokens_max = 10, .nesting_max = 100 };
    struct parsed p;
    (void)state;
    assert_non_null(parse(&p, STR("{ a b c d e f g h }"), &strict));
    arena_destroy(p.arena);
    assert_null(parse(&p, STR("{ a b c d e f g h i }"), &strict));
    assert_string_equal(p.errors.first->code, GQL_CODE_COMPLEX);
    assert_str(p.errors.first->message,
               "Syntax Error: Document contains more than 10 tokens. Parsing aborted.");
    arena_destroy(p.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_executable_documents), cmocka_unit_test(reads_type_system_documents),
        cmocka_unit_test(tells_what_was_expected),    cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(tokens_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
