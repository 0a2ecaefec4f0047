/* What tools/sqlgen makes of tests/service/sample.sql compiles, and means what was written. */
#include "db/statement.h"

#include "db/conn.h"
#include "sample_sql.h"
#include "support/pg.h"
#include "test.h"

static struct pg_server *server;
static struct db_conn *conn;

static void all_statements_are_listed_and_prepare(void **state)
{
    (void)state;
    assert_string_equal(sample_sql.source, "sample.sql");
    assert_int_equal(sample_sql.count, 2);
    for (size_t i = 0; i < sample_sql.count; i++) {
        struct err e = { 0 };
        if (!db_conn_check(conn, sample_sql.items[i], &e))
            fail_msg("%s", err_text(&e));
    }
}

static void values_arrive_in_their_places(void **state)
{
    (void)state;
    enum { AT_US = 1'000'000 };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const struct str words[] = { STR("x"), STR("y z") };
    const struct uuid ids[] = { uuid_v7(), uuid_v7() };
    const int64_t numbers[] = { 1, -2 };
    const struct str mood = STR("calm");
    const struct db_args *args =
        sample_values_args(a, ids[0], AT_US, 2, 3, 4, 0.5, true, words, 2, ids, 2, numbers, 2,
                           &mood, STR("raw"), NULL, NULL, STR("{\"a\": 1}"));
    static const char *const expected[] = {
        NULL, NULL,     "2",    "3",         "4", "0.5", "t",          "{x,\"y z\"}",
        NULL, "{1,-2}", "calm", "\\x726177", "",  "",    "{\"a\": 1}", "it's ; \\ \"fine\"",
    };
    struct err e = { 0 };
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(conn, &sample_values, args, &rows, &e))
        fail_msg("%s", err_text(&e));
    assert_int_equal(db_rows_columns(rows), countof(expected));
    for (size_t i = 0; i < countof(expected); i++)
        if (expected[i])
            assert_str(db_rows_text(rows, 0, i), expected[i]);
    assert_true(uuid_eq(db_rows_uuid(rows, 0, 0), ids[0]));
    assert_true(db_rows_time(rows, 0, 1) == AT_US);
    assert_true(db_rows_is_null(rows, 0, 12) && db_rows_is_null(rows, 0, 13));
    assert_int_equal(db_rows_column(rows, "odd ; name"), 15);
    assert_int_equal(db_rows_column(rows, "none"), -1);
}

static void composed_statements_are_named_by_their_text(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const uint32_t oids[] = { DB_OID_INT8 };
    const struct db_statement *one = db_statement_compose(a, STR("SELECT $1 + 1"), oids, 1);
    const struct db_statement *same = db_statement_compose(a, STR("SELECT $1 + 1"), oids, 1);
    const struct db_statement *other = db_statement_compose(a, STR("SELECT $1 + 2"), oids, 1);
    assert_string_equal(one->name, same->name);
    assert_string_not_equal(one->name, other->name);
    assert_true(strlen(one->name) <= DB_NAME_MAX);
    struct db_args *args = db_args_create(a);
    db_args_i64(args, 41);
    struct err e = { 0 };
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    assert_true(db_conn_run(conn, one, args, &rows, &e));
    assert_int_equal(db_rows_i64(rows, 0, 0), 42);
}

int main(void)
{
    server = pg_server_start(NULL);
    struct err e = { 0 };
    struct db_conn_options options = { .url = str_of_c(pg_server_database(server)) };
    if (!db_conn_open(&options, &conn, &e) ||
        !db_conn_exec(conn, "create the enum",
                      STR("CREATE TYPE sample_mood AS ENUM ('calm', 'busy')"), &e))
        fprintf(stderr, "%s\n", err_text(&e));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_statements_are_listed_and_prepare),
        cmocka_unit_test(values_arrive_in_their_places),
        cmocka_unit_test(composed_statements_are_named_by_their_text),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    db_conn_destroy(conn);
    pg_server_destroy(server);
    return failed;
}
