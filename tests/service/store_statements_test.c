/* Every fixed statement of the store, and every filter with every order, as PostgreSQL reads them.
 */
#include "store/select.h"

#include "db/conn.h"
#include "schema/schema.h"
#include "store/public/audit_sql.h"
#include "store/public/conversation_sql.h"
#include "store/public/error_group.h"
#include "store/public/error_group_sql.h"
#include "store/public/facts_sql.h"
#include "store/public/insight_sql.h"
#include "store/public/job_sql.h"
#include "store/public/message_sql.h"
#include "store/public/mirror_sql.h"
#include "store/public/outbox_sql.h"
#include "store/public/session_sql.h"
#include "store/public/setup_sql.h"
#include "store/public/stats_sql.h"
#include "store/public/task_mirror_sql.h"
#include "store/public/token_sql.h"
#include "store/public/user_sql.h"
#include "store/queue/batch_sql.h"
#include "store/queue/schedule_sql.h"
#include "store/queue/lead_sql.h"
#include "store/queue/read_sql.h"
#include "store/queue/retain_sql.h"
#include "store/queue/tick_sql.h"
#include "support/pg.h"
#include "test.h"

static struct db_conn *conn;

static void checks(const struct db_statement *statement)
{
    struct err e;
    if (!db_conn_check(conn, statement, &e))
        fail_msg("%s: %s\n%s", statement->name, err_text(&e), statement->sql);
}

static void every_fixed_statement_prepares(void **state)
{
    static const struct db_statement_list *const lists[] = {
        /* the gateway's */
        &audit_sql,
        &conversation_sql,
        &error_group_sql,
        &facts_sql,
        &insight_sql,
        &job_sql,
        &message_sql,
        &mirror_sql,
        &outbox_sql,
        &session_sql,
        &setup_sql,
        &stats_sql,
        &task_mirror_sql,
        &token_sql,
        &user_sql,
        /* the worker's */
        &batch_sql,
        &lead_sql,
        &retain_sql,
        &schedule_sql,
        &read_sql,
        &tick_sql,
    };
    (void)state;
    for (size_t l = 0; l < countof(lists); l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            checks(lists[l]->items[i]);
}

/* The same page for many parents, in that column. */
static void checks_of_each(struct arena *a, struct select select, int column)
{
    static const struct uuid parents[2];
    select.parents = parents;
    select.parent_count = 2;
    select.each_column = column;
    checks(select_statement(a, &select));
    checks(select_count_statement(a, &select, 100));
}

/* A filter of every operator that fits some column, all of them at once and one by one. */
static void every_filter_prepares_with_every_order(void **state)
{
    struct str after[2] = { STR("a"), STR("b") };
    (void)state;
    for (size_t t = 0; t < schema_public.table_count; t++) {
        const struct schema_table *table = &schema_public.tables[t];
        for (int column = 0; (size_t)column < table->column_count; column++) {
            struct arena *a = arena_create(1 << 20);
            struct select_filter leaves[SELECT_OP_COUNT], group, not_group;
            size_t count = 0;
            for (int op = SELECT_EQ; op < SELECT_OP_COUNT; op++)
                if (select_op_fits((enum select_op)op, &table->columns[column]))
                    leaves[count++] = (struct select_filter){ .op = (enum select_op)op,
                                                              .column = column,
                                                              .labels = (uint32_t)t | 1 };
            group =
                (struct select_filter){ .op = SELECT_ANY, .items = leaves, .item_count = count };
            not_group =
                (struct select_filter){ .op = SELECT_NOT, .items = &group, .item_count = 1 };
            /* One way, and both ways at once. */
            for (int ways = 0; ways < 4; ways++) {
                const struct select_order orders[] = { { column, ways & 1 }, { 0, ways & 2 } };
                bool is_orderable = !table->columns[column].is_nullable &&
                                    table->columns[column].type != SCHEMA_JSON;
                const struct select select = {
                    .table = table,
                    .columns = SELECT_BIT(column) | SELECT_BIT(0),
                    .filter = ways & 1 ? &not_group : &group,
                    .orders = orders,
                    .order_count = is_orderable ? 2 : 0,
                    .after = is_orderable ? after : NULL,
                    .until = is_orderable && column % 2 == 0 ? after : NULL,
                    .limit = 10,
                };
                checks(select_statement(a, &select));
                checks(select_count_statement(a, &select, 100));
                if (table->columns[column].type == SCHEMA_ENUM)
                    checks(select_label_counts_statement(a, &select, column, 100));
                if (table->columns[column].type == SCHEMA_UUID && is_orderable)
                    checks_of_each(a, select, column);
            }
            arena_destroy(a);
        }
    }
}

static void empty_groups_find_everything_and_nothing(void **state)
{
    struct arena *a = arena_create(1 << 20);
    const struct select_filter all = { .op = SELECT_ALL }, any = { .op = SELECT_ANY };
    struct select select = { .table = &schema_public.tables[TABLE_users],
                             .columns = SELECT_BIT(COL_users_id),
                             .filter = &all };
    (void)state;
    assert_str(str_of_c(select_statement(a, &select)->sql),
               "SELECT t.\"id\" FROM \"users\" AS t WHERE true");
    select.filter = &any;
    assert_str(str_of_c(select_statement(a, &select)->sql),
               "SELECT t.\"id\" FROM \"users\" AS t WHERE false");
    arena_destroy(a);
}

static struct db_rows *run(struct arena *a, const struct select *select)
{
    const struct db_statement *statement = select_statement(a, select);
    struct db_rows *rows;
    struct err e;
    if (!db_conn_run(conn, statement, select_args(a, select), &rows, &e))
        fail_msg("%s\n%s", err_text(&e), statement->sql);
    return rows;
}

/* 12 rows with three names; pages of every size and direction, put together, are all of them. */
static void pages_put_together_are_the_whole_list(void **state)
{
    static const char insert[] =
        "INSERT INTO users (id, email, name, password_hash) SELECT "
        "('01a20a5b-5f81-77cf-a575-' || lpad(n::text, 12, '0'))::uuid, n || '@example.org', "
        "'name ' || n % 3, 'x' FROM generate_series(1, 12) AS n";
    struct err e;
    (void)state;
    assert_true(db_conn_exec(conn, "insert users", str_of_c(insert), &e));
    for (int ways = 0; ways < 4; ways++) {
        const struct select_order orders[] = { { COL_users_name, ways & 1 },
                                               { COL_users_id, ways & 2 } };
        struct arena *a = arena_create(1 << 20);
        struct select select = { .table = &schema_public.tables[TABLE_users],
                                 .columns = SELECT_BIT(COL_users_id) | SELECT_BIT(COL_users_name),
                                 .orders = orders,
                                 .order_count = 2 };
        struct db_rows *whole = run(a, &select);
        assert_int_equal(db_rows_count(whole), 12);
        select.limit = 5;
        size_t seen = 0;
        for (size_t count = 5; count == 5;) {
            struct db_rows *page = run(a, &select);
            struct str *after = arena_new_array(a, 2, struct str);
            count = db_rows_count(page);
            for (size_t i = 0; i < count; i++, seen++) {
                assert_true(str_eq(db_rows_text(page, i, 0), db_rows_text(whole, seen, 0)));
                after[0] = arena_copy(a, db_rows_text(page, i, 1));
                after[1] = arena_copy(a, db_rows_text(page, i, 0));
            }
            select.after = after;
            db_rows_unref(page);
        }
        assert_int_equal(seen, 12);
        db_rows_unref(whole);
        arena_destroy(a);
    }
}

/* Three users' sessions, 2, 0 and 3 of them: each user gets his own newest, and his own count. */
static void each_parent_gets_its_own_page(void **state)
{
    static const char insert[] =
        "INSERT INTO sessions (id, token_hash, user_id, address, expires_at) SELECT "
        "('01a20a5b-5f81-77cf-a576-' || lpad(n::text, 12, '0'))::uuid, "
        "sha256(n::text::bytea), ('01a20a5b-5f81-77cf-a575-' || lpad((CASE WHEN n < 3 THEN 1 ELSE "
        "3 END)::text, 12, '0'))::uuid, 'x', now() FROM generate_series(1, 5) AS n";
    static const struct select_order newest = { COL_sessions_id, true };
    static const char *const shown[] = { "2:1", "1:1", "5:3", "4:3" };
    static const int expected_counts[] = { 2, 0, 3 };
    struct uuid users[3];
    struct arena *a = arena_create(1 << 20);
    struct err e;
    (void)state;
    assert_true(db_conn_exec(conn, "insert sessions", str_of_c(insert), &e));
    for (int i = 0; i < 3; i++)
        assert_true(
            uuid_parse(arena_printf(a, "01a20a5b-5f81-77cf-a575-00000000000%d", i + 1), &users[i]));
    const struct select select = { .table = &schema_public.tables[TABLE_sessions],
                                   .columns = SELECT_BIT(COL_sessions_id),
                                   .orders = &newest,
                                   .order_count = 1,
                                   .limit = 2,
                                   .parents = users,
                                   .parent_count = 3,
                                   .each_column = COL_sessions_user_id };
    struct db_rows *rows = run(a, &select), *counts;
    assert_int_equal(db_rows_count(rows), countof(shown));
    for (size_t i = 0; i < countof(shown); i++) {
        struct str id = db_rows_text(rows, i, 0);
        struct str got =
            arena_printf(a, "%c:%.*s", id.ptr[id.len - 1], STR_FMT(db_rows_text(rows, i, 1)));
        assert_str(got, shown[i]);
    }
    assert_true(db_conn_run(conn, select_count_statement(a, &select, 100),
                            select_count_args(a, &select), &counts, &e));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(db_rows_i64(counts, i, 0), expected_counts[i]);
    db_rows_unref(rows);
    db_rows_unref(counts);
    arena_destroy(a);
}

/* What would be SQL, a wildcard or an escape is a value like any other. */
static void values_are_never_sql(void **state)
{
    static const struct str hostile[] = {
        { "'; DROP TABLE users; --", 23 }, { "%", 1 }, { "_", 1 }, { "\\", 1 }, { "$1", 2 }
    };
    struct arena *a = arena_create(1 << 20);
    (void)state;
    for (size_t i = 0; i < countof(hostile); i++) {
        const struct select_filter end = { .op = SELECT_ENDS_WITH,
                                           .column = COL_users_id,
                                           .value = hostile[i] };
        const struct select by_end = { .table = &schema_public.tables[TABLE_users],
                                       .columns = SELECT_BIT(COL_users_id),
                                       .filter = &end };
        struct db_rows *none = run(a, &by_end);
        assert_int_equal(db_rows_count(none), 0);
        db_rows_unref(none);
        for (int op = SELECT_EQ; op <= SELECT_CONTAINS; op++) {
            if (op == SELECT_IS_NULL || op == SELECT_LESS || op == SELECT_GREATER)
                continue;
            const struct select_filter filter = { .op = (enum select_op)op,
                                                  .column = COL_users_name,
                                                  .value = hostile[i],
                                                  .values = &hostile[i],
                                                  .value_count = 1 };
            const struct select select = { .table = &schema_public.tables[TABLE_users],
                                           .columns = SELECT_BIT(COL_users_id),
                                           .filter = &filter };
            struct db_rows *rows = run(a, &select);
            assert_int_equal(db_rows_count(rows), 0);
            db_rows_unref(rows);
        }
    }
    arena_destroy(a);
}

/* However many there are: the planner must not think that most of them are asked for, nor look
 * through a list for each of them. */
static void a_few_failures_are_taken_by_their_ids(void **state)
{
    static const char fill[] =
        "INSERT INTO tasks (id, type, status, state, error_template, finished_at, version)"
        " SELECT gen_random_uuid(), 'type', 'failed', 'dead', 'no', now(), n"
        " FROM generate_series(1, 50000) AS n;"
        "INSERT INTO task_failures (id, group_id, at) SELECT id, 1, now() FROM tasks;"
        "ANALYZE tasks, task_failures";
    struct arena *a = arena_create(1 << 20);
    const struct uuid from = { 0 }, to = uuid_v7();
    const struct error_group_scope scope = {
        .ids = &to, .id_count = 1, .froms = &from, .tos = &to, .range_count = 1
    };
    struct db_step sync = error_group_sync_scope_step(a, &scope);
    struct db_rows *plan;
    struct err e;
    (void)state;
    assert_true(db_conn_exec(conn, "fill", str_of_c(fill), &e));
    struct str explain = arena_printf(a, "EXPLAIN %s", sync.statement->sql);
    if (!db_conn_query(conn, "explain", explain, sync.args, &plan, &e))
        fail_msg("%s", err_text(&e));
    assert_true(db_rows_count(plan) > 0);
    for (size_t i = 0; i < db_rows_count(plan); i++) {
        const char *line = arena_cstr(a, db_rows_text(plan, i, 0));
        if (strstr(line, "Seq Scan on task") != NULL || strstr(line, "NOT (SubPlan") != NULL)
            fail_msg("%s", line);
    }
    db_rows_unref(plan);
    arena_destroy(a);
}

static int connect_to_a_schema(void **state)
{
    static struct pg_server *server;
    struct err e;
    server = pg_server_start(NULL);
    *state = server;
    struct str url = str_of_c(pg_server_database(server));
    const struct schema_options options = { 0 }, worker = { .set = &schema_worker };
    const struct db_conn_options to = { .url = url };
    return schema_prepare(url, SCHEMA_MODE_SYNCHRONISE, &options, &e) &&
                   schema_prepare(url, SCHEMA_MODE_SYNCHRONISE, &worker, &e) &&
                   db_conn_open(&to, &conn, &e)
               ? 0
               : -1;
}

static int stop_server(void **state)
{
    db_conn_destroy(conn);
    pg_server_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fixed_statement_prepares),
        cmocka_unit_test(every_filter_prepares_with_every_order),
        cmocka_unit_test(empty_groups_find_everything_and_nothing),
        cmocka_unit_test(pages_put_together_are_the_whole_list),
        cmocka_unit_test(each_parent_gets_its_own_page),
        cmocka_unit_test(values_are_never_sql),
        cmocka_unit_test(a_few_failures_are_taken_by_their_ids),
    };
    return cmocka_run_group_tests(tests, connect_to_a_schema, stop_server);
}
