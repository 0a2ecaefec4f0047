/* What the lanes promise while the server is well; db_fault_test.c has the rest. */
#include "db/pool.h"

#include <unistd.h>

#include "rig_test.h"

enum { LONG_MS = RIG_LONG_MS, SHORT_MS = 100 };

static struct pg_server *server;
static const char *url;

static void each_lane_answers(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, url, NULL);
    for (size_t lane = 0; lane < DB_LANE_COUNT; lane++) {
        struct rig_call call;
        rig_ask(&rig, (enum db_lane)lane, "SELECT 40 + 2", &call);
        assert_value(&call, "42");
        assert_int_equal(call.rows, 1);
        assert_int_equal(rig_stats(&rig, (enum db_lane)lane).done, 1);
    }
    rig_clear(&rig);
}

static void a_turns_reads_share_one_sync(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (int i = 0; i < COUNT; i++) {
        char text[12];
        snprintf(text, sizeof text, "%d", i);
        struct db_step step =
            rig_step(&rig, "SELECT $1::int + 100", 1, (const char *const[]){ text });
        assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &calls[i]));
    }
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).waiting, COUNT);
    rig_wait_calls(&rig, calls, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char text[12];
        snprintf(text, sizeof text, "%d", i + 100);
        assert_value(&calls[i], text);
    }
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).syncs, 1);
    rig_clear(&rig);
}

static void one_poisoned_read_among_fifty_fails_alone(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    for (int poisoned = 0; poisoned < COUNT; poisoned += 49 / 2) {
        struct rig rig;
        rig_init(&rig, url, NULL);
        struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
        for (int i = 0; i < COUNT; i++) {
            struct db_step step = rig_step(&rig, "SELECT 100 / $1::int", 1,
                                           (const char *const[]){ i == poisoned ? "0" : "2" });
            assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &calls[i]));
        }
        rig_wait_calls(&rig, calls, COUNT);
        for (int i = 0; i < COUNT; i++) {
            if (i == poisoned)
                assert_string_equal(calls[i].sqlstate, "22012");
            else
                assert_value(&calls[i], "50");
        }
        struct db_lane_stats stats = rig_stats(&rig, DB_LANE_READ);
        assert_int_equal(stats.done, COUNT - 1);
        assert_int_equal(stats.failed, 1);
        assert_int_equal(stats.resent, COUNT - 1 - poisoned); /* those behind it */
        rig_clear(&rig);
    }
}

static void a_statement_that_does_not_parse_spoils_only_its_own_calls(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (int i = 0; i < COUNT; i++) { /* two share the bad statement's name */
        struct db_step step =
            rig_step(&rig, i % 3 == 1 ? "SELECT no_such_column" : "SELECT 7", 0, NULL);
        assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 == 1) {
            assert_string_equal(calls[i].sqlstate, "42703");
            assert_int_equal(calls[i].code, ERR_INTERNAL);
        } else {
            assert_value(&calls[i], "7");
        }
    }
    rig_clear(&rig);
}

static void a_write_is_one_transaction_of_all_its_steps(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE steps (n int PRIMARY KEY)");
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call good, bad;
    struct db_step steps[] = {
        rig_step(&rig, "INSERT INTO steps VALUES (1)", 0, NULL),
        rig_step(&rig, "INSERT INTO steps VALUES (2) RETURNING n + 40", 0, NULL),
    };
    assert_true(rig_start(&rig, DB_LANE_WRITE, steps, 2, LONG_MS, false, &good));
    rig_wait_call(&rig, &good);
    assert_value(&good, "42");
    assert_int_equal(good.results, 2);
    struct db_step again[] = {
        rig_step(&rig, "INSERT INTO steps VALUES (3)", 0, NULL),
        rig_step(&rig, "INSERT INTO steps VALUES (2)", 0, NULL),
        rig_step(&rig, "INSERT INTO steps VALUES (4)", 0, NULL),
    };
    assert_true(rig_start(&rig, DB_LANE_WRITE, again, 3, LONG_MS, false, &bad));
    rig_wait_call(&rig, &bad);
    assert_int_equal(bad.code, ERR_CONFLICT);
    assert_string_equal(bad.constraint, "steps_pkey");
    assert_false(bad.is_in_doubt);
    assert_int_equal(rig_look(url, "SELECT count(*) FROM steps"), 2);
    rig_clear(&rig);
}

static void writes_of_one_turn_do_not_share_a_transaction(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    rig_do(url, "CREATE TABLE singles (n int PRIMARY KEY)");
    struct db_pool_options options = one_of_each();
    options.lanes[DB_LANE_WRITE].in_flight_max = 8;
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (int i = 0; i < COUNT; i++) {
        char text[12];
        snprintf(text, sizeof text, "%d", i / 2); /* each second one is a duplicate */
        struct db_step step = rig_step(&rig, "INSERT INTO singles VALUES ($1::int)", 1,
                                       (const char *const[]){ text });
        assert_true(rig_start(&rig, DB_LANE_WRITE, &step, 1, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(calls[i].code, i % 2 ? ERR_CONFLICT : ERR_NONE);
    assert_int_equal(rig_look(url, "SELECT count(*) FROM singles"), COUNT / 2);
    rig_clear(&rig);
}

/* The server checks a deferred constraint at the Sync, after all steps have succeeded. */
static void a_commit_that_fails_is_no_success(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE parents (id int PRIMARY KEY);"
                "CREATE TABLE children (parent int CONSTRAINT children_parent_fk REFERENCES parents"
                " DEFERRABLE INITIALLY DEFERRED)");
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call call;
    rig_ask(&rig, DB_LANE_WRITE, "INSERT INTO children VALUES (1)", &call);
    assert_int_equal(call.code, ERR_CONFLICT);
    assert_true(str_starts_with(str_of_c(call.message), STR("it contradicts what is stored, ")));
    assert_non_null(strstr(call.message, "constraint children_parent_fk")); /* for the operator */
    assert_string_equal(call.sqlstate, DB_STATE_FOREIGN_KEY_VIOLATION);
    assert_string_equal(call.constraint, "children_parent_fk");
    rig_ask(&rig, DB_LANE_WRITE, "SELECT 1", &call);
    assert_value(&call, "1");
    assert_int_equal(rig_look(url, "SELECT count(*) FROM children"), 0);
    rig_clear(&rig);
}

/* Each call takes two rows in an order that the other one reverses, and turns its order round at
 * its second try, so that it cannot meet the same deadlock again. Sequences, which no transaction
 * holds back, tell that both hold their first row. */
static void a_deadlocks_victim_is_sent_again(void **state)
{
    (void)state;
    enum { COUNT = 2 };
    rig_do(url, "CREATE TABLE pair (id int PRIMARY KEY, n int); INSERT INTO pair VALUES (0, 0), "
                "(1, 0); CREATE SEQUENCE tries_0; CREATE SEQUENCE tries_1;"
                "CREATE SEQUENCE held_0; CREATE SEQUENCE held_1");
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call calls[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct str first = arena_printf(rig.arena,
                                        "UPDATE pair SET n = n + 1 WHERE id = (SELECT "
                                        "(nextval('tries_%d') + %d) %% 2)",
                                        i, i);
        struct str second = arena_printf(rig.arena,
                                         "UPDATE pair SET n = n + 1 WHERE id = (SELECT "
                                         "(currval('tries_%d') + %d) %% 2)",
                                         i, i + 1);
        struct db_step steps[] = {
            rig_step(&rig, first.ptr, 0, NULL),
            rig_step(&rig, i ? "SELECT nextval('held_1')" : "SELECT nextval('held_0')", 0, NULL),
            rig_step(&rig,
                     "DO $$BEGIN WHILE NOT (SELECT a.is_called AND b.is_called FROM held_0 a, "
                     "held_1 b) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$",
                     0, NULL),
            rig_step(&rig, second.ptr, 0, NULL),
        };
        assert_true(rig_start(&rig, DB_LANE_WRITE, steps, 4, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(calls[i].code, ERR_NONE);
    assert_int_equal(rig_stats(&rig, DB_LANE_WRITE).resent, 1);
    assert_int_equal(rig_look(url, "SELECT sum(n) FROM pair"), 4);
    rig_clear(&rig);
}

/* AddressSanitizer sees it when anything of his is touched. */
static void what_fails_after_its_caller_has_left_touches_nothing_of_his(void **state)
{
    (void)state;
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    for (size_t lane = 0; lane < DB_LANE_COUNT; lane++) {
        struct arena *his = arena_create(1 << 16);
        struct rig_call call, next;
        struct db_step step = {
            db_statement_compose(
                his, STR("SELECT 1 / (CASE WHEN pg_sleep(0.3) IS NULL THEN 1 ELSE 0 END)"), NULL,
                0),
            NULL
        };
        assert_true(rig_start(&rig, (enum db_lane)lane, &step, 1, SHORT_MS, false, &call));
        rig_wait_call(&rig, &call);
        assert_int_equal(call.code, ERR_TIMEOUT);
        arena_destroy(his);
        rig_ask(&rig, (enum db_lane)lane, "SELECT 5", &next);
        assert_value(&next, "5");
    }
    rig_clear(&rig);
}

static void a_write_past_its_deadline_is_in_doubt_and_does_not_hold_up_the_next(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE locked (n int); INSERT INTO locked VALUES (0)");
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct err e = { 0 };
    struct db_conn *holder = hold(url, "UPDATE locked SET n = 1");
    struct rig_call stuck, behind;
    struct db_step update = rig_step(&rig, "UPDATE locked SET n = n + 10", 0, NULL);
    struct db_step other = rig_step(&rig, "SELECT 6", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_WRITE, &update, 1, SHORT_MS, false, &stuck));
    assert_true(rig_start(&rig, DB_LANE_WRITE, &other, 1, LONG_MS, false, &behind));
    rig_wait_call(&rig, &stuck);
    assert_int_equal(stuck.code, ERR_TIMEOUT);
    assert_true(stuck.is_in_doubt);
    rig_wait_call(&rig, &behind); /* while the lock is held: the first was cancelled */
    assert_value(&behind, "6");
    assert_true(db_conn_commit(holder, &e));
    db_conn_destroy(holder);
    assert_int_equal(rig_look(url, "SELECT n FROM locked"), 1);
    assert_int_equal(rig_stats(&rig, DB_LANE_WRITE).cancels, 1);
    assert_int_equal(rig_stats(&rig, DB_LANE_WRITE).connects, 1);
    rig_clear(&rig);
}

static void a_slow_call_ends_at_its_deadline_on_the_server_too(void **state)
{
    (void)state;
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call slow, next;
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(40)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_SLOW, &step, 1, SHORT_MS, false, &slow));
    rig_wait_call(&rig, &slow);
    assert_int_equal(slow.code, ERR_TIMEOUT);
    rig_ask(&rig, DB_LANE_SLOW, "SELECT current_setting('statement_timeout') <> '0'", &next);
    assert_value(&next, "t"); /* its own; outside of the transaction there is none */
    assert_int_equal(rig_look(url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                                   "'SELECT pg_sleep(40)%' AND state = 'active'"),
                     0);
    assert_int_equal(rig_stats(&rig, DB_LANE_SLOW).connects, 1);
    rig_clear(&rig);
}

static bool runs_no_sleep(void *owner)
{
    (void)owner;
    return rig_look(url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                         "'SELECT pg_sleep(41)%' AND state = 'active'") == 0;
}

static bool runs_a_sleep(void *owner)
{
    return !runs_no_sleep(owner);
}

static void a_forgotten_slow_call_is_cancelled(void **state)
{
    (void)state;
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call slow, next;
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(41)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_SLOW, &step, 1, LONG_MS, false, &slow));
    rig_wait(&rig, runs_a_sleep, NULL);
    db_request_forget(slow.request);
    rig_wait(&rig, runs_no_sleep, NULL);
    rig_ask(&rig, DB_LANE_SLOW, "SELECT 8", &next);
    assert_value(&next, "8");
    assert_false(slow.is_done);
    assert_int_equal(rig_stats(&rig, DB_LANE_SLOW).cancels, 1);
    assert_int_equal(rig_stats(&rig, DB_LANE_SLOW).connects, 1);
    rig_clear(&rig);
}

static void a_forgotten_waiting_call_is_never_sent(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE forgotten (n int)");
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call call, next;
    struct db_step step = rig_step(&rig, "INSERT INTO forgotten VALUES (1)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_WRITE, &step, 1, LONG_MS, false, &call));
    db_request_forget(call.request);
    rig_ask(&rig, DB_LANE_WRITE, "SELECT 1", &next);
    assert_int_equal(rig_look(url, "SELECT count(*) FROM forgotten"), 0);
    assert_false(call.is_done);
    rig_clear(&rig);
}

static void what_is_late_already_is_not_sent(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE late (n int)");
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call call;
    struct db_step step = rig_step(&rig, "INSERT INTO late VALUES (1)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_WRITE, &step, 1, 0, false, &call));
    rig_wait_call(&rig, &call);
    assert_int_equal(call.code, ERR_TIMEOUT);
    assert_false(call.is_in_doubt);
    assert_int_equal(rig_stats(&rig, DB_LANE_WRITE).syncs, 0);
    assert_int_equal(rig_look(url, "SELECT count(*) FROM late"), 0);
    rig_clear(&rig);
}

/* Standard error goes to a file meanwhile. */
static void logged_statements_show_names_and_never_values(void **state)
{
    (void)state;
    char path[] = "/tmp/windlass-test-log-XXXXXX", text[8192] = "";
    int file = mkstemp(path), before = dup(STDERR_FILENO);
    assert_true(file >= 0 && before >= 0 && unlink(path) == 0);
    struct db_pool_options options = one_of_each();
    options.is_logging_statements = true;
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call call;
    struct db_step step =
        rig_step(&rig, "SELECT $1::text AS found", 1, (const char *const[]){ "a secret" });
    (void)dup2(file, STDERR_FILENO);
    assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &call));
    rig_wait_call(&rig, &call);
    (void)dup2(before, STDERR_FILENO);
    assert_value(&call, "a secret");
    assert_true(pread(file, text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "db.statement"));
    assert_non_null(strstr(text, step.statement->name));
    assert_non_null(strstr(text, "rows=1"));
    assert_non_null(strstr(text, "AS found"));
    assert_null(strstr(text, "secret"));
    close(file);
    close(before);
    rig_clear(&rig);
}

static void what_goes_first_overtakes_those_that_wait(void **state)
{
    (void)state;
    enum { COUNT = 4, FIRST = 2 }; /* the last two go first, in their order */
    struct db_pool_options options = one_of_each();
    options.lanes[DB_LANE_READ].in_flight_max = 1;
    struct rig rig;
    rig_init(&rig, url, &options);
    rig_do(url, "CREATE SEQUENCE turns");
    struct rig_call calls[COUNT];
    struct db_step step = rig_step(&rig, "SELECT nextval('turns')", 0, NULL);
    for (int i = 0; i < COUNT; i++) {
        rig.goes_first = i >= FIRST;
        assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    assert_value(&calls[2], "1");
    assert_value(&calls[3], "2");
    assert_value(&calls[0], "3");
    assert_value(&calls[1], "4");
    rig_clear(&rig);
}

static void a_full_queue_refuses_at_once(void **state)
{
    (void)state;
    enum { WAITING_MAX = 3 };
    struct db_pool_options options = one_of_each();
    options.lanes[DB_LANE_SLOW].waiting_max = WAITING_MAX;
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call calls[WAITING_MAX + 1];
    struct db_step step = rig_step(&rig, "SELECT 3", 0, NULL);
    for (int i = 0; i < WAITING_MAX; i++)
        assert_true(rig_start(&rig, DB_LANE_SLOW, &step, 1, LONG_MS, false, &calls[i]));
    assert_false(rig_start(&rig, DB_LANE_SLOW, &step, 1, LONG_MS, false, &calls[WAITING_MAX]));
    assert_int_equal(calls[WAITING_MAX].code, ERR_UNAVAILABLE);
    assert_int_equal(calls[WAITING_MAX].origin, ERR_ORIGIN_DATABASE);
    assert_non_null(strstr(calls[WAITING_MAX].message, "limit 3"));
    rig_wait_calls(&rig, calls, WAITING_MAX);
    for (int i = 0; i < WAITING_MAX; i++)
        assert_value(&calls[i], "3");
    assert_int_equal(rig_stats(&rig, DB_LANE_SLOW).refused, 1);
    rig_clear(&rig);
}

static void large_answers_and_values_pass(void **state)
{
    (void)state;
    enum { LEN = 3'000'000, COUNT = 4 };
    struct rig rig;
    rig_init(&rig, url, NULL);
    char *big = arena_alloc(rig.arena, LEN + 1);
    memset(big, 'x', LEN);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (size_t i = 0; i < COUNT; i++) {
        struct db_step step = rig_step(
            &rig, i % 2 ? "SELECT length($1::text)" : "SELECT repeat('y', length($1::text))", 1,
            (const char *const[]){ big });
        enum db_lane lane = i < 2 ? DB_LANE_READ : DB_LANE_WRITE;
        assert_true(rig_start(&rig, lane, &step, 1, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_value(&calls[i], i % 2 ? "3000000" : "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    rig_clear(&rig);
}

static void copy_is_refused_and_the_pool_recovers(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call call;
    rig_ask(&rig, DB_LANE_WRITE, "COPY pg_class TO STDOUT", &call);
    assert_int_not_equal(call.code, ERR_NONE);
    rig_ask(&rig, DB_LANE_WRITE, "SELECT 9", &call);
    assert_value(&call, "9");
    rig_clear(&rig);
}

struct keeper {
    struct rig *rig;
    struct arena *arena;
    struct str cell;
};

static void keep_cell(void *owner, const struct db_reply *reply)
{
    struct keeper *keeper = owner;
    assert_null(reply->err);
    db_rows_keep(reply->rows[0], keeper->arena);
    keeper->cell = db_rows_text(reply->rows[0], 0, 0);
    io_loop_stop(keeper->rig->loop);
}

static bool has_cell(void *owner)
{
    return ((struct keeper *)owner)->cell.ptr != NULL;
}

static void kept_rows_outlive_their_reply_and_the_pool(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, url, NULL);
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct keeper keeper = { .rig = &rig, .arena = a };
    struct db_step step = rig_step(&rig, "SELECT 'kept'", 0, NULL);
    struct err e = { 0 };
    assert_true(db_pool_call(rig.pool,
                             &(struct db_call){ .lane = DB_LANE_READ,
                                                .steps = &step,
                                                .step_count = 1,
                                                .deadline_us = clock_mono_us() + CLOCK_S * 30,
                                                .fn = keep_cell,
                                                .owner = &keeper },
                             NULL, &e));
    rig_wait(&rig, has_cell, &keeper);
    rig_clear(&rig);
    assert_str(keeper.cell, "kept");
}

static void destroying_tells_every_caller(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    struct rig rig;
    rig_init(&rig, url, NULL);
    static struct rig_call calls[DB_LANE_COUNT * COUNT];
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(30)", 0, NULL);
    for (size_t i = 0; i < countof(calls); i++)
        assert_true(rig_start(&rig, (enum db_lane)(i % DB_LANE_COUNT), &step, 1, LONG_MS, false,
                              &calls[i]));
    rig_run(&rig, SHORT_MS);
    size_t in_doubt = rig_stats(&rig, DB_LANE_WRITE).in_flight;
    assert_int_not_equal(in_doubt, 0);
    rig_clear(&rig);
    for (size_t i = 0; i < countof(calls); i++) {
        assert_true(calls[i].is_done);
        assert_int_equal(calls[i].code, ERR_CANCELLED);
        in_doubt -= calls[i].is_in_doubt;
    }
    assert_int_equal(in_doubt, 0);
}

static void note_drained(void *owner)
{
    struct rig *rig = owner;
    db_pool_destroy(take(rig->pool)); /* as a service does */
    io_loop_stop(rig->loop);
}

static bool has_no_pool(void *owner)
{
    return ((struct rig *)owner)->pool == NULL;
}

static void draining_answers_what_is_open_and_refuses_what_is_new(void **state)
{
    (void)state;
    enum { COUNT = 9 };
    struct rig rig;
    rig_init(&rig, url, NULL);
    static struct rig_call calls[COUNT];
    struct rig_call late;
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(0.05), 1", 0, NULL);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(rig_start(&rig, (enum db_lane)(i % DB_LANE_COUNT), &step, 1, LONG_MS, false,
                              &calls[i]));
    db_pool_drain(rig.pool, note_drained, &rig);
    assert_false(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &late));
    assert_int_equal(late.code, ERR_UNAVAILABLE);
    rig_wait(&rig, has_no_pool, &rig);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(calls[i].is_done);
        assert_int_equal(calls[i].code, ERR_NONE);
    }
    rig_clear(&rig);
}

static void bad_values_and_urls_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call call;
    struct db_step step = rig_step(&rig, "SELECT $1::text", 0, NULL);
    struct db_args *args = db_args_create(rig.arena);
    db_args_text(args, str_of("\0", 1));
    step.args = args;
    assert_false(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &call));
    assert_int_equal(call.code, ERR_INVALID);
    struct db_pool_options options = db_pool_defaults();
    options.url = STR("postgresql://user:hunter%too@/");
    struct db_pool *pool = NULL;
    struct err e = { 0 };
    assert_false(db_pool_create(rig.loop, &options, &pool, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(strstr(err_text(&e), "hunter"));
    options = db_pool_defaults();
    options.url = str_of_c(url);
    options.lanes[DB_LANE_SLOW].connections = 0;
    assert_false(db_pool_create(rig.loop, &options, &pool, &e));
    assert_non_null(strstr(e.message, "slow"));
    rig_clear(&rig);
}

static void latencies_fall_into_buckets(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call call;
    rig_ask(&rig, DB_LANE_READ, "SELECT pg_sleep(0.03)", &call);
    struct db_lane_stats stats = rig_stats(&rig, DB_LANE_READ);
    uint64_t total = 0;
    for (size_t i = 0; i < DB_BUCKET_COUNT; i++) {
        total += stats.latency_buckets[i];
        if (i + 1 < DB_BUCKET_COUNT && db_bucket_bounds_s[i] < 0.03)
            assert_int_equal(stats.latency_buckets[i], 0);
    }
    assert_int_equal(total, 1);
    assert_true(stats.latency_sum_s >= 0.03);
    rig_clear(&rig);
}

int main(void)
{
    server = pg_server_start(NULL);
    url = pg_server_database(server);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_answers),
        cmocka_unit_test(a_turns_reads_share_one_sync),
        cmocka_unit_test(one_poisoned_read_among_fifty_fails_alone),
        cmocka_unit_test(a_statement_that_does_not_parse_spoils_only_its_own_calls),
        cmocka_unit_test(a_write_is_one_transaction_of_all_its_steps),
        cmocka_unit_test(writes_of_one_turn_do_not_share_a_transaction),
        cmocka_unit_test(a_commit_that_fails_is_no_success),
        cmocka_unit_test(a_deadlocks_victim_is_sent_again),
        cmocka_unit_test(what_fails_after_its_caller_has_left_touches_nothing_of_his),
        cmocka_unit_test(a_write_past_its_deadline_is_in_doubt_and_does_not_hold_up_the_next),
        cmocka_unit_test(a_slow_call_ends_at_its_deadline_on_the_server_too),
        cmocka_unit_test(a_forgotten_slow_call_is_cancelled),
        cmocka_unit_test(a_forgotten_waiting_call_is_never_sent),
        cmocka_unit_test(what_is_late_already_is_not_sent),
        cmocka_unit_test(logged_statements_show_names_and_never_values),
        cmocka_unit_test(what_goes_first_overtakes_those_that_wait),
        cmocka_unit_test(a_full_queue_refuses_at_once),
        cmocka_unit_test(large_answers_and_values_pass),
        cmocka_unit_test(copy_is_refused_and_the_pool_recovers),
        cmocka_unit_test(kept_rows_outlive_their_reply_and_the_pool),
        cmocka_unit_test(destroying_tells_every_caller),
        cmocka_unit_test(draining_answers_what_is_open_and_refuses_what_is_new),
        cmocka_unit_test(bad_values_and_urls_are_refused),
        cmocka_unit_test(latencies_fall_into_buckets),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_destroy(server);
    return failed;
}
