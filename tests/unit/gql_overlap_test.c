/*
 * Fields of one response key, made to be compared in many ways: how the steps grow with the size of
 * the document. Time is not measured; it is bounded by the steps.
 * spec: GraphQL Sep 2025, 5.3.2
 */
#include "gql/validate_priv.h"

#include "gql_harness.h"

static const char sdl[] = "interface Node { id: Int self: Node f(x: Int): Int }\n"
                          "type A implements Node { id: Int self: Node f(x: Int): Int a: A }\n"
                          "type B implements Node { id: Int self: Node f(x: Int): Int a: A }\n"
                          "type Query { a: A node: Node }";

/* A document for a size. */
typedef void family_fn(struct buf *out, unsigned n);

static void repeat(struct buf *out, const char *text, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        buf_put_c(out, text);
}

static void same_leaf(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { a { ");
    repeat(out, "x: id ", n);
    buf_put_c(out, "} }");
}

static void same_tree(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { ");
    repeat(out, "a { self { self { self { id } } } } ", n);
    buf_put_c(out, "}");
}

/* All fragments in one set: the reference compares each with each. */
static void flat_fragments(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { a { ");
    for (unsigned i = 0; i < n; i++)
        buf_printf(out, "...F%u ", i);
    buf_put_c(out, "} } ");
    for (unsigned i = 0; i < n; i++)
        buf_printf(out, "fragment F%u on A { x: self { id } y%u: id } ", i, i);
}

/* Each spreads the next, and all have a field of one key. */
static void chained_fragments(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { a { ...F0 } } ");
    for (unsigned i = 0; i < n; i++)
        buf_printf(out, "fragment F%u on A { x: self { id } ...F%u } ", i, i + 1);
    buf_printf(out, "fragment F%u on A { x: self { id } }", n);
}

/* Each level twice: two to the power of n ways down. */
static void doubled_levels(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { node { ...F0 } } ");
    for (unsigned i = 0; i < n; i++)
        buf_printf(out, "fragment F%u on Node { x: self { ...F%u } x: self { ...F%u id } } ", i,
                   i + 1, i + 1);
    buf_printf(out, "fragment F%u on Node { id }", n);
}

/* A nested set spreads everything that comes after it. */
static void triangle(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { node { ...F0 } } ");
    for (unsigned i = 0; i < n; i++) {
        buf_printf(out, "fragment F%u on Node { self { ", i);
        for (unsigned j = i + 1; j <= n && j <= i + 4; j++)
            buf_printf(out, "...F%u ", j);
        buf_put_c(out, "} } ");
    }
    buf_printf(out, "fragment F%u on Node { id }", n);
}

/* One key below two object types and their interface. */
static void types_in_turns(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { node { ");
    repeat(out, "... on A { x: a { id } } ... on B { x: a { id } } ", n);
    buf_put_c(out, "} }");
}

static void nested_inlines(struct buf *out, unsigned n)
{
    buf_put_c(out, "query N { a { ");
    for (unsigned i = 0; i < n; i++)
        buf_put_c(out, "... on A { x: self { id } ");
    for (unsigned i = 0; i < n; i++)
        buf_put_c(out, "} ");
    buf_put_c(out, "} }");
}

static const struct {
    const char *name;
    family_fn *fn;
    unsigned n_max; /* that is within the lexical limits of the engine, or nearly so */
} families[] = {
    { "same_leaf", same_leaf, 3200 },          { "same_tree", same_tree, 800 },
    { "flat_fragments", flat_fragments, 400 }, { "chained_fragments", chained_fragments, 800 },
    { "doubled_levels", doubled_levels, 400 }, { "triangle", triangle, 400 },
    { "types_in_turns", types_in_turns, 400 }, { "nested_inlines", nested_inlines, 800 },
};

enum { DEPTH_MAX = 15, OVERLAP_STEPS_MAX = 250 * 1000 };

/* Validates; the steps that it took, and how many errors there were. */
static struct validate_steps validated(struct str document, uint32_t depth_max, size_t *ret_errors)
{
    static const struct parse_options parsing = { .nesting_max = 5000 };
    struct harness h;
    struct validate_steps steps = { 0 };
    struct validate_options options = { .errors_max = 100,
                                        .depth_max = depth_max,
                                        .steps = &steps };
    harness_schema(&h, sdl, NULL);
    struct gql_errors errors = { .arena = h.arena };
    struct ast_document *doc = ast_parse(h.arena, document, &parsing, &errors);
    if (!doc)
        fail_msg("%.*s", STR_FMT(errors.first->message));
    validate_document(h.schema, doc, &options, &errors);
    *ret_errors = errors.count;
    buf_clear(&h.out);
    gql_schema_destroy(h.schema);
    arena_destroy(h.arena);
    return steps;
}

static struct validate_steps steps_of(family_fn *family, unsigned n, const char *more,
                                      size_t *ret_errors)
{
    struct buf document;
    buf_init(&document, 0);
    family(&document, n);
    buf_put_c(&document, more);
    struct validate_steps steps = validated(buf_str(&document), DEPTH_MAX, ret_errors);
    buf_clear(&document);
    return steps;
}

/* Twice the document takes twice the steps, whatever it repeats. */
static void steps_grow_with_the_document(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(families); i++) {
        uint64_t before = 0;
        for (unsigned n = families[i].n_max / 16; n <= families[i].n_max; n *= 2) {
            size_t errors = 0;
            struct validate_steps steps = steps_of(families[i].fn, n, "", &errors);
            if (errors)
                fail_msg("%s of %u: %zu errors", families[i].name, n, errors);
            if (before && steps.merge > before * 2 + before / 4)
                fail_msg("%s of %u: %llu steps, half of it %llu", families[i].name, n,
                         (unsigned long long)steps.merge, (unsigned long long)before);
            assert_int_equal(steps.overlap, 0);
            before = steps.merge;
        }
    }
}

/* A conflict makes the slow comparison run, which tells as the reference does: in bounds. */
static void telling_a_conflict_is_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(families); i++) {
        size_t errors = 0;
        struct validate_steps steps = steps_of(families[i].fn, families[i].n_max,
                                               " query Q { a { f(x: 1) f(x: 2) } }", &errors);
        if (!errors || steps.overlap > OVERLAP_STEPS_MAX + 1)
            fail_msg("%s: %zu errors, %llu steps", families[i].name, errors,
                     (unsigned long long)steps.overlap);
    }
}

/* An operation that is too deep does not hide what is wrong in another one. */
static void a_deep_operation_hides_nothing(void **state)
{
    struct buf document;
    (void)state;
    buf_init(&document, 0);
    buf_put_c(&document, "query Deep { node { ...F0 } } query Flat { node { ...F14 } } ");
    for (unsigned i = 0; i < 20; i++)
        buf_printf(&document, "fragment F%u on Node { self { ...F%u } } ", i, i + 1);
    buf_put_c(&document, "fragment F20 on Node { x: f(x: 1) x: f(x: 2) }");
    for (uint32_t depth_max = 0; depth_max <= DEPTH_MAX; depth_max += DEPTH_MAX) {
        size_t errors = 0;
        validated(buf_str(&document), depth_max, &errors);
        assert_true(errors > 0);
    }
    buf_clear(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_grow_with_the_document),
        cmocka_unit_test(telling_a_conflict_is_bounded),
        cmocka_unit_test(a_deep_operation_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
