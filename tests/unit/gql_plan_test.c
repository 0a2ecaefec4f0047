#include "gql/plan_priv.h"

#include <malloc.h>

#include "gql_harness.h"

static const char sdl[] = "type User { id: ID! name: String email: String boss: User }\n"
                          "type Page { nodes: [User!] count: Int }\n"
                          "type Query { user(id: ID): User users(first: Int): Page x: Int }";

static int prepared;
static char columns[128];

/* What a host does: the columns of a row are the leaves that are selected. */
static void *prepare_user(struct gql_field *f, struct arena *plan_arena)
{
    uint32_t column = 0;
    prepared++;
    columns[0] = '\0';
    for (uint32_t i = 0; i < f->selection->sets[0]->count; i++) {
        struct gql_field *child = f->selection->sets[0]->fields[i];
        size_t len = strlen(columns);
        child->column = column++;
        snprintf(columns + len, sizeof columns - len, "%.*s ", STR_FMT(child->name));
    }
    return arena_cstr(plan_arena, str_of_c(columns));
}

static const char *seen_plan_data;

static enum gql_next resolve_user(struct gql_step *step)
{
    seen_plan_data = step->field->plan_data;
    step->results[0] = gql_object(step);
    return GQL_DONE;
}

static void get_column(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    (void)ctx;
    (void)parent;
    *ret = gql_raw(f->column ? STR("\"one\"") : STR("\"zero\""));
}

static enum gql_next nothing(struct gql_step *step)
{
    (void)step;
    return GQL_DONE;
}

static void ready(struct harness *h, size_t cache_bytes)
{
    static const char *const leaves[] = { "User.id", "User.name", "User.email" };
    harness_schema(h, sdl, NULL);
    h->cache_bytes = cache_bytes;
    harness_bind(h, "Query.user",
                 (struct gql_binding){ .resolve = resolve_user, .prepare = prepare_user });
    harness_bind(h, "Query.users", (struct gql_binding){ .resolve = nothing });
    harness_bind(h, "Query.x", (struct gql_binding){ .resolve = nothing });
    harness_bind(h, "User.boss",
                 (struct gql_binding){ .resolve = nothing, .prepare = prepare_user });
    for (size_t i = 0; i < countof(leaves); i++)
        harness_bind(h, leaves[i], (struct gql_binding){ .get = get_column });
    harness_ready(h);
    prepared = 0;
}

static void prepares_once_a_plan(void **state)
{
    struct harness h;
    (void)state;
    ready(&h, 1 << 20);
    for (int i = 0; i < 3; i++)
        assert_str(harness_run(&h, "{ user { name id } }", NULL),
                   "{\"data\":{\"user\":{\"name\":\"zero\",\"id\":\"one\"}}}");
    assert_int_equal(prepared, 1);
    assert_string_equal(seen_plan_data, "name id ");
    struct gql_counters c = gql_engine_counters(h.engine);
    assert_int_equal(c.plan_misses, 1);
    assert_int_equal(c.plan_hits, 2);
    harness_clear(&h);
}

/* What is skipped is not fetched: each combination of conditions is prepared for itself. */
static void each_condition_has_its_own_plan(void **state)
{
    static const char query[] =
        "query ($c: Boolean!) { user { id email @include(if: $c) boss @skip(if: $c) { id } } }";
    struct harness h;
    (void)state;
    ready(&h, 1 << 20);
    harness_run(&h, query, "{\"c\": true}");
    assert_string_equal(seen_plan_data, "id email ");
    harness_run(&h, query, "{\"c\": false}");
    assert_string_equal(seen_plan_data, "id boss ");
    int before = prepared;
    harness_run(&h, query, "{\"c\": true}");
    assert_string_equal(seen_plan_data, "id email ");
    assert_int_equal(prepared, before);
    harness_clear(&h);
}

/* More combinations than a plan keeps still answer rightly. */
static void many_conditions_do_not_grow_a_plan(void **state)
{
    static const char query[] =
        "query ($a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!) { user { id @include(if: "
        "$a)"
        " name @include(if: $b) email @include(if: $c) x: id @include(if: $d) } }";
    struct harness h;
    (void)state;
    ready(&h, 1 << 20);
    size_t bytes = 0;
    for (unsigned i = 0; i < 64; i++) {
        struct str variables = arena_printf(h.arena, "{\"a\": %s, \"b\": %s, \"c\": %s, \"d\": %s}",
                                            i & 1 ? "true" : "false", i & 2 ? "true" : "false",
                                            i & 4 ? "true" : "false", i & 8 ? "true" : "false");
        struct str answer = harness_run(&h, query, variables.ptr);
        assert_int_equal(str_find(answer, STR("\"name\"")) >= 0, (i & 2) != 0);
        if (i == 16)
            bytes = gql_engine_counters(h.engine).plan_bytes;
    }
    assert_int_equal(gql_engine_counters(h.engine).plan_bytes, bytes);
    harness_clear(&h);
}

static void same_key_different_role_is_another_plan(void **state)
{
    struct harness h;
    (void)state;
    ready(&h, 1 << 20);
    for (uint32_t i = 0; i < 4; i++) {
        struct gql_request request = { .document = STR("{ x }"), .role = i % 2 };
        harness_start(&h, &request);
    }
    assert_int_equal(gql_engine_counters(h.engine).plan_misses, 2);
    assert_int_equal(gql_engine_counters(h.engine).plan_count, 2);
    harness_clear(&h);
}

static void hidden_introspection_is_another_plan(void **state)
{
    struct harness h;
    struct gql_request request = { .document = STR("{ __schema { __typename } }") };
    (void)state;
    ready(&h, 1 << 20);
    harness_start(&h, &request);
    assert_int_equal(h.outcome.error_count, 0);
    request.no_introspection = true;
    harness_start(&h, &request);
    assert_int_equal(h.outcome.error_count, 1);
    assert_true(h.outcome.is_request_error);
    harness_clear(&h);
}

/* A flood of documents that come once neither grows the cache nor pushes out what is used. */
static void a_flood_does_not_evict_the_hot_set(void **state)
{
    enum { CACHE_BYTES = 400'000, FLOOD = 1000 };
    struct harness h;
    (void)state;
    ready(&h, CACHE_BYTES);
    for (int i = 0; i < 2; i++) {
        harness_run(&h, "{ user { id } }", NULL);
        harness_run(&h, "{ user { name } }", NULL);
    }
    for (int i = 0; i < FLOOD; i++) {
        struct str query = arena_printf(h.arena, "{ user { a%d: id } }", i);
        harness_run(&h, query.ptr, NULL);
        assert_true(gql_engine_counters(h.engine).plan_bytes <= CACHE_BYTES);
    }
    struct gql_counters before = gql_engine_counters(h.engine);
    assert_true(before.plan_evictions > FLOOD / 2);
    harness_run(&h, "{ user { id } }", NULL);
    harness_run(&h, "{ user { name } }", NULL);
    assert_int_equal(gql_engine_counters(h.engine).plan_hits, before.plan_hits + 2);
    harness_clear(&h);
}

/* What the flood meets: one document for four roles, and both operations of another. */
static void run_hot_set(struct harness *h)
{
    static const char two[] = "query First { user { id } } query Second { user { name } }";
    for (uint32_t role = 0; role < 4; role++) {
        struct gql_request request = { .document = STR("{ user { id } }"), .role = role };
        harness_start(h, &request);
        assert_int_equal(h->outcome.error_count, 0);
    }
    for (int i = 0; i < 2; i++) {
        struct gql_request request = { .document = str_of_c(two),
                                       .operation_name = i ? STR("Second") : STR("First") };
        harness_start(h, &request);
        assert_int_equal(h->outcome.error_count, 0);
    }
}

static void run_flood(struct harness *h, size_t cache_bytes)
{
    struct arena *outer = h->arena;
    h->arena = arena_create(SIZE_MAX);
    for (uint32_t i = 0; i < 2000; i++) {
        struct str text = arena_printf(
            h->arena, "query First { user { a%u: id } } query Second { user { b%u: id } }", i, i);
        struct gql_request request = { .document = text,
                                       .operation_name = i % 2 ? STR("Second") : STR("First"),
                                       .role = i % 4 };
        harness_start(h, &request);
        assert_int_equal(h->outcome.error_count, 0);
        assert_true(gql_engine_counters(h->engine).plan_bytes <= cache_bytes);
        arena_reset(h->arena);
    }
    arena_destroy(h->arena);
    h->arena = outer;
}

/* The bytes that the cache counts, and those that the heap hands out: neither grows. */
static void a_flood_of_roles_and_names_keeps_to_its_bytes(void **state)
{
    enum { CACHE_BYTES = 600'000 };
    struct harness h;
    (void)state;
    ready(&h, CACHE_BYTES);
    run_hot_set(&h);
    run_hot_set(&h);
    run_flood(&h, CACHE_BYTES);
    size_t heap = mallinfo2().uordblks;
    run_flood(&h, CACHE_BYTES);
    assert_true(mallinfo2().uordblks <= heap + 16'384);
    struct gql_counters before = gql_engine_counters(h.engine);
    run_hot_set(&h);
    assert_int_equal(gql_engine_counters(h.engine).plan_hits, before.plan_hits + 6);
    assert_int_equal(gql_engine_counters(h.engine).plan_misses, before.plan_misses);
    harness_clear(&h);
}

static void broken_documents_are_not_kept(void **state)
{
    struct harness h;
    (void)state;
    ready(&h, 1 << 20);
    for (int i = 0; i < 3; i++)
        harness_run(&h, "{ nope }", NULL);
    assert_int_equal(gql_engine_counters(h.engine).plan_count, 0);
    assert_int_equal(gql_engine_counters(h.engine).validation_failures, 3);
    harness_clear(&h);
}

static void finds_children_by_name(void **state)
{
    struct gql_request request = { .document = STR("{ users { n: nodes { id } } }") };
    struct gql_limits limits = gql_limits_default();
    struct harness h;
    (void)state;
    ready(&h, 1 << 20);
    struct gql_errors errors = { .arena = h.arena };
    struct plan *p = plan_create(h.schema, &limits, &request, &errors);
    struct plan_variant *v =
        plan_variant(p, h.schema, &limits, NULL, GQL_INCREMENTAL_NONE, h.arena, &errors);
    struct gql_field *users = v->root->set.fields[0];
    assert_non_null(gql_child(users, "nodes"));
    assert_str(gql_child(users, "nodes")->response_key, "n");
    assert_null(gql_child(users, "count"));
    plan_unref(p);
    harness_clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepares_once_a_plan),
        cmocka_unit_test(each_condition_has_its_own_plan),
        cmocka_unit_test(many_conditions_do_not_grow_a_plan),
        cmocka_unit_test(same_key_different_role_is_another_plan),
        cmocka_unit_test(hidden_introspection_is_another_plan),
        cmocka_unit_test(a_flood_does_not_evict_the_hot_set),
        cmocka_unit_test(a_flood_of_roles_and_names_keeps_to_its_bytes),
        cmocka_unit_test(broken_documents_are_not_kept),
        cmocka_unit_test(finds_children_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
