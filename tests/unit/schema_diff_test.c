#include "schema/diff.h"

#include "db/conn.h"
#include "test.h"

static struct arena *arena;

static void an_empty_database_becomes_the_entities_and_nothing_differs_from_itself(void **state)
{
    (void)state;
    static const struct model nothing;
    struct model declared;
    struct diff diff;
    const struct diff_options options = { 0 };
    model_of_set(arena, &schema_public, &declared);
    diff_models(arena, &declared, &declared, &options, &diff);
    assert_int_equal(diff.count, 0);
    diff_models(arena, &nothing, &declared, &options, &diff);
    assert_true(diff.count > schema_public.table_count);
    for (size_t i = 0; i < diff.count; i++) {
        assert_int_equal(diff.changes[i].kind, DIFF_CHANGE);
        assert_true(i == 0 || diff.changes[i - 1].phase <= diff.changes[i].phase);
    }
    diff_models(arena, &declared, &nothing, &options, &diff);
    assert_int_equal(diff.count, schema_public.table_count + schema_public.enum_count +
                                     schema_public.function_count);
    for (size_t i = 0; i < diff.count; i++)
        assert_int_equal(diff.changes[i].kind, DIFF_EXTRA);
}

/* One enumeration against another: the kind of the only change and its SQL. */
static const struct diff_change *compare(struct str *have, size_t have_count, struct str *want,
                                         size_t want_count, struct diff *diff)
{
    struct model_enum from = { STR("mood"), have, have_count };
    struct model_enum to = { STR("mood"), want, want_count };
    struct model a = { .enums = &from, .enum_count = 1 }, b = { .enums = &to, .enum_count = 1 };
    const struct diff_options options = { 0 };
    diff_models(arena, &a, &b, &options, diff);
    return diff->count ? &diff->changes[0] : NULL;
}

static void enum_values_are_added_in_place_and_else_the_type_is_made_anew(void **state)
{
    (void)state;
    struct str ab[] = { STR("a"), STR("b") }, ba[] = { STR("b"), STR("a") };
    struct str xayb[] = { STR("x'"), STR("a"), STR("y"), STR("b") }, a[] = { STR("a") };
    struct diff diff;
    assert_null(compare(ab, 2, ab, 2, &diff));
    const struct diff_change *change = compare(ab, 2, xayb, 4, &diff);
    assert_int_equal(diff.count, 2);
    assert_int_equal(change->kind, DIFF_VALUE);
    assert_str(change[0].sql, "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x''' BEFORE 'a';");
    assert_str(change[1].sql, "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'y' AFTER 'a';");
    assert_int_equal(compare(ab, 2, ba, 2, &diff)->kind, DIFF_REWRITE);
    assert_int_equal(compare(ab, 2, a, 1, &diff)->kind, DIFF_NARROW);
}

static void names_are_quoted_where_sql_wants_it(void **state)
{
    (void)state;
    assert_str(diff_name(arena, STR("users")), "users");
    assert_str(diff_name(arena, STR("order")), "\"order\"");
    assert_str(diff_name(arena, STR("timestamp")), "timestamp");
    assert_str(diff_name(arena, STR("Users")), "\"Users\"");
    assert_str(diff_name(arena, STR("1a")), "\"1a\"");
    assert_str(diff_name(arena, STR("a\"b")), "\"a\"\"b\"");
    assert_str(diff_name(arena, STR("")), "\"\"");
}

static void a_digest_sees_every_part(void **state)
{
    (void)state;
    char before[SHA256_HEX_LEN + 1], after[SHA256_HEX_LEN + 1];
    struct model m;
    model_of_set(arena, &schema_public, &m);
    model_digest(&m, before);
    struct str *const parts[] = {
        &m.enums[0].name,
        &m.enums[0].labels[0],
        &m.tables[0].name,
        &m.tables[0].partition_by,
        &m.tables[0].options,
        &m.tables[0].rights,
        &m.tables[0].columns[0].name,
        &m.tables[0].columns[0].type,
        &m.tables[0].columns[0].default_sql,
        &m.tables[0].constraints[0].sql,
        &m.tables[0].indexes[0].name,
        &m.tables[0].indexes[0].sql,
    };
    for (size_t i = 0; i < countof(parts); i++) {
        struct str kept = *parts[i];
        *parts[i] = STR("other");
        model_digest(&m, after);
        assert_string_not_equal(before, after);
        *parts[i] = kept;
    }
    m.tables[0].columns[0].is_not_null ^= true;
    model_digest(&m, after);
    assert_string_not_equal(before, after);
    m.tables[0].columns[0].is_not_null ^= true;
    model_digest(&m, after);
    assert_string_equal(before, after);
}

static int make_arena(void **state)
{
    (void)state;
    arena = arena_create(0);
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_becomes_the_entities_and_nothing_differs_from_itself),
        cmocka_unit_test(enum_values_are_added_in_place_and_else_the_type_is_made_anew),
        cmocka_unit_test(names_are_quoted_where_sql_wants_it),
        cmocka_unit_test(a_digest_sees_every_part),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
