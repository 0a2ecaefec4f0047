/*
 * What the pool promises while the server fails: no call hangs, each is answered once, an
 * acknowledged write is there afterwards and one that was refused is not.
 * WINDLASS_TEST_SEED repeats a run of the load.
 */
#include "base/random.h"
#include "db/pool.h"
#include "rig_test.h"

enum { LONG_MS = 50 * 1000, SHORT_MS = 150 };

static struct pg_server *server;
static const char *url;

static struct db_pool_options hasty(void)
{
    struct db_pool_options options = one_of_each();
    options.connect_timeout_ms = 2000;
    options.backoff_max_ms = 200;
    return options;
}

static void start(struct rig *rig, enum db_lane lane, const char *sql, int64_t timeout_ms,
                  bool is_idempotent, struct rig_call *call)
{
    struct db_step step = rig_step(rig, sql, 0, NULL);
    assert_true(rig_start(rig, lane, &step, 1, timeout_ms, is_idempotent, call));
}

/* ── a load with faults ── */

enum { CALLERS = 40, WRITES_MAX = 60'000, LOAD_MS = 6000, FAULTS = 8 };

enum outcome { NOT_ASKED, ASKED, ACKNOWLEDGED, REFUSED, IN_DOUBT };

struct load {
    struct rig rig;
    uint64_t seed;
    int64_t until_us;
    size_t open, answered, reads_wrong;
    size_t by_code[ERR_CODE_COUNT];
    int writes;
    unsigned char outcomes[WRITES_MAX];
    struct caller {
        struct load *load;
        struct arena *arena;
        enum db_lane lane;
        int write; /* the row, or -1 */
    } callers[CALLERS];
};

/* xorshift64*: the same run for the same seed, as far as the server lets it. */
static uint64_t dice(struct load *load, uint64_t sides)
{
    load->seed ^= load->seed >> 12;
    load->seed ^= load->seed << 25;
    load->seed ^= load->seed >> 27;
    return (load->seed * 2685821657736338717u >> 33) % sides;
}

static void ask_again(struct caller *c);

static void on_load_reply(void *owner, const struct db_reply *reply)
{
    struct caller *c = owner;
    struct load *load = c->load;
    load->open--;
    load->answered++;
    load->by_code[reply->err ? reply->err->code : ERR_NONE]++;
    if (c->write >= 0) {
        assert_int_equal(load->outcomes[c->write], ASKED); /* answered once */
        load->outcomes[c->write] = (unsigned char)(!reply->err          ? ACKNOWLEDGED
                                                   : reply->is_in_doubt ? IN_DOUBT
                                                                        : REFUSED);
    } else {
        assert_false(reply->is_in_doubt);
        load->reads_wrong += !reply->err && db_rows_i64(reply->rows[0], 0, 0) != 7;
    }
    if (clock_mono_us() < load->until_us)
        ask_again(c);
}

static struct db_step make_step(struct caller *c, const char *sql, int value)
{
    struct db_args *args = db_args_create(c->arena);
    static const uint32_t oids[] = { DB_OID_INT4 };
    db_args_i64(args, value);
    return (struct db_step){ db_statement_compose(c->arena, str_of_c(sql), oids, 1), args };
}

static void ask_again(struct caller *c)
{
    static const char read_sql[] = "SELECT $1::int";
    static const char slow_sql[] = "SELECT $1::int, pg_sleep(0.01)";
    static const char insert_sql[] = "INSERT INTO load VALUES ($1)";
    static const char upsert_sql[] = "INSERT INTO load VALUES ($1) ON CONFLICT DO NOTHING";
    static const char extra_sql[] = "INSERT INTO load_extra VALUES ($1)";
    struct load *load = c->load;
    arena_reset(c->arena);
    uint64_t kind = dice(load, 10);
    bool is_idempotent = kind >= 8;
    struct db_step steps[2];
    size_t count = 1;
    c->write = -1;
    c->lane = kind < 4 ? DB_LANE_READ : kind < 5 ? DB_LANE_SLOW : DB_LANE_WRITE;
    if (c->lane == DB_LANE_WRITE) {
        if (load->writes == WRITES_MAX)
            return;
        c->write = load->writes++;
        load->outcomes[c->write] = ASKED;
        steps[0] = make_step(c, is_idempotent ? upsert_sql : insert_sql, c->write);
        if (kind == 7)
            steps[count++] = make_step(c, extra_sql, c->write);
    } else {
        steps[0] = make_step(c, c->lane == DB_LANE_READ ? read_sql : slow_sql, 7);
    }
    static const int64_t timeouts_ms[] = { 20, 300, 3000, 20'000 };
    struct err e = { 0 };
    bool is_queued = db_pool_call(
        load->rig.pool,
        &(struct db_call){ .lane = c->lane,
                           .steps = steps,
                           .step_count = count,
                           .deadline_us = clock_mono_us() +
                                          timeouts_ms[dice(load, countof(timeouts_ms))] * CLOCK_MS,
                           .is_idempotent = is_idempotent,
                           .fn = on_load_reply,
                           .owner = c },
        NULL, &e);
    assert_true(is_queued); /* the queues are longer than the callers are many */
    load->open++;
}

static void make_fault(struct load *load)
{
    switch (dice(load, 5)) {
    case 0:
        pg_server_kill(server);
        rig_run(&load->rig, (int64_t)dice(load, 200));
        pg_server_launch(server);
        pg_server_wait(server);
        break;
    case 1:
        pg_server_stop(server);
        pg_server_launch(server);
        break;
    case 2:
        pg_server_suspend(server);
        rig_run(&load->rig, (int64_t)dice(load, 400));
        pg_server_resume(server);
        break;
    default:
        pg_server_wait(server);
        rig_do(pg_server_url(server), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                      "WHERE application_name = 'windlass' AND random() < 0.5 "
                                      "AND pid <> pg_backend_pid()");
        break;
    }
}

static bool none_open(void *owner)
{
    return ((struct load *)owner)->open == 0;
}

static void check_rows(const struct load *load)
{
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    struct err e = { 0 };
    if (!db_conn_open(&(struct db_conn_options){ .url = str_of_c(url) }, &conn, &e) ||
        !db_conn_query(conn, "rows", STR("SELECT id FROM load"), NULL, &rows, &e))
        fail_msg("%s", err_text(&e));
    static bool is_there[WRITES_MAX];
    for (size_t i = 0; i < db_rows_count(rows); i++)
        is_there[db_rows_i64(rows, i, 0)] = true;
    size_t lost = 0, unwanted = 0, acknowledged = 0;
    for (int i = 0; i < load->writes; i++) {
        acknowledged += load->outcomes[i] == ACKNOWLEDGED;
        lost += load->outcomes[i] == ACKNOWLEDGED && !is_there[i];
        unwanted += load->outcomes[i] == REFUSED && is_there[i];
    }
    print_message("# %zu writes acknowledged, %zu calls answered, %zu timeouts, %zu unavailable\n",
                  acknowledged, load->answered, load->by_code[ERR_TIMEOUT],
                  load->by_code[ERR_UNAVAILABLE]);
    assert_int_equal(lost, 0);
    assert_int_equal(unwanted, 0);
    assert_int_not_equal(acknowledged, 0);
    assert_int_equal(rig_look(url, "SELECT count(*) FROM load_extra x WHERE NOT EXISTS "
                                   "(SELECT FROM load l WHERE l.id = x.id)"),
                     0); /* a call's steps are one transaction */
}

static void no_acknowledged_write_is_lost_and_no_call_hangs(void **state)
{
    (void)state;
    static struct load load;
    uint64_t seed = 0;
    const char *given = getenv("WINDLASS_TEST_SEED");
    if (!given || !str_to_u64(str_of_c(given), &seed))
        random_bytes(&seed, sizeof seed);
    load.seed = seed | 1;
    print_message("# WINDLASS_TEST_SEED=%llu\n", (unsigned long long)load.seed);
    rig_do(url, "CREATE TABLE load (id int PRIMARY KEY); CREATE TABLE load_extra (id int)");
    struct db_pool_options options = db_pool_defaults();
    options.connect_timeout_ms = 2000;
    options.backoff_max_ms = 200;
    rig_init(&load.rig, url, &options);
    load.until_us = INT64_MAX;
    for (size_t i = 0; i < CALLERS; i++) {
        load.callers[i].load = &load;
        load.callers[i].arena = arena_create(1 << 20);
        ask_again(&load.callers[i]);
    }
    for (int i = 0; i < FAULTS; i++) {
        rig_run(&load.rig, LOAD_MS / FAULTS / 2 + (int64_t)dice(&load, LOAD_MS / FAULTS));
        make_fault(&load);
    }
    load.until_us = 0;
    pg_server_wait(server);
    rig_wait(&load.rig, none_open, &load);
    rig_wait_up(&load.rig);
    assert_int_equal(load.reads_wrong, 0);
    rig_clear(&load.rig);
    check_rows(&load);
    for (size_t i = 0; i < CALLERS; i++)
        arena_destroy(load.callers[i].arena);
}

/* ── one fault each ── */

static void a_suspended_server_makes_calls_time_out_and_ends_nothing(void **state)
{
    (void)state;
    struct db_pool_options options = hasty();
    struct rig rig;
    rig_init(&rig, url, &options);
    pg_server_suspend(server);
    struct rig_call calls[DB_LANE_COUNT], second[DB_LANE_COUNT];
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        start(&rig, (enum db_lane)i, "SELECT 1", SHORT_MS, false, &calls[i]);
        start(&rig, (enum db_lane)i, "SELECT 2", SHORT_MS, false, &second[i]);
    }
    rig_wait_calls(&rig, calls, DB_LANE_COUNT);
    rig_wait_calls(&rig, second, DB_LANE_COUNT);
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        assert_int_equal(calls[i].code, ERR_TIMEOUT);
        assert_int_equal(calls[i].is_in_doubt, i == DB_LANE_WRITE);
        assert_int_equal(second[i].code, ERR_TIMEOUT);
    }
    pg_server_resume(server);
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        struct rig_call call;
        rig_ask(&rig, (enum db_lane)i, "SELECT 3", &call);
        assert_value(&call, "3");
        assert_int_equal(rig_stats(&rig, (enum db_lane)i).connections_lost, 0);
    }
    rig_clear(&rig);
}

static void destroying_does_not_wait_for_a_suspended_server(void **state)
{
    (void)state;
    struct rig rig, other;
    rig_init(&rig, url, NULL);
    struct rig_call slow;
    start(&rig, DB_LANE_SLOW, "SELECT pg_sleep(20)", LONG_MS, false, &slow);
    rig_run(&rig, SHORT_MS);
    pg_server_suspend(server);
    db_request_forget(slow.request); /* its cancel now hangs on a thread */
    struct db_pool_options options = hasty();
    rig_init_down(&other, url, &options); /* and so do these connects */
    rig_run(&other, SHORT_MS);
    rig_clear(&rig);
    rig_clear(&other);
    pg_server_resume(server);
    pg_server_wait(server);
}

static void calls_wait_for_a_server_that_is_not_there_yet(void **state)
{
    (void)state;
    pg_server_stop(server);
    struct db_pool_options options = hasty();
    struct rig rig;
    rig_init_down(&rig, url, &options);
    struct rig_call patient[DB_LANE_COUNT], hasty[DB_LANE_COUNT];
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        start(&rig, (enum db_lane)i, "SELECT 4", LONG_MS, false, &patient[i]);
        start(&rig, (enum db_lane)i, "SELECT 5", SHORT_MS, false, &hasty[i]);
    }
    rig_wait_calls(&rig, hasty, DB_LANE_COUNT);
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        assert_int_equal(hasty[i].code, ERR_UNAVAILABLE);
        assert_int_equal(hasty[i].origin, ERR_ORIGIN_DATABASE);
        assert_false(hasty[i].is_in_doubt);
    }
    assert_false(db_pool_is_up(rig.pool));
    assert_int_equal(db_pool_last_error(rig.pool)->code, ERR_UNAVAILABLE);
    pg_server_launch(server);
    rig_wait_calls(&rig, patient, DB_LANE_COUNT);
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        assert_value(&patient[i], "4");
    rig_wait_up(&rig);
    assert_int_equal(db_pool_last_error(rig.pool)->code, ERR_NONE);
    assert_int_equal(rig.ups, 1);
    rig_clear(&rig);
}

static void
a_write_in_flight_at_a_kill_is_in_doubt_and_an_idempotent_one_is_sent_again(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE doubt (id int PRIMARY KEY)");
    struct db_pool_options options = hasty();
    options.lanes[DB_LANE_WRITE].connections = 2;
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call once, again;
    start(&rig, DB_LANE_WRITE, "INSERT INTO doubt SELECT 1 FROM pg_sleep(1)", LONG_MS, false,
          &once);
    start(&rig, DB_LANE_WRITE, "INSERT INTO doubt SELECT 2 FROM pg_sleep(1) ON CONFLICT DO NOTHING",
          LONG_MS, true, &again);
    rig_run(&rig, SHORT_MS);
    assert_int_equal(rig_stats(&rig, DB_LANE_WRITE).in_flight, 2);
    pg_server_kill(server);
    rig_wait_call(&rig, &once);
    assert_int_equal(once.code, ERR_UNAVAILABLE);
    assert_int_equal(once.origin, ERR_ORIGIN_DATABASE);
    assert_true(once.is_in_doubt);
    assert_false(again.is_done);
    pg_server_launch(server);
    rig_wait_call(&rig, &again);
    assert_int_equal(again.code, ERR_NONE);
    assert_int_equal(rig_look(url, "SELECT sum(id) FROM doubt"), 2);
    assert_int_equal(rig.downs, 1);
    rig_clear(&rig);
}

static void terminated_backends_cost_readers_nothing(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    struct rig rig;
    rig_init(&rig, url, NULL);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (size_t i = 0; i < COUNT; i++)
        start(&rig, DB_LANE_READ, "SELECT 6 FROM pg_sleep(0.02)", LONG_MS, false, &calls[i]);
    rig_run(&rig, SHORT_MS);
    rig_do(pg_server_url(server), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                  "WHERE application_name = 'windlass' "
                                  "AND pid <> pg_backend_pid()");
    rig_wait_calls(&rig, calls, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_value(&calls[i], "6");
    assert_int_not_equal(rig_stats(&rig, DB_LANE_READ).connections_lost, 0);
    rig_clear(&rig);
}

static void a_read_that_ends_its_backend_is_not_sent_for_ever(void **state)
{
    (void)state;
    enum { COUNT = 9 };
    struct db_pool_options options = hasty();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (size_t i = 0; i < COUNT; i++)
        start(&rig, DB_LANE_READ,
              i == COUNT / 2 ? "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(10)"
                             : "SELECT 7",
              LONG_MS, false, &calls[i]);
    rig_wait_calls(&rig, calls, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        if (i == COUNT / 2)
            assert_int_equal(calls[i].code, ERR_UNAVAILABLE);
        else
            assert_value(&calls[i], "7");
    }
    rig_clear(&rig);
}

static void a_server_that_turned_read_only_is_left_and_nothing_is_in_doubt(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE writable (id int)");
    struct db_pool_options options = hasty();
    struct rig rig;
    rig_init(&rig, url, &options);
    rig_do(pg_server_url(server), "ALTER SYSTEM SET default_transaction_read_only = on");
    rig_do(pg_server_url(server), "SELECT pg_reload_conf(), pg_sleep(0.2)");
    struct rig_call call;
    rig_ask(&rig, DB_LANE_WRITE, "INSERT INTO writable VALUES (1)", &call);
    assert_string_equal(call.sqlstate, "25006");
    assert_int_equal(call.code, ERR_UNAVAILABLE);
    assert_false(call.is_in_doubt);
    assert_int_equal(rig_stats(&rig, DB_LANE_WRITE).connections_lost, 1);
    rig_do(pg_server_url(server), "ALTER SYSTEM RESET default_transaction_read_only");
    rig_do(pg_server_url(server), "SELECT pg_reload_conf(), pg_sleep(0.2)");
    rig_ask(&rig, DB_LANE_WRITE, "INSERT INTO writable VALUES (1)", &call);
    assert_int_equal(call.code, ERR_NONE);
    rig_clear(&rig);
}

static bool has_failed_connects(void *owner)
{
    size_t failures = 0;
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        failures += rig_stats(owner, (enum db_lane)i).connect_failures;
    return failures > 0;
}

static void a_full_server_serves_with_the_connections_there_are(void **state)
{
    (void)state;
    enum { CONNECTIONS_MAX = 10 };
    scoped(pg_server_destroyp) struct pg_server *small = pg_server_start(&(struct pg_options){
        .settings = "-c max_connections=10 -c superuser_reserved_connections=0 "
                    "-c max_wal_senders=0" });
    const char *small_url = pg_server_database(small);
    struct db_conn *taken[CONNECTIONS_MAX] = { 0 };
    struct err e = { 0 };
    struct rig rig;
    struct db_pool_options options = hasty();
    options.lanes[DB_LANE_WRITE].connections = 4;
    rig_init(&rig, small_url, &options);
    size_t count = 0;
    while (count < CONNECTIONS_MAX &&
           db_conn_open(&(struct db_conn_options){ .url = str_of_c(small_url) }, &taken[count], &e))
        count++;
    assert_in_range(count, 1, CONNECTIONS_MAX - 1);
    assert_non_null(strstr(e.message, "too many clients"));
    struct rig late;
    rig_init_down(&late, small_url, &options);
    rig_wait(&late, has_failed_connects, &late);
    struct rig_call early, later;
    rig_ask(&rig, DB_LANE_WRITE, "SELECT 8", &early); /* those that are connected go on */
    assert_value(&early, "8");
    start(&late, DB_LANE_READ, "SELECT 9", LONG_MS, false, &later);
    for (size_t i = 0; i < count; i++)
        db_conn_destroy(taken[i]);
    rig_clear(&rig);
    rig_wait_call(&late, &later);
    assert_value(&later, "9");
    rig_wait_up(&late);
    rig_clear(&late);
}

static void a_wrong_password_is_told_and_mended_without_a_restart(void **state)
{
    (void)state;
    rig_do(pg_server_url(server), "CREATE ROLE guarded LOGIN PASSWORD 'before'");
    struct db_pool_options options = hasty();
    struct rig rig;
    struct str guarded = { 0 };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    guarded = arena_printf(a, "postgresql://guarded:afterwards@/postgres?host=%s",
                           pg_server_folder(server));
    rig_init_down(&rig, guarded.ptr, &options);
    struct rig_call refused, mended;
    start(&rig, DB_LANE_READ, "SELECT 1", SHORT_MS, false, &refused);
    rig_wait_call(&rig, &refused);
    rig_wait(&rig, has_failed_connects, &rig);
    assert_int_equal(refused.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(db_pool_last_error(rig.pool)->message, "password"));
    assert_null(strstr(db_pool_last_error(rig.pool)->message, "afterwards"));
    assert_null(strstr(refused.message, "afterwards"));
    start(&rig, DB_LANE_READ, "SELECT 1", LONG_MS, false, &mended);
    rig_do(pg_server_url(server), "ALTER ROLE guarded PASSWORD 'afterwards'");
    rig_wait_call(&rig, &mended);
    assert_value(&mended, "1");
    rig_clear(&rig);
}

int main(void)
{
    server = pg_server_start(&(struct pg_options){ .hba = "local postgres guarded scram-sha-256" });
    url = pg_server_database(server);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_acknowledged_write_is_lost_and_no_call_hangs),
        cmocka_unit_test(a_suspended_server_makes_calls_time_out_and_ends_nothing),
        cmocka_unit_test(destroying_does_not_wait_for_a_suspended_server),
        cmocka_unit_test(calls_wait_for_a_server_that_is_not_there_yet),
        cmocka_unit_test(
            a_write_in_flight_at_a_kill_is_in_doubt_and_an_idempotent_one_is_sent_again),
        cmocka_unit_test(terminated_backends_cost_readers_nothing),
        cmocka_unit_test(a_read_that_ends_its_backend_is_not_sent_for_ever),
        cmocka_unit_test(a_server_that_turned_read_only_is_left_and_nothing_is_in_doubt),
        cmocka_unit_test(a_full_server_serves_with_the_connections_there_are),
        cmocka_unit_test(a_wrong_password_is_told_and_mended_without_a_restart),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_destroy(server);
    return failed;
}
