#include "schema/migration.h"

#include "test.h"

#define GOOD "-- :up\nSELECT 1;\n-- :down\nSELECT 2;\n"

static struct arena *arena;

static bool parse(const char *name, const char *text, struct migration *m, struct err *e)
{
    *e = (struct err){ 0 };
    return migration_parse(arena, &(struct migration_source){ str_of_c(name), str_of_c(text) }, m,
                           e);
}

static void a_file_is_cut_at_its_marks(void **state)
{
    (void)state;
    struct migration m;
    struct err e;
    assert_true(parse("0007_user_nick2.sql",
                      "-- Why.\n\n-- no transaction\n-- :up\nSELECT 1;\n\n -- :down \nSELECT 2", &m,
                      &e));
    assert_int_equal(m.number, 7);
    assert_str(m.name, "0007_user_nick2");
    assert_str(m.up, "SELECT 1;\n\n");
    assert_str(m.down, "SELECT 2");
    assert_false(m.in_transaction);
    assert_false(m.is_irreversible);

    assert_true(parse("0001_a.sql", "-- :up\nSELECT 1;\n-- :irreversible it is gone\n", &m, &e));
    assert_true(m.is_irreversible);
    assert_true(m.in_transaction);
    assert_str(m.down, "it is gone");
}

static void a_bad_file_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        { "1_a.sql", GOOD, "1_a.sql: a migration is called like 0002_user_nickname.sql" },
        { "0000_a.sql", GOOD, "0000_a.sql: a migration is called" },
        { "0001_A.sql", GOOD, "0001_A.sql: a migration is called" },
        { "0001_.sql", GOOD, "0001_.sql: a migration is called" },
        { "0001_a.txt", GOOD, "0001_a.txt: a migration is called" },
        { "0001_a.sql", "", "has no \"-- :up\"" },
        { "0001_a.sql", "-- :up\nSELECT 1;\n", "has no \"-- :down\" and no" },
        { "0001_a.sql", "SELECT 1;\n" GOOD, "0001_a.sql:1: SQL outside" },
        { "0001_a.sql", GOOD "-- :up\n", "0001_a.sql:5: \"-- :up\" cannot stand here" },
        { "0001_a.sql", "-- :downn\n" GOOD, "0001_a.sql:1: \"-- :downn\" cannot stand here" },
        { "0001_a.sql", "-- :up\n-- nothing\n-- :down\nSELECT 2;\n", "0001_a.sql:1: no statement" },
        { "0001_a.sql", "-- :up\nSELECT 1;\nCOMMIT;\n-- :down\nSELECT 1;\n",
          "0001_a.sql:3: COMMIT: the program begins and ends" },
        { "0001_a.sql", "-- no transaction\n-- :up\nSELECT 1; SELECT 2;\n-- :down\nSELECT 1;\n",
          "0001_a.sql:2: one statement may stand here" },
        { "0001_a.sql", "-- :up\nSELECT '\n-- :down\nSELECT 2;\n",
          "line 1: a quote is not closed" },
        { "0001_a.sql", "-- :up\nSELECT '\xff';\n-- :down\nSELECT 2;\n", "is not UTF-8 text" },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct migration m;
        struct err e;
        assert_false(parse(cases[i].name, cases[i].text, &m, &e));
        assert_int_equal(e.code, ERR_INVALID);
        if (!strstr(e.message, cases[i].message))
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, e.message);
    }
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    char *text = arena_alloc(arena, MIGRATION_SIZE_MAX + 1);
    memset(text, ' ', MIGRATION_SIZE_MAX + 1);
    memcpy(text, GOOD, sizeof GOOD - 1);
    struct migration m;
    struct err e = { 0 };
    struct migration_source source = { STR("0001_a.sql"), { text, MIGRATION_SIZE_MAX + 1 } };
    assert_false(migration_parse(arena, &source, &m, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    source.text.len--;
    assert_true(migration_parse(arena, &source, &m, &e));
}

static void the_checksum_sees_words_and_not_what_editors_do(void **state)
{
    (void)state;
    struct migration plain, same, other;
    struct err e;
    assert_true(parse("0001_a.sql", GOOD, &plain, &e));
    assert_true(
        parse("0001_a.sql", "-- :up\r\nSELECT 1;  \r\n-- :down\r\nSELECT 2;\n\n\n", &same, &e));
    assert_string_equal(plain.checksum, same.checksum);
    assert_true(parse("0001_a.sql", "-- :up\n SELECT 1;\n-- :down\nSELECT 2;\n", &other, &e));
    assert_string_not_equal(plain.checksum, other.checksum);
    assert_true(parse("0001_a.sql", "-- :up\nSELECT 1;\n\n-- :down\nSELECT 2;\n", &other, &e));
    assert_string_not_equal(plain.checksum, other.checksum);
}

static void numbers_run_from_one_without_gaps(void **state)
{
    (void)state;
    struct migration_source sources[] = { { STR("0003_c.sql"), STR(GOOD) },
                                          { STR("0001_a.sql"), STR(GOOD) },
                                          { STR("0002_b.sql"), STR(GOOD) } };
    struct migration_list list;
    struct err e = { 0 };
    assert_true(migration_parse_all(arena, sources, 3, &list, &e));
    assert_int_equal(list.count, 3);
    assert_str(list.items[2].name, "0003_c");
    assert_false(migration_parse_all(arena, sources, 2, &list, &e));
    assert_string_equal(e.message, "there is no migration 0002 before 0003_c");
    sources[0].name = STR("0002_x.sql");
    assert_false(migration_parse_all(arena, sources, 3, &list, &e));
    assert_string_equal(e.message, "two migrations have the number 0002: 0002_x and 0002_b");
}

static void the_programs_own_files_are_good(void **state)
{
    (void)state;
    struct migration_list list = { 0 };
    migration_embedded(arena, &schema_public, &list);
    assert_true(list.count >= 1);
    assert_str(list.items[0].name, "0001_initial");
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
        cmocka_unit_test(a_file_is_cut_at_its_marks),
        cmocka_unit_test(a_bad_file_is_refused_with_its_line),
        cmocka_unit_test(a_file_beyond_the_limit_is_refused),
        cmocka_unit_test(the_checksum_sees_words_and_not_what_editors_do),
        cmocka_unit_test(numbers_run_from_one_without_gaps),
        cmocka_unit_test(the_programs_own_files_are_good),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
