/* What a connection keeps: its lane's settings, and prepared statements. */
#include "db/pool.h"

#include "rig_test.h"

enum { LONG_MS = RIG_LONG_MS };

static struct pg_server *server;
static const char *url;

/* Set once, for the session, and on a connection that comes after one that is lost. */
static void a_lanes_settings_stay_with_its_connections(void **state)
{
    (void)state;
    static const struct db_setting settings[] = { { STR("lock_timeout"), STR("4s") },
                                                  { STR("enable_seqscan"), STR("off") } };
    static const char both[] =
        "SELECT current_setting('lock_timeout') || current_setting('enable_seqscan')";
    struct db_pool_options options = one_of_each();
    options.lanes[DB_LANE_WRITE].settings = settings;
    options.lanes[DB_LANE_WRITE].setting_count = countof(settings);
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call call;
    rig_ask(&rig, DB_LANE_WRITE, both, &call);
    assert_value(&call, "4soff");
    rig_ask(&rig, DB_LANE_READ, both, &call);
    assert_value(&call, "0on");
    rig_ask(&rig, DB_LANE_WRITE, "SELECT set_config('lock_timeout', '7s', false)", &call);
    rig_ask(&rig, DB_LANE_WRITE, both, &call);
    assert_value(&call, "7soff");
    rig_ask(&rig, DB_LANE_WRITE, "SELECT pg_terminate_backend(pg_backend_pid())", &call);
    assert_int_equal(call.code, ERR_UNAVAILABLE);
    rig_ask(&rig, DB_LANE_WRITE, both, &call);
    assert_value(&call, "4soff");
    rig_clear(&rig);
}

static void composed_statements_are_forgotten_beyond_their_bound(void **state)
{
    (void)state;
    enum { BOUND = 4, COUNT = 30 };
    struct db_pool_options options = one_of_each();
    options.composed_max = BOUND;
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call call;
    for (int i = 0; i < COUNT; i++) {
        struct str sql = arena_printf(rig.arena, "SELECT %d", i % 10);
        rig_ask(&rig, DB_LANE_READ, sql.ptr, &call);
        assert_value(&call, sql.ptr + strlen("SELECT "));
    }
    for (int i = 0; i < 2; i++) /* the first one's own place is made after its Sync */
        rig_ask(&rig, DB_LANE_READ, "SELECT count(*) FROM pg_prepared_statements", &call);
    assert_value(&call, "5"); /* and the pool's own, of the settings */
    rig_clear(&rig);
}

static void a_plan_that_became_stale_is_made_anew(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE growing (a int); INSERT INTO growing VALUES (1)");
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    for (size_t lane = 0; lane < DB_LANE_COUNT; lane++) {
        struct rig_call call;
        rig_ask(&rig, (enum db_lane)lane, "SELECT * FROM growing", &call);
        assert_value(&call, "1");
        rig_do(url, "ALTER TABLE growing ADD COLUMN b int; ALTER TABLE growing RENAME b TO c_1;"
                    "ALTER TABLE growing DROP COLUMN IF EXISTS c_1, ADD COLUMN x text");
        rig_ask(&rig, (enum db_lane)lane, "SELECT * FROM growing", &call);
        assert_value(&call, "1");
        assert_int_equal(rig_stats(&rig, (enum db_lane)lane).resent, 1);
        rig_do(url, "ALTER TABLE growing DROP COLUMN x");
    }
    rig_ask(&rig, DB_LANE_READ, "DEALLOCATE ALL", &(struct rig_call){ 0 });
    struct rig_call call;
    rig_ask(&rig, DB_LANE_READ, "SELECT * FROM growing", &call);
    assert_value(&call, "1");
    rig_clear(&rig);
}

static void unprepared_statements_leave_nothing_on_the_server(void **state)
{
    (void)state;
    struct db_pool_options options = one_of_each();
    options.is_prepare_off = true;
    struct rig rig;
    rig_init(&rig, url, &options);
    for (size_t lane = 0; lane < DB_LANE_COUNT; lane++) {
        struct rig_call call;
        struct db_step step =
            rig_step(&rig, "SELECT count(*) + $1::int FROM pg_prepared_statements", 1,
                     (const char *const[]){ "10" });
        assert_true(rig_start(&rig, (enum db_lane)lane, &step, 1, LONG_MS, false, &call));
        rig_wait_call(&rig, &call);
        assert_value(&call, "10");
    }
    rig_clear(&rig);
}

static bool is_gone(void *pid)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
             (const char *)pid);
    return rig_look(url, sql) == 0;
}

/* Whatever it finds there: the next write does not notice. */
static void a_connection_may_be_roused_at_any_time(void **state)
{
    (void)state;
    static const struct db_setting settings[] = { { STR("lock_timeout"), STR("4s") } };
    struct db_pool_options options = one_of_each();
    options.lanes[DB_LANE_WRITE].settings = settings;
    options.lanes[DB_LANE_WRITE].setting_count = countof(settings);
    struct rig rig;
    struct rig_call call, pid;
    rig_init_down(&rig, url, &options);
    db_pool_rouse(rig.pool, DB_LANE_WRITE); /* there is none yet */
    rig_ask(&rig, DB_LANE_WRITE, "SELECT pg_backend_pid()", &pid);
    assert_int_equal(pid.code, ERR_NONE);
    for (int times = 1; times <= 2; times++) {
        for (int i = 0; i < times; i++)
            db_pool_rouse(rig.pool, DB_LANE_WRITE);
        rig_ask(&rig, DB_LANE_WRITE, "SELECT 7", &call);
        assert_value(&call, "7");
    }
    char terminate[96];
    snprintf(terminate, sizeof terminate, "SELECT pg_terminate_backend(%s)", pid.value);
    rig_do(url, terminate);
    rig_wait(&rig, is_gone, pid.value);
    db_pool_rouse(rig.pool, DB_LANE_WRITE);
    struct db_step step = rig_step(&rig, "SELECT 8", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_WRITE, &step, 1, LONG_MS, true, &call));
    rig_wait_call(&rig, &call);
    assert_value(&call, "8");
    rig_clear(&rig);
}

int main(void)
{
    server = pg_server_start(NULL);
    url = pg_server_database(server);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lanes_settings_stay_with_its_connections),
        cmocka_unit_test(composed_statements_are_forgotten_beyond_their_bound),
        cmocka_unit_test(a_plan_that_became_stale_is_made_anew),
        cmocka_unit_test(unprepared_statements_leave_nothing_on_the_server),
        cmocka_unit_test(a_connection_may_be_roused_at_any_time),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_destroy(server);
    return failed;
}
