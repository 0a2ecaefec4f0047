/*
 * What json_check lets through fits PostgreSQL: jsonb takes it, and gives back what passes again,
 * however its numbers are then written out.
 */
#include "db/conn.h"
#include "json/check.h"
#include "json/writer.h"
#include "support/pg.h"
#include "test.h"

static struct pg_server *server;

static struct db_conn *connect_to_server(void)
{
    struct db_conn *conn = NULL;
    struct err e;
    const struct db_conn_options options = { .url = str_of_c(pg_server_url(server)) };
    if (!db_conn_open(&options, &conn, &e))
        fail_msg("%s", e.message);
    return conn;
}

/* $1::type as the server prints it, in the arena; false where it refuses. */
static bool store(struct db_conn *conn, struct arena *a, const char *sql, struct str text,
                  struct str *ret_text)
{
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    struct db_args *args = db_args_create(a);
    struct err e;
    db_args_text(args, text);
    if (!db_conn_query(conn, "store", str_of_c(sql), args, &rows, &e))
        return false;
    *ret_text = arena_copy(a, db_rows_text(rows, 0, 0));
    return true;
}

static struct str repeat(struct arena *a, const char *unit, size_t count)
{
    struct str all = { 0 };
    for (size_t i = 0; i < count; i++)
        all = arena_printf(a, "%.*s%s", STR_FMT(all), unit);
    return all;
}

static void numbers_at_the_bounds_pass_both_ways(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    scoped(db_conn_destroyp) struct db_conn *conn = connect_to_server();
    static const char *const mantissas[] = { "0",     "-0",
                                             "1",     "-1.5",
                                             "12.50", "0.0001",
                                             "0.000", "1234567890123456789012345678901234567890" };
    size_t passed = 0, refused = 0;
    for (size_t m = 0; m < countof(mantissas); m++) {
        for (int exponent = -420; exponent <= 420; exponent += abs(exponent) < 370 ? 74 : 1) {
            struct str text = arena_printf(a, "%se%d", mantissas[m], exponent);
            const struct json_value *v = NULL;
            struct str stored;
            struct err e;
            if (!json_parse_checked(a, text, &v, &e)) {
                refused++;
                continue;
            }
            passed++;
            if (!store(conn, a, "SELECT $1::jsonb", text, &stored))
                fail_msg("passed, and jsonb refuses %.*s", STR_FMT(text));
            if (!json_parse_checked(a, stored, &v, &e))
                fail_msg("%.*s came back as %.*s: %s", STR_FMT(text), STR_FMT(stored), e.message);
            assert_true(stored.len <= JSON_CHECK_DIGITS_MAX + 2); /* sign and point */
        }
    }
    assert_true(passed > 100);
    assert_true(refused > 100);
}

static void deep_and_strange_values_pass_both_ways(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    scoped(db_conn_destroyp) struct db_conn *conn = connect_to_server();
    const struct str values[] = {
        arena_printf(a, "%.*s%.*s", STR_FMT(repeat(a, "[", JSON_CHECK_DEPTH_MAX)),
                     STR_FMT(repeat(a, "]", JSON_CHECK_DEPTH_MAX))),
        arena_printf(a, "%.*s1%.*s", STR_FMT(repeat(a, "{\"a\":", JSON_CHECK_DEPTH_MAX)),
                     STR_FMT(repeat(a, "}", JSON_CHECK_DEPTH_MAX))),
        STR("{\"a\":1,\"a\":{\"\":[null,true]},\"\\u0001\":\"\\ud83d\\ude80\\uffff\\u007f\"}"),
        STR("\"\\u2028\\u2029\\ufeff\xef\xbf\xbe\""),
        STR("0e1000000"),
        repeat(a, "7", JSON_CHECK_DIGITS_MAX),
    };
    for (size_t i = 0; i < countof(values); i++) {
        const struct json_value *v = NULL;
        struct str stored;
        struct err e;
        struct buf written;
        buf_init(&written, 0);
        assert_true(json_parse_checked(a, values[i], &v, &e));
        json_put_value(&written, v);
        assert_true(store(conn, a, "SELECT $1::jsonb", buf_str(&written), &stored));
        assert_true(json_parse_checked(a, stored, &v, &e));
        buf_clear(&written);
    }
}

/* Why there is a check at all: json keeps what jsonb, and so a mirror, cannot take. */
static void what_is_refused_would_have_hurt(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    scoped(db_conn_destroyp) struct db_conn *conn = connect_to_server();
    static const char *const values[] = { "\"\\u0000\"", "\"\\ud800\"", "{\"\\udc00\":1}",
                                          "1e999999999" };
    for (size_t i = 0; i < countof(values); i++) {
        const struct json_value *v = NULL;
        struct str text = str_of_c(values[i]), stored;
        struct err e = { 0 };
        assert_true(store(conn, a, "SELECT $1::json", text, &stored));
        assert_false(store(conn, a, "SELECT $1::jsonb", text, &stored));
        assert_false(json_parse_checked(a, text, &v, &e));
        assert_int_equal(e.code, ERR_INVALID);
    }
}

static int start_server(void **state)
{
    (void)state;
    server = pg_server_start(NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    pg_server_destroy(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_at_the_bounds_pass_both_ways),
        cmocka_unit_test(deep_and_strange_values_pass_both_ways),
        cmocka_unit_test(what_is_refused_would_have_hurt),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
