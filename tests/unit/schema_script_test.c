#include "schema/script.h"

#include "test.h"

static struct script scan(const char *sql)
{
    struct script script = { 0 };
    struct err e = { 0 };
    if (!script_scan(str_of_c(sql), &script, &e))
        fail_msg("%s: %s", sql, err_text(&e));
    return script;
}

/* PostgreSQL's documentation, section 4.1. */
static void semicolons_in_quotes_and_comments_end_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        size_t count;
    } cases[] = {
        { "", 0 },
        { " ; ;\n;", 0 },
        { "-- only; a comment\n/* and; /* another */; */", 0 },
        { "SELECT 1", 1 },
        { "SELECT 1; SELECT 2;", 2 },
        { "SELECT ';', 'it''s; ', \"a\"\"; b\"; SELECT 2", 2 },
        { "SELECT E'\\'; ' ; SELECT '\\'", 2 },
        { "SELECT $$ ; $$, $a$ ; $$ ; $a$", 1 },
        { "SELECT $1; SELECT a$b$c; SELECT $1$", 3 },
        { "SELECT $\xc3\xbc$ ; $\xc3\xbc$", 1 },
        { "SELECT 1 -- ;\n+ 1; /* ; */ SELECT 2", 2 },
        { "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; "
          "END; SELECT 3",
          2 },
    };
    for (size_t i = 0; i < countof(cases); i++)
        if (scan(cases[i].sql).statement_count != cases[i].count)
            fail_msg("%s: %zu statements", cases[i].sql, scan(cases[i].sql).statement_count);
}

static void what_ends_a_transaction_is_found_with_its_line(void **state)
{
    (void)state;
    static const char *const control[] = { "COMMIT",   "BEGIN",     "start transaction",
                                           "rollback", "End",       "abort",
                                           "commit",   "ROLLBACK;", "PREPARE TRANSACTION 'x'" };
    static const char *const plain[] = {
        "SELECT 'x' AS commit",
        "SAVEPOINT a",
        "ROLLBACK TO SAVEPOINT a",
        "SELECT commit",
        "PREPARE p AS SELECT 1",
        "COMMENT ON TABLE a IS 'b'",
        "DO $$ BEGIN END $$",
        "RELEASE a",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
    };
    for (size_t i = 0; i < countof(control); i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "SELECT 1;\n/*\n*/ %s", control[i]);
        struct script script = scan(sql);
        if (script.control_line != 3)
            fail_msg("%s: line %d", control[i], script.control_line);
    }
    for (size_t i = 0; i < countof(plain); i++)
        if (scan(plain[i]).control_line != 0)
            fail_msg("%s: taken for \"%.*s\"", plain[i], STR_FMT(scan(plain[i]).control));
}

static void what_is_not_closed_is_refused_with_its_line(void **state)
{
    (void)state;
    static const char *const open[] = { "\n'a", "\n\"a", "\n/* /* */", "\n$a$ $b$", "\nE'\\'" };
    for (size_t i = 0; i < countof(open); i++) {
        struct script script;
        struct err e = { 0 };
        assert_false(script_scan(str_of_c(open[i]), &script, &e));
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.message, "line 2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(semicolons_in_quotes_and_comments_end_nothing),
        cmocka_unit_test(what_ends_a_transaction_is_found_with_its_line),
        cmocka_unit_test(what_is_not_closed_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
