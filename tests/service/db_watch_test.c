/* What becomes of a read that the server does not answer, and of those behind it. */
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <signal.h>
#include <unistd.h>

#include "rig_test.h"

enum { LONG_MS = RIG_LONG_MS, SHORT_MS = 100 };

static struct pg_server *server;
static const char *url;

static void a_read_past_its_deadline_that_ends_soon_is_not_cancelled(void **state)
{
    (void)state;
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call slow, next;
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(0.5)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, SHORT_MS, false, &slow));
    rig_wait_call(&rig, &slow);
    assert_int_equal(slow.code, ERR_TIMEOUT);
    assert_int_equal(slow.origin, ERR_ORIGIN_DATABASE);
    assert_false(slow.is_in_doubt);
    rig_ask(&rig, DB_LANE_READ, "SELECT 5", &next); /* on the same connection, behind it */
    assert_value(&next, "5");
    struct db_lane_stats stats = rig_stats(&rig, DB_LANE_READ);
    assert_int_equal(stats.cancels, 0);
    assert_int_equal(stats.timeouts, 1);
    assert_int_equal(stats.connects, 1);
    assert_int_equal(stats.in_flight, 0);
    rig_clear(&rig);
}

static void a_read_that_stands_still_is_cancelled_and_those_behind_it_go_on(void **state)
{
    (void)state;
    rig_do(url, "CREATE TABLE shut (n int)");
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct db_conn *holder = hold(url, "LOCK TABLE shut");
    for (int is_forgotten = 0; is_forgotten < 2; is_forgotten++) {
        struct rig_call stuck, late, beside, behind;
        struct db_step hung = rig_step(&rig, "SELECT count(*) FROM shut", 0, NULL);
        struct db_step step = rig_step(&rig, "SELECT 6", 0, NULL);
        struct db_step other = rig_step(&rig, "SELECT 7", 0, NULL);
        /* these three share a Sync */
        assert_true(rig_start(&rig, DB_LANE_READ, &hung, 1, is_forgotten ? LONG_MS : SHORT_MS,
                              false, &stuck));
        assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, SHORT_MS, false, &late));
        assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &beside));
        rig_wait_call(&rig, &late);
        assert_int_equal(late.code, ERR_TIMEOUT);
        if (is_forgotten)
            db_request_forget(stuck.request);
        else
            assert_int_equal(stuck.code, ERR_TIMEOUT);
        assert_true(rig_start(&rig, DB_LANE_READ, &other, 1, LONG_MS, false, &behind));
        rig_wait_call(&rig, &beside); /* while the table is locked */
        rig_wait_call(&rig, &behind);
        assert_value(&beside, "6");
        assert_value(&behind, "7");
        assert_int_equal(rig_stats(&rig, DB_LANE_READ).cancels, is_forgotten + 1);
    }
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).connects, 1);
    db_conn_rollback(holder);
    db_conn_destroy(holder);
    rig_clear(&rig);
}

/* The process of the server is stopped, as on a disk that stands still. */
static void a_connection_that_answers_no_cancel_is_given_up(void **state)
{
    (void)state;
    static const enum db_lane lanes[] = { DB_LANE_READ, DB_LANE_SLOW };
    for (size_t i = 0; i < countof(lanes); i++) {
        struct db_pool_options options = one_of_each();
        struct rig rig;
        rig_init(&rig, url, &options);
        struct rig_call who, stuck, behind;
        rig_ask(&rig, lanes[i], "SELECT pg_backend_pid()", &who);
        assert_int_equal(who.code, ERR_NONE);
        pid_t pid = (pid_t)strtol(who.value, NULL, 10);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        struct db_step step = rig_step(&rig, "SELECT 8", 0, NULL);
        assert_true(rig_start(&rig, lanes[i], &step, 1, SHORT_MS, false, &stuck));
        rig_wait_call(&rig, &stuck);
        assert_int_equal(stuck.code, ERR_TIMEOUT);
        assert_true(rig_start(&rig, lanes[i], &step, 1, LONG_MS, false, &behind));
        rig_wait_call(&rig, &behind);
        assert_value(&behind, "8");
        assert_int_equal(rig_stats(&rig, lanes[i]).connects, 2);
        assert_int_equal(rig_stats(&rig, lanes[i]).connections_lost, 1);
        assert_int_equal(kill(pid, SIGCONT), 0);
        rig_clear(&rig);
    }
}

static bool is_cancelled(void *owner)
{
    return rig_stats(owner, DB_LANE_READ).cancels > 0;
}

static bool is_lost(void *owner)
{
    return rig_stats(owner, DB_LANE_READ).connections_lost > 0;
}

/* While nobody runs the loop: until the server has said its last word about such a statement, and
 * for so long after it. */
static void stand_still(const char *like, int64_t ms)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%s' AND state = 'active' AND "
             "pid <> pg_backend_pid()",
             like);
    while (rig_look(url, sql) > 0)
        usleep(10'000);
    usleep((useconds_t)(ms * 1000));
}

/* The answer lies in the socket when its watch is over. */
static void a_process_that_stood_still_itself_looks_what_has_come_first(void **state)
{
    (void)state;
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    struct rig_call late, next;
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(0.4)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, SHORT_MS, false, &late));
    rig_wait_call(&rig, &late);
    assert_int_equal(late.code, ERR_TIMEOUT);
    stand_still("SELECT pg_sleep(0.4)%", 1'300);
    rig_ask(&rig, DB_LANE_READ, "SELECT 3", &next);
    assert_value(&next, "3");
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).cancels, 0);

    step = rig_step(&rig, "SELECT pg_sleep(300)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, SHORT_MS, false, &late));
    rig_wait(&rig, is_cancelled, &rig);
    stand_still("SELECT pg_sleep(300)%", 2'300);
    rig_ask(&rig, DB_LANE_READ, "SELECT 4", &next);
    assert_value(&next, "4");
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).connections_lost, 0);
    rig_clear(&rig);
}

/* Where the server takes no connections, a cancel hangs. What answers all the same is not lost, but
 * in the end it is opened anew: a late cancel would hit somebody else. */
static void a_cancel_that_hangs_costs_nobody_his_answer(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    rig_do(url, "CREATE TABLE hung (n int)");
    struct db_pool_options options = one_of_each();
    struct rig rig;
    rig_init(&rig, url, &options);
    pid_t postmaster =
        (pid_t)rig_look(url, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int8");
    struct db_conn *holder = hold(url, "LOCK TABLE hung");
    struct rig_call late, next, *behind = arena_new_array(rig.arena, COUNT, struct rig_call);
    struct db_step hung = rig_step(&rig, "SELECT count(*) FROM hung", 0, NULL);
    struct db_step step = rig_step(&rig, "SELECT 1, pg_sleep(0.1)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_READ, &hung, 1, SHORT_MS, false, &late));
    for (size_t i = 0; i < COUNT; i++) {
        rig_run(&rig, 1); /* each has a Sync of its own */
        assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &behind[i]));
    }
    assert_int_equal(kill(postmaster, SIGSTOP), 0);
    rig_wait(&rig, is_cancelled, &rig);
    db_conn_rollback(holder);
    rig_wait_calls(&rig, behind, COUNT); /* for longer than a cancel is waited for */
    for (size_t i = 0; i < COUNT; i++)
        assert_value(&behind[i], "1");
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).resent, 0);
    rig_wait(&rig, is_lost, &rig);
    assert_non_null(strstr(db_pool_last_error(rig.pool)->message, "a cancel of it"));
    assert_int_equal(kill(postmaster, SIGCONT), 0);
    rig_ask(&rig, DB_LANE_READ, "SELECT 5", &next);
    assert_value(&next, "5");
    db_conn_destroy(holder);
    rig_clear(&rig);
}

int main(void)
{
    server = pg_server_start(NULL);
    url = pg_server_database(server);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_past_its_deadline_that_ends_soon_is_not_cancelled),
        cmocka_unit_test(a_read_that_stands_still_is_cancelled_and_those_behind_it_go_on),
        cmocka_unit_test(a_connection_that_answers_no_cancel_is_given_up),
        cmocka_unit_test(a_process_that_stood_still_itself_looks_what_has_come_first),
        cmocka_unit_test(a_cancel_that_hangs_costs_nobody_his_answer),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_destroy(server);
    return failed;
}
