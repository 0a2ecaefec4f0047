/*
 * Documents made to hurt: each must be answered within a budget of bytes and comparisons, whatever
 * it says. Time is not measured; what costs time here are steps and memory, and those are counted.
 */
#include "gql/tool.h"
#include "gql_harness.h"

static const char sdl[] =
    "interface Node { id: Int next: Node self: Node }\n"
    "type A implements Node { id: Int next: Node self: Node f(x: Int, l: [Int]): Int }\n"
    "type B implements Node { id: Int next: Node self: Node }\n"
    "scalar JSON\n"
    "input In { a: Int b: In s: String }\n"
    "type Query { a: A node: Node list(first: Int): [A!]\n"
    "  echo(j: JSON, i: In, s: String, f: Float, id: ID): JSON }";

static enum gql_next nothing(struct gql_step *step)
{
    (void)step;
    return GQL_DONE;
}

static struct json_value row = { .type = JSON_OBJECT };
static void *const two[] = { &row, &row };

static enum gql_next two_items(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_objects(two, 2);
    return GQL_DONE;
}

/* Its arguments, as the engine made them. */
static enum gql_next echo(struct gql_step *step)
{
    struct buf text;
    buf_init(&text, 0);
    gql_args_put(&text, step);
    step->results[0] = gql_raw(arena_copy(step->arena, buf_str(&text)));
    buf_clear(&text);
    return GQL_DONE;
}

static int setup(void **state)
{
    static const struct gql_scalar json = { .is_json = true };
    struct harness *h = test_malloc(sizeof *h);
    struct err e;
    harness_schema(h, sdl, NULL);
    assert_true(gql_schema_bind_scalar(h->schema, "JSON", &json, &e));
    harness_bind(h, "Query.echo", (struct gql_binding){ .resolve = echo });
    harness_bind(h, "Query.a", (struct gql_binding){ .resolve = nothing });
    harness_bind(h, "Query.node", (struct gql_binding){ .resolve = nothing });
    harness_bind(h, "Query.list", (struct gql_binding){ .resolve = two_items });
    harness_bind(h, "A.f", (struct gql_binding){ .resolve = nothing });
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

/* `part` so many times over, with its number where it says %d. */
static void repeat(struct buf *b, const char *part, int times)
{
    const char *number = strstr(part, "%d");
    for (int i = 0; i < times; i++) {
        if (!number) {
            buf_put_c(b, part);
            continue;
        }
        buf_put(b, part, (size_t)(number - part));
        buf_put_i64(b, i);
        buf_put_c(b, number + 2);
    }
}

enum { MEBIBYTE = 1 << 20 };

/* Runs the document in an arena of its own and says what it used. */
static size_t run(struct harness *h, const struct buf *document, const char *variables)
{
    struct arena *outer = h->arena;
    h->arena = arena_create(SIZE_MAX);
    struct gql_request request = { .document = buf_str(document),
                                   .variables = variables ? harness_json(h, variables) : NULL };
    harness_start(h, &request);
    assert_int_equal(h->ended, 1);
    size_t used = arena_used(h->arena);
    arena_destroy(h->arena);
    h->arena = outer;
    return used;
}

static void assert_refused(struct harness *h, const char *head, const char *part, int times,
                           const char *tail, const char *code, const char *limit)
{
    struct buf document;
    buf_init(&document, 0);
    buf_put_c(&document, head);
    repeat(&document, part, times);
    buf_put_c(&document, tail);
    size_t used = run(h, &document, NULL);
    if (!h->outcome.code || strcmp(h->outcome.code, code) != 0)
        fail_msg("%.200s: %.300s", head, h->out.ptr);
    if (limit && str_find(buf_str(&h->out), str_of_c(limit)) < 0)
        fail_msg("%s is not named in %.300s", limit, h->out.ptr);
    assert_true(used < 4 * MEBIBYTE);
    buf_clear(&document);
}

static void each_limit_answers_with_its_name(void **state)
{
    assert_refused(*state, "{", " a { id }", 6000, "}", GQL_CODE_COMPLEX, "tokens_max");
    assert_refused(*state, "{ a { id } ", "a%d: a { id } ", 31, "}", GQL_CODE_COMPLEX,
                   "aliases_max");
    assert_refused(*state, "{ node { ", "next { ", 16, "id } } } } } } } } } } } } } } } } } }",
                   GQL_CODE_COMPLEX, "depth_max");
    assert_refused(*state, "{ a { ", "id @skip(if: false) ", 51, "} }", GQL_CODE_COMPLEX,
                   "directives_max");
    assert_refused(*state, "{ a { id ", "@skip(if: false) ", 9, "} }", GQL_CODE_COMPLEX,
                   "directives_at_once_max");
    assert_refused(*state, "{ a ", "@aa", 10, " { id } }", GQL_CODE_COMPLEX,
                   "directives_at_once_max");
    assert_refused(*state, "{ a { ", "id ", 101, "} }", GQL_CODE_COMPLEX, "repeats_max");
    assert_refused(*state, "{ ", "__typename ", 500, "}", GQL_CODE_COMPLEX, "repeats_max");
    assert_refused(*state, "{ ", "x%d: a { id } ", 21, "}", GQL_CODE_COMPLEX, "root_fields_max");
    assert_refused(*state, "{ list(first: 501) { id } }", "", 0, "", GQL_CODE_COMPLEX,
                   "list_size_max");
    assert_refused(*state, "{ a { f(l: ", "[", 5000, "", GQL_CODE_COMPLEX, "nesting_max");
}

static void operations_of_a_batch_are_paid_together(void **state)
{
    static const char query[] = "query ($n: Int) { list(first: $n) { id } }";
    struct harness *h = *state;
    h->limits.cost_max = 1000;
    struct gql_engine *engine = gql_engine_create(h->schema, &h->host, &h->limits, 1 << 20);
    struct gql_engine *before = h->engine;
    uint64_t spent = 0;
    struct gql_request request = { .document = str_of_c(query),
                                   .variables = harness_json(h, "{\"n\": 400}"),
                                   .spent_cost = &spent };
    struct gql_request plain = { .document = STR("{ a { id } }"), .spent_cost = &spent };
    h->engine = engine;
    for (uint64_t i = 1; i <= 2; i++) {
        harness_start(h, &request);
        assert_int_equal(h->outcome.error_count, 0);
        assert_int_equal(spent, i * 401);
    }
    harness_start(h, &plain);
    assert_int_equal(h->outcome.error_count, 0);
    harness_start(h, &plain); /* of a plan that has a fixed cost */
    assert_int_equal(spent, 2 * 401 + 2 * 2);
    harness_start(h, &request);
    assert_string_equal(h->outcome.code, GQL_CODE_COMPLEX);
    assert_true(str_find(buf_str(&h->out), STR("\"limit\":\"cost_max\",\"max\":1000,"
                                               "\"value\":1207")) > 0);
    h->engine = before;
    h->limits.cost_max = gql_limits_default().cost_max;
    gql_engine_destroy(engine);
}

/* What tools ask of every server, as graphql-js words it; and its multiplied form. */
static void a_schema_may_be_read_and_not_multiplied(void **state)
{
    static const char introspection[] =
        "query I { __schema { queryType { name kind } mutationType { name kind } types { ...T } "
        "directives { name description locations args { ...V } } } } "
        "fragment T on __Type { kind name description fields(includeDeprecated: true) { name "
        "description args { ...V } type { ...R } isDeprecated deprecationReason } inputFields { "
        "...V } "
        "interfaces { ...R } enumValues(includeDeprecated: true) { name description isDeprecated "
        "deprecationReason } possibleTypes { ...R } } "
        "fragment V on __InputValue { name description type { ...R } defaultValue } "
        "fragment R on __Type { kind name ofType { kind name ofType { kind name ofType { kind name "
        "ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind "
        "name ofType { kind name } } } } } } } } } }";
    struct harness *h = *state;
    struct buf document;
    struct gql_engine *engine, *before = h->engine;
    h->limits.cost_max = 10'000;
    engine = h->engine = gql_engine_create(h->schema, &h->host, &h->limits, 1 << 20);
    buf_init(&document, 0);
    buf_put_c(&document, introspection);
    run(h, &document, NULL);
    assert_int_equal(h->outcome.error_count, 0);
    assert_refused(h, "{ __schema { types { ", "fields { type { ", 3, "name } } } } } } } } }",
                   GQL_CODE_VALIDATION, "introspection depth");
    assert_refused(
        h, "{ ",
        "a%d: __schema { types { fields { type { fields { args { type { name } } } } } } } ", 19,
        "}", GQL_CODE_COMPLEX, "cost_max");
    h->engine = before;
    gql_engine_destroy(engine);
    buf_clear(&document);
}

static void cost_counts_variables(void **state)
{
    struct harness *h = *state;
    struct buf document;
    buf_init(&document, 0);
    buf_put_c(&document, "query ($n: Int) { x: list(first: $n) { id b: id c: id } }");
    h->limits.cost_max = 1000;
    struct gql_engine *engine = gql_engine_create(h->schema, &h->host, &h->limits, 1 << 20);
    struct gql_engine *before = h->engine;
    h->engine = engine;
    run(h, &document, "{\"n\": 300}");
    assert_int_equal(h->outcome.error_count, 0);
    run(h, &document, "{\"n\": 400}");
    assert_string_equal(h->outcome.code, GQL_CODE_COMPLEX);
    assert_true(str_find(buf_str(&h->out), STR("\"limit\":\"cost_max\",\"max\":1000,"
                                               "\"value\":1201")) > 0);
    run(h, &document, "{\"n\": 501}");
    assert_true(str_find(buf_str(&h->out), STR("list_size_max")) > 0);
    run(h, &document, "{\"n\": 300}");
    assert_int_equal(h->outcome.error_count, 0);
    h->engine = before;
    gql_engine_destroy(engine);
    buf_clear(&document);
}

/* Each fragment spreads the next twice: 2^N fields, if anybody opened them all. */
static void exponential_spreads_stay_linear(void **state)
{
    struct buf document;
    buf_init(&document, 0);
    buf_put_c(&document, "{ a { ...F0 } }");
    for (int i = 0; i < 400; i++)
        buf_printf(&document, " fragment F%d on A { ...F%d ...F%d }", i, i + 1, i + 1);
    buf_put_c(&document, " fragment F400 on A { id }");
    assert_true(run(*state, &document, NULL) < 4 * MEBIBYTE);
    assert_int_equal(((struct harness *)*state)->outcome.error_count, 0);
    buf_clear(&document);
}

/* The same through fields: the response would be exponential, and the cost says so. */
static void exponential_fields_are_too_costly(void **state)
{
    struct harness *h = *state;
    struct buf document;
    buf_init(&document, 0);
    buf_put_c(&document, "{ node { ...F0 } }");
    for (int i = 0; i < 13; i++)
        buf_printf(&document,
                   " fragment F%d on Node { next { ...F%d } self { ...F%d } x: id y: id }", i,
                   i + 1, i + 1);
    buf_put_c(&document, " fragment F13 on Node { id }");
    assert_true(run(h, &document, NULL) < 8 * MEBIBYTE);
    assert_string_equal(h->outcome.code, GQL_CODE_COMPLEX);
    buf_clear(&document);
}

static void cycles_of_fragments_end(void **state)
{
    assert_refused(*state, "{ a { ...F } } fragment F on A { ", "...F ", 3000, "}",
                   GQL_CODE_VALIDATION, NULL);
    assert_refused(*state, "{ a { ...F0 } } fragment F999 on A { ...F0 } ",
                   "fragment F%d on A { ...F999 } ", 500, "", GQL_CODE_VALIDATION, NULL);
}

/* Thousands of fields of one key; all alike, or each different from all the others. */
static void overlapping_fields_are_compared_in_bounds(void **state)
{
    struct harness *h = *state;
    struct buf document;
    assert_refused(h, "{ a { ", "f(x: %d) ", 1600, "} }", GQL_CODE_VALIDATION, NULL);
    buf_init(&document, 0);
    buf_put_c(&document, "{");
    repeat(&document, " a { self { self { self { id } } } }", 600);
    buf_put_c(&document, "}");
    assert_true(run(h, &document, NULL) < 64 * MEBIBYTE);
    assert_true(h->outcome.error_count <= 101);
    buf_clear(&document);
}

static void unknown_names_do_not_search_forever(void **state)
{
    assert_refused(*state, "{ a { ", "f%d ", 4000, "} }", GQL_CODE_VALIDATION, NULL);
    assert_refused(*state, "{ a { ", "... on T%d { id } ", 1000, "} }", GQL_CODE_VALIDATION, NULL);
}

/* A mebibyte of digits, of name, of string: errors quote what was wrong, but not all of it. */
static void long_tokens_do_not_grow_errors(void **state)
{
    struct harness *h = *state;
    static const char *const heads[] = { "{ a { f(x: \"", "{ a { f(x: 1", "{ a { x" };
    static const char *const tails[] = { "\") } }", ") } }", " } }" };
    for (size_t i = 0; i < countof(heads); i++) {
        struct buf document;
        buf_init(&document, 0);
        buf_put_c(&document, heads[i]);
        repeat(&document, "1234567890123456", MEBIBYTE / 16);
        buf_put_c(&document, tails[i]);
        assert_true(run(h, &document, NULL) < 8 * MEBIBYTE);
        assert_int_equal(h->outcome.error_count, 1);
        buf_clear(&document);
    }
}

static void huge_lists_in_variables_are_bounded(void **state)
{
    struct harness *h = *state;
    struct buf variables, document;
    buf_init(&variables, 0);
    buf_init(&document, 0);
    buf_put_c(&document, "query ($l: [Int]) { a { f(l: $l) } }");
    buf_put_c(&variables, "{\"l\": [0");
    repeat(&variables, ",%d", 100'000);
    buf_put_c(&variables, "]}");
    buf_put_char(&variables, '\0');
    assert_true(run(h, &document, variables.ptr) < 32 * MEBIBYTE);
    assert_int_equal(h->outcome.error_count, 0);
    buf_clear(&variables);
    buf_clear(&document);
}

/* spec: GraphQL Sep 2025, 2.1: a document is text. Wherever the bytes stand, they are one error. */
static void bytes_that_are_no_text_are_one_error(void **state)
{
    static const char *const wrong[] = {
        "\xC3\x28", "\xED\xA0\x80", "\xC0\xAF", "\xF5\x80\x80\x80", "\xE2\x82", "\xFF", "\x80",
    };
    static const char *const heads[] = { "{ a", "{ echo(s: \"", "{ echo(s: \"\"\"", "{ a { id } # ",
                                         "\"" };
    static const char *const tails[] = { " }", "\") }", "\"\"\") }", "\n}", "\" { a { id } }" };
    for (size_t i = 0; i < countof(wrong); i++)
        for (size_t j = 0; j < countof(heads); j++) {
            struct buf document;
            buf_init(&document, 0);
            buf_put_c(&document, heads[j]);
            buf_put_c(&document, wrong[i]);
            buf_put_c(&document, tails[j]);
            run(*state, &document, NULL);
            assert_string_equal(((struct harness *)*state)->outcome.code, GQL_CODE_PARSE);
            assert_int_equal(((struct harness *)*state)->outcome.error_count, 1);
            buf_clear(&document);
        }
}

/* Half a pair of surrogates is no character: neither written out, nor escaped, nor in variables. */
static void lone_surrogates_are_refused(void **state)
{
    static const char *const documents[] = {
        "{ echo(s: \"\\uD800\") }",        "{ echo(s: \"\\uDC00\\uD800\") }",
        "{ echo(s: \"\\uD83D\\u0041\") }", "{ echo(s: \"\\u{D83D}\\u{DE00}\") }",
        "{ echo(s: \"\\u{110000}\") }",    "{ echo(s: \"\\uD83Dx\") }",
    };
    struct harness *h = *state;
    const struct json_value *v = NULL;
    struct err e;
    for (size_t i = 0; i < countof(documents); i++) {
        harness_run(h, documents[i], NULL);
        assert_string_equal(h->outcome.code, GQL_CODE_PARSE);
    }
    assert_str(harness_run(h, "{ echo(s: \"\\uD83D\\uDE00\") }", NULL),
               "{\"data\":{\"echo\":{\"s\":\"\xF0\x9F\x98\x80\"}}}");
    assert_false(json_parse(h->arena, STR("{\"s\":\"\\ud800\"}"), &v, &e));
    assert_false(json_parse(h->arena, STR("{\"s\":\"\xED\xA0\x80\"}"), &v, &e));
}

/* JSON keeps every digit, Int has its 32 bits, Float is a double, and ID is its text. */
static void large_numbers_are_kept_or_refused(void **state)
{
    struct harness *h = *state;
    assert_str(
        harness_run(h,
                    "query ($j: JSON) { echo(j: $j) x: echo(j: [9007199254740993, "
                    "123456789012345678901234567890, 1.10, 1e999]) }",
                    "{\"j\":[18446744073709551616,-9223372036854775809,1e-999,0.10]}"),
        "{\"data\":{\"echo\":{\"j\":[18446744073709551616,-9223372036854775809,1e-999,0.10]},"
        "\"x\":{\"j\":[9007199254740993,123456789012345678901234567890,1.10,1e999]}}}");
    assert_str(harness_run(h, "{ echo(id: 123456789012345678901234567890) }", NULL),
               "{\"data\":{\"echo\":{\"id\":\"123456789012345678901234567890\"}}}");
    assert_refused(h, "{ echo(i: {a: 2147483648", "0", 1000, "}) }", GQL_CODE_VALIDATION, NULL);
    harness_run(h, "query ($i: In) { echo(i: $i) }", "{\"i\":{\"a\":9223372036854775808}}");
    assert_string_equal(h->outcome.code, GQL_CODE_INPUT);
    harness_run(h, "query ($f: Float) { echo(f: $f) }", "{\"f\":1e999}");
    assert_string_equal(h->outcome.code, GQL_CODE_INPUT);
}

/* Of members with one name the last one counts, as JavaScript has it; in a literal it is an error.
 */
static void of_duplicate_keys_the_last_one_counts(void **state)
{
    struct harness *h = *state;
    assert_str(harness_run(h, "query ($i: In) { echo(i: $i) }",
                           "{\"i\":{\"a\":7},\"i\":{\"a\":1,\"a\":2}}"),
               "{\"data\":{\"echo\":{\"i\":{\"a\":2}}}}");
    harness_run(h, "{ echo(i: {a: 1, a: 2}) }", NULL);
    assert_string_equal(h->outcome.code, GQL_CODE_VALIDATION);
    harness_run(h, "{ echo(s: \"a\", s: \"b\") }", NULL);
    assert_string_equal(h->outcome.code, GQL_CODE_VALIDATION);
}

/* A mebibyte of text goes in and out again, and costs a few times its size; a literal is part of a
 * plan, whose bytes are bounded. */
static void long_texts_are_ordinary(void **state)
{
    struct harness *h = *state;
    struct buf document, variables;
    buf_init(&document, 0);
    buf_init(&variables, 0);
    buf_put_c(&document, "{ echo(s: \"");
    repeat(&document, "\\u0041bc\xC3\xA9", MEBIBYTE / 40);
    buf_put_c(&document, "\") }");
    assert_true(run(h, &document, NULL) < 16 * MEBIBYTE);
    assert_int_equal(h->outcome.error_count, 0);
    assert_true(h->out.len > MEBIBYTE / 10);
    buf_reset(&document);
    buf_put_c(&document, "query ($s: String) { echo(s: $s) }");
    buf_put_c(&variables, "{\"s\":\"");
    repeat(&variables, "0123456789abcdef", MEBIBYTE / 16);
    buf_put_c(&variables, "\"}");
    buf_put_char(&variables, '\0');
    assert_true(run(h, &document, variables.ptr) < 16 * MEBIBYTE);
    assert_int_equal(h->outcome.error_count, 0);
    assert_true(h->out.len > MEBIBYTE);
    buf_clear(&document);
    buf_clear(&variables);
}

/* Input objects within input objects: a literal stops at nesting_max, JSON at its reader's depth.
 */
static void deep_inputs_end(void **state)
{
    struct harness *h = *state;
    struct buf text;
    const struct json_value *v = NULL;
    struct err e;
    assert_refused(h, "{ echo(i: ", "{b: ", 5000, "", GQL_CODE_COMPLEX, "nesting_max");
    assert_refused(h, "query ($v: ", "[", 5000, "", GQL_CODE_COMPLEX, "nesting_max");
    buf_init(&text, 0);
    repeat(&text, "{\"b\":", 100'000);
    assert_false(json_parse(h->arena, buf_str(&text), &v, &e));
    buf_reset(&text);
    repeat(&text, "{\"b\":", 30);
    buf_put_c(&text, "null");
    repeat(&text, "}", 30);
    struct str inner = arena_copy(h->arena, buf_str(&text));
    buf_reset(&text);
    buf_printf(&text, "{\"i\":%.*s}", STR_FMT(inner));
    buf_put_char(&text, '\0');
    harness_run(h, "query ($i: In) { echo(i: $i) }", text.ptr);
    assert_int_equal(h->outcome.error_count, 0);
    buf_clear(&text);
}

/* Types of fields of types of fields…: refused by rule and by depth, and a wide one by its cost. */
static void introspection_bombs_are_refused(void **state)
{
    assert_refused(*state, "{ __schema { types { ", "fields { type { ", 30, "name", GQL_CODE_PARSE,
                   NULL);
    assert_refused(*state,
                   "{ __schema { types { fields { type { fields { type { fields { name } } } } } } "
                   "} } ",
                   "", 0, "", GQL_CODE_VALIDATION, NULL);
    assert_refused(*state, "{ __schema { types { ...F } } } fragment F on __Type { ",
                   "possibleTypes { interfaces { ", 1,
                   "inputFields { type { ...G } } } } } "
                   "fragment G on __Type { name }",
                   GQL_CODE_VALIDATION, NULL);
    assert_refused(*state,
                   "{ __schema { types { ofType { ofType { ofType { ofType { ofType { ofType { "
                   "ofType { ofType { ofType { ofType { ofType { ofType { ofType { ofType { name } "
                   "} } } } } } } } } } } } } } } }",
                   "", 0, "", GQL_CODE_COMPLEX, "depth_max");
    assert_refused(
        *state, "{ ",
        "a%d: __schema { types { fields { type { fields { args { name type { kind name } } } "
        "} } } } ",
        20, "}", GQL_CODE_COMPLEX, "cost_max");
}

/* The operation's own memory: beyond the arena's budget it ends with an error, not with data. */
static void an_operation_keeps_to_its_memory(void **state)
{
    struct harness *h = *state;
    struct arena *outer = h->arena;
    struct gql_request request = { .document = STR("{ list(first: 2) { id self { id } } }") };
    harness_start(h, &request); /* its plan is cached from now on */
    h->arena = arena_create(600);
    harness_start(h, &request);
    assert_int_equal(h->ended, 1);
    assert_string_equal(h->outcome.code, GQL_CODE_COMPLEX);
    assert_true(str_find(buf_str(&h->out), STR("\"limit\":\"memory\"")) > 0);
    arena_destroy(h->arena);
    h->arena = outer;
}

static void a_response_keeps_to_its_bytes(void **state)
{
    struct harness *h = *state;
    h->limits.response_bytes_max = 20;
    struct gql_engine *engine = gql_engine_create(h->schema, &h->host, &h->limits, 1 << 20);
    struct gql_engine *before = h->engine;
    h->engine = engine;
    harness_run(h, "{ list(first: 2) { id } }", NULL);
    assert_true(str_find(buf_str(&h->out), STR("response_bytes_max")) > 0);
    assert_true(str_starts_with(buf_str(&h->out), STR("{\"data\":null,")));
    h->engine = before;
    gql_engine_destroy(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_limit_answers_with_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(operations_of_a_batch_are_paid_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_schema_may_be_read_and_not_multiplied, setup, teardown),
        cmocka_unit_test_setup_teardown(cost_counts_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(exponential_spreads_stay_linear, setup, teardown),
        cmocka_unit_test_setup_teardown(exponential_fields_are_too_costly, setup, teardown),
        cmocka_unit_test_setup_teardown(cycles_of_fragments_end, setup, teardown),
        cmocka_unit_test_setup_teardown(overlapping_fields_are_compared_in_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_names_do_not_search_forever, setup, teardown),
        cmocka_unit_test_setup_teardown(long_tokens_do_not_grow_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_lists_in_variables_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_are_one_error, setup, teardown),
        cmocka_unit_test_setup_teardown(lone_surrogates_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(large_numbers_are_kept_or_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(of_duplicate_keys_the_last_one_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts_are_ordinary, setup, teardown),
        cmocka_unit_test_setup_teardown(deep_inputs_end, setup, teardown),
        cmocka_unit_test_setup_teardown(introspection_bombs_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_operation_keeps_to_its_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_response_keeps_to_its_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
