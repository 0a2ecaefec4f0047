#include "db/conn.h"

#include "db/sqlstate.h"
#include "support/pg.h"
#include "test.h"

static struct pg_server *server;

static struct db_conn *open_conn(const char *url)
{
    struct err e = { 0 };
    struct db_conn *conn = NULL;
    if (!db_conn_open(&(struct db_conn_options){ .url = str_of_c(url) }, &conn, &e))
        fail_msg("%s", err_text(&e));
    return conn;
}

static void run(struct db_conn *conn, const char *sql)
{
    struct err e = { 0 };
    if (!db_conn_exec(conn, "prepare the test", str_of_c(sql), &e))
        fail_msg("%s", err_text(&e));
}

static void values_of_each_type_come_back(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct uuid id = uuid_v7();
    const struct str texts[] = { STR("a,b"), STR("say \"\\\""), STR(""), STR("NULL"), STR("ü {}") };
    struct db_args *args = db_args_create(a);
    db_args_uuid(args, id);
    db_args_time(args, 1766563200123456);
    db_args_double(args, 0.1);
    db_args_bytes(args, str_of("\0\xff", 2));
    db_args_texts(args, texts, countof(texts));
    db_args_null(args);
    db_args_bool(args, true);
    db_args_i64(args, INT64_MIN);
    struct err e = { 0 };
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_query(conn, "echo",
                       STR("SELECT $1::uuid, $2::timestamptz, $3::float8, $4::bytea, $5::text[], "
                           "$6::text, $7::bool, $8::int8"),
                       args, &rows, &e))
        fail_msg("%s", err_text(&e));
    assert_int_equal(db_rows_count(rows), 1);
    assert_true(uuid_eq(db_rows_uuid(rows, 0, 0), id));
    assert_true(db_rows_time(rows, 0, 1) == 1766563200123456);
    assert_true(db_rows_double(rows, 0, 2) == 0.1);
    assert_str(db_rows_text(rows, 0, 3), "\\x00ff");
    struct str *items = NULL;
    size_t count = 0;
    assert_true(db_array_parse(a, db_rows_text(rows, 0, 4), &items, &count));
    assert_int_equal(count, countof(texts));
    for (size_t i = 0; i < count; i++)
        assert_true(str_eq(items[i], texts[i]));
    assert_true(db_rows_is_null(rows, 0, 5));
    assert_true(db_rows_bool(rows, 0, 6));
    assert_true(db_rows_i64(rows, 0, 7) == INT64_MIN);
}

static void times_come_back_in_any_time_zone(void **state)
{
    (void)state;
    static const char *const zones[] = { "UTC", "Asia/Kolkata", "America/St_Johns", "Asia/Kabul" };
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    for (size_t i = 0; i < countof(zones); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        run(conn, arena_printf(a, "SET TIME ZONE '%s'", zones[i]).ptr);
        struct err e = { 0 };
        scoped(db_rows_unrefp) struct db_rows *rows = NULL;
        if (!db_conn_query(conn, "times",
                           STR("SELECT t, (extract(epoch FROM t) * 1000000)::int8 FROM (VALUES "
                               "('2026-11-23 08:30:00.25+00'::timestamptz), ('1971-01-01Z'), "
                               "('1850-06-01 12:00Z'), ('9999-12-31 10:00:00.999999Z')) v(t)"),
                           NULL, &rows, &e))
            fail_msg("%s", err_text(&e));
        for (size_t row = 0; row < db_rows_count(rows); row++)
            assert_true(db_rows_time(rows, row, 0) == db_rows_i64(rows, row, 1));
    }
}

static void errors_say_purpose_and_constraint_and_never_a_value(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    run(conn, "CREATE TABLE users (email text CONSTRAINT users_email_key UNIQUE)");
    for (int i = 0; i < 2; i++) {
        struct db_args *args = db_args_create(a);
        db_args_text(args, STR("secret@example.org"));
        struct err e = { 0 };
        bool is_done = db_conn_query(conn, "create user", STR("INSERT INTO users VALUES ($1)"),
                                     args, NULL, &e);
        assert_int_equal(is_done, i == 0);
        if (i == 0)
            continue;
        assert_int_equal(e.code, ERR_CONFLICT);
        assert_int_equal(e.origin, ERR_ORIGIN_DATABASE);
        assert_string_equal(db_conn_sqlstate(conn), DB_STATE_UNIQUE_VIOLATION);
        assert_string_equal(db_conn_constraint(conn), "users_email_key");
        assert_non_null(strstr(e.message, "create user"));
        assert_null(strstr(err_text(&e), "secret"));
    }
    struct db_args *args = db_args_create(a);
    db_args_text(args, STR("secret"));
    struct err e = { 0 };
    assert_false(db_conn_query(conn, "find", STR("SELECT $1::uuid"), args, NULL, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(strstr(err_text(&e), "secret"));
}

static void refuses_a_nul_and_a_wrong_number_of_values(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    static const uint32_t oids[] = { DB_OID_TEXT };
    static const struct db_statement one = {
        .name = "one", .sql = "SELECT $1::text", .oids = oids, .param_count = 1
    };
    struct db_args *args = db_args_create(a);
    db_args_text(args, str_of("a\0b", 3));
    struct err e = { 0 };
    assert_false(db_conn_run(conn, &one, args, NULL, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(db_conn_run(conn, &one, NULL, NULL, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    args = db_args_create(a);
    for (int i = 0; i <= DB_PARAMS_MAX; i++)
        db_args_i64(args, i);
    assert_false(db_conn_run(conn, &one, args, NULL, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void a_failed_transaction_does_not_commit(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    struct err e = { 0 };
    run(conn, "CREATE TABLE t (n int)");
    assert_true(db_conn_begin(conn, &e));
    run(conn, "INSERT INTO t VALUES (1)");
    assert_false(db_conn_exec(conn, "fail", STR("SELECT 1/0"), &e));
    assert_false(db_conn_commit(conn, &e));
    assert_true(db_conn_begin(conn, &e));
    run(conn, "INSERT INTO t VALUES (2)");
    db_conn_rollback(conn);
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    assert_true(db_conn_query(conn, "count", STR("SELECT count(*) FROM t"), NULL, &rows, &e));
    assert_int_equal(db_rows_i64(rows, 0, 0), 0);
}

static void the_advisory_lock_is_waited_for_and_its_wait_is_bounded(void **state)
{
    (void)state;
    enum { KEY = 7, SHORT_MS = 50, LONG_MS = 60'000 };
    const char *url = pg_server_database(server);
    scoped(db_conn_destroyp) struct db_conn *first = open_conn(url);
    scoped(db_conn_destroyp) struct db_conn *second = open_conn(url);
    struct err e = { 0 };
    assert_true(db_conn_begin(first, &e) && db_conn_lock(first, KEY, LONG_MS, &e));
    assert_true(db_conn_begin(second, &e));
    assert_false(db_conn_lock(second, KEY, SHORT_MS, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    db_conn_rollback(second);
    assert_true(db_conn_commit(first, &e));
    assert_true(db_conn_begin(second, &e) && db_conn_lock(second, KEY, LONG_MS, &e));
}

static void a_long_statement_is_stopped_by_its_limit(void **state)
{
    (void)state;
    enum { LIMIT_MS = 50 };
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    struct err e = { 0 };
    assert_true(db_conn_begin(conn, &e) && db_conn_limit(conn, LIMIT_MS, &e));
    assert_false(db_conn_exec(conn, "sleep", STR("SELECT pg_sleep(60)"), &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    db_conn_rollback(conn);
    run(conn, "SELECT pg_sleep(0)");
}

static void count_notice(void *owner, struct str severity, struct str message)
{
    if (str_eq_c(severity, "NOTICE") && str_eq_c(message, "hear this"))
        ++*(int *)owner;
}

static void notices_are_heard(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    int heard = 0;
    db_conn_on_notice(conn, count_notice, &heard);
    run(conn, "DO $$ BEGIN RAISE NOTICE 'hear this'; END $$");
    assert_int_equal(heard, 1);
}

static void checks_a_statement_against_the_server(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    static const uint32_t oids[] = { DB_OID_INT8, DB_OID_UUID };
    struct db_statement good = { "good", "SELECT $1 + 1, $2", oids, 2, false };
    struct db_statement unused = { "unused", "SELECT 1", oids, 0, false };
    struct db_statement missing = { "missing", "SELECT $1::int8, $2::text", oids, 1, false };
    struct db_statement mistyped = { "mistyped", "SELECT $1 + 1, $2 + 1", oids, 2, false };
    struct db_statement renamed = { "renamed", "SELECT no_such_column FROM pg_class", oids, 0,
                                    false };
    struct err e = { 0 };
    assert_true(db_conn_check(conn, &good, &e));
    assert_true(db_conn_check(conn, &unused, &e));
    assert_false(db_conn_check(conn, &missing, &e));
    assert_false(db_conn_check(conn, &mistyped, &e));
    assert_false(db_conn_check(conn, &renamed, &e));
    assert_non_null(strstr(e.message, "renamed"));
    assert_non_null(strstr(e.message, "no_such_column"));
}

static void a_wrong_password_is_told_without_the_password(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *admin = open_conn(pg_server_url(server));
    run(admin, "CREATE ROLE locked LOGIN PASSWORD 'right'");
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct err e = { 0 };
    struct db_conn *conn = NULL;
    struct str wrong =
        arena_printf(a, "postgresql://locked:mistaken@/postgres?host=%s", pg_server_folder(server));
    assert_false(db_conn_open(&(struct db_conn_options){ .url = wrong }, &conn, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_int_equal(e.origin, ERR_ORIGIN_DATABASE);
    assert_null(strstr(err_text(&e), "mistaken"));
    struct str right =
        arena_printf(a, "postgresql://locked:right@/postgres?host=%s", pg_server_folder(server));
    db_conn_destroy(open_conn(right.ptr));
    assert_false(db_conn_open(
        &(struct db_conn_options){ .url = STR("postgresql://locked:mis%taken@/x") }, &conn, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(strstr(err_text(&e), "taken"));
}

static void another_host_of_the_url_is_tried(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str url = arena_printf(a,
                                  "host=/nonexistent,%s user=postgres dbname=postgres "
                                  "target_session_attrs=read-write",
                                  pg_server_folder(server));
    db_conn_destroy(open_conn(url.ptr));
}

static void a_stopped_server_breaks_the_connection(void **state)
{
    (void)state;
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(pg_server_database(server));
    pg_server_stop(server);
    struct err e = { 0 };
    assert_false(db_conn_exec(conn, "look", STR("SELECT 1"), &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_true(db_conn_is_broken(conn));
    db_conn_rollback(conn);
    struct db_conn *other = NULL;
    assert_false(db_conn_open(&(struct db_conn_options){ .url = str_of_c(pg_server_url(server)) },
                              &other, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    pg_server_launch(server);
    pg_server_wait(server);
}

static void names_and_texts_are_quoted(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    assert_str(db_quote_name(a, STR("say \"x\"")), "\"say \"\"x\"\"\"");
    assert_str(db_quote_text(a, STR("it's")), "'it''s'");
    struct str text = { 0 };
    struct err e = { 0 };
    assert_true(db_url_describe(a, STR("postgresql://me:secret@h1,h2:5433/db"), &text, &e));
    assert_str(text, "host=h1,h2 port=,5433 dbname=db user=me");
}

int main(void)
{
    server = pg_server_start(&(struct pg_options){ .hba = "local postgres locked scram-sha-256" });
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_each_type_come_back),
        cmocka_unit_test(times_come_back_in_any_time_zone),
        cmocka_unit_test(errors_say_purpose_and_constraint_and_never_a_value),
        cmocka_unit_test(refuses_a_nul_and_a_wrong_number_of_values),
        cmocka_unit_test(a_failed_transaction_does_not_commit),
        cmocka_unit_test(the_advisory_lock_is_waited_for_and_its_wait_is_bounded),
        cmocka_unit_test(a_long_statement_is_stopped_by_its_limit),
        cmocka_unit_test(notices_are_heard),
        cmocka_unit_test(checks_a_statement_against_the_server),
        cmocka_unit_test(a_wrong_password_is_told_without_the_password),
        cmocka_unit_test(another_host_of_the_url_is_tried),
        cmocka_unit_test(a_stopped_server_breaks_the_connection),
        cmocka_unit_test(names_and_texts_are_quoted),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_destroy(server);
    return failed;
}
