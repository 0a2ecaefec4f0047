/* What tools/sqlgen makes of tests/service/sample.sql compiles, and means what was written. */
#include "db/statement.h"

#include <math.h>

#include "base/clock.h"
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
    assert_int_equal(sample_sql.count, 3);
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

static void arrays_of_each_kind_arrive(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const int64_t numbers[] = { INT32_MIN, 7, INT32_MAX }, ats[] = { -CLOCK_S, 250'000 };
    const bool flags[] = { true, false };
    const double ratios[] = { 0.5, -INFINITY, NAN };
    const struct str moods[] = { STR("busy"), STR("calm") };
    const struct db_args *args =
        sample_arrays_args(a, numbers, 3, flags, 2, ratios, 3, ats, 2, moods, 2, NULL, 0);
    static const char *const expected[] = {
        "{-2147483648,7,2147483647}", "{t,f}", "{0.5,-Infinity,NaN}", NULL, "{busy,calm}", "{}"
    };
    struct err e = { 0 };
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(conn, &sample_arrays, args, &rows, &e))
        fail_msg("%s", err_text(&e));
    for (size_t i = 0; i < countof(expected); i++)
        if (expected[i])
            assert_str(db_rows_text(rows, 0, i), expected[i]);
    struct str *items;
    size_t count;
    int64_t at_us;
    assert_true(db_array_parse(a, db_rows_text(rows, 0, 3), &items, &count));
    assert_int_equal(count, countof(ats));
    for (size_t i = 0; i < count; i++) {
        assert_true(db_time_parse(items[i], &at_us));
        assert_true(at_us == ats[i]);
    }
}

/* What `select $1` gives for the cells. */
static struct db_rows *cells_read(struct arena *a, enum db_cells kind, const char *sql,
                                  const struct str *cells, size_t count, struct err *e)
{
    const uint32_t oids[] = { 0 };
    const struct db_statement *s = db_statement_compose(a, str_of_c(sql), oids, 1);
    struct db_args *args = db_args_create(a);
    struct db_rows *rows = NULL;
    db_args_cells(args, kind, cells, count);
    return db_conn_run(conn, s, args, &rows, e) ? rows : NULL;
}

static void cells_arrive_with_their_nulls(void **state)
{
    (void)state;
    static const struct {
        enum db_cells kind;
        const char *sql;
        struct str cell, wrong;
        const char *expected;
    } cases[] = {
        { DB_CELLS_TEXT,
          "SELECT $1::text[]::text",
          { "a \"b\"\\", 6 },
          { "\0", 1 },
          "{\"a \\\"b\\\"\\\\\",NULL}" },
        { DB_CELLS_UUID,
          "SELECT $1::uuid[]::text",
          { "01890a5d-ac96-774b-bcce-b302099a8057", 36 },
          { "01890a5d", 8 },
          "{01890a5d-ac96-774b-bcce-b302099a8057,NULL}" },
        { DB_CELLS_INT4,
          "SELECT $1::int4[]::text",
          { "-12", 3 },
          { "2147483648", 10 },
          "{-12,NULL}" },
        { DB_CELLS_INT8,
          "SELECT $1::int8[]::text",
          { "2147483648", 10 },
          { "1e3", 3 },
          "{2147483648,NULL}" },
        { DB_CELLS_FLOAT8,
          "SELECT $1::float8[]::text",
          { "0.25", 4 },
          { "much", 4 },
          "{0.25,NULL}" },
        { DB_CELLS_TIMESTAMPTZ,
          "SELECT ($1::timestamptz[])[1]",
          { "2026-11-23 08:30:00.25+00", 25 },
          { "today", 5 },
          NULL },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        const struct str good[] = { cases[i].cell, { 0 } }, bad[] = { cases[i].wrong };
        struct err e = { 0 };
        scoped(db_rows_unrefp) struct db_rows *rows =
            cells_read(a, cases[i].kind, cases[i].sql, good, 2, &e);
        if (rows == NULL)
            fail_msg("%s: %s", cases[i].sql, err_text(&e));
        if (cases[i].expected != NULL)
            assert_str(db_rows_text(rows, 0, 0), cases[i].expected);
        else
            assert_true(db_rows_time(rows, 0, 0) == INT64_C(1'795'422'600'250'000));
        assert_null(cells_read(a, cases[i].kind, cases[i].sql, bad, 1, &e));
        assert_int_equal(e.code, ERR_INVALID);
    }
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
        cmocka_unit_test(arrays_of_each_kind_arrive),
        cmocka_unit_test(cells_arrive_with_their_nulls),
        cmocka_unit_test(composed_statements_are_named_by_their_text),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    db_conn_destroy(conn);
    pg_server_destroy(server);
    return failed;
}
