/* The pool through PgBouncer in transaction mode, where all lanes share one server connection. */
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig_test.h"

enum { LONG_MS = RIG_LONG_MS, SHORT_MS = 150 };

static const char bouncer_path[] = "/usr/sbin/pgbouncer";
static struct pg_server *server;
static pid_t bouncer;
static char url[256];

static void write_config(const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/pgbouncer.ini", folder);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f,
            "[databases]\n* = host=%s user=postgres\n[pgbouncer]\npool_mode = transaction\n"
            "listen_addr =\nunix_socket_dir = %s/bouncer\nauth_type = any\n"
            "default_pool_size = 1\nlogfile = %s/bouncer/log\n",
            folder, folder, folder);
    assert_int_equal(fclose(f), 0);
    snprintf(path, sizeof path, "%s/bouncer", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(chmod(path, 0777), 0);
}

/* PgBouncer refuses to run as root. */
static void become_nobody(void)
{
    const struct passwd *user = getuid() == 0 ? getpwnam("nobody") : NULL;
    if (user && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(127);
}

static int start_bouncer(void **state)
{
    (void)state;
    server = pg_server_start(NULL);
    const char *folder = pg_server_folder(server);
    write_config(folder);
    char config[256];
    snprintf(config, sizeof config, "%s/pgbouncer.ini", folder);
    snprintf(url, sizeof url, "postgresql://postgres@/postgres?host=%s/bouncer&port=6432", folder);
    bouncer = fork();
    if (bouncer == 0) {
        become_nobody();
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* another user would not keep it */
        execl(bouncer_path, bouncer_path, "-q", config, (char *)NULL);
        _exit(127);
    }
    return bouncer > 0 ? 0 : -1;
}

static int stop_bouncer(void **state)
{
    (void)state;
    if (bouncer > 0) {
        (void)kill(bouncer, SIGKILL);
        (void)waitpid(bouncer, NULL, 0);
    }
    pg_server_destroy(server);
    return 0;
}

static void begin(struct rig *rig)
{
    struct db_pool_options options = db_pool_defaults();
    options.is_prepare_off = true;
    rig_init(rig, url, &options); /* the pool tries again until PgBouncer listens */
}

static void pipelines_of_all_lanes_share_a_server_connection(void **state)
{
    (void)state;
    enum { COUNT = 90 };
    struct rig rig;
    begin(&rig);
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (size_t i = 0; i < COUNT; i++) {
        struct db_step step = rig_step(&rig, "SELECT 100 / $1::int", 1,
                                       (const char *const[]){ i == COUNT / 2 ? "0" : "4" });
        enum db_lane lane = i % 3 == 0 ? DB_LANE_READ : i % 3 == 1 ? DB_LANE_WRITE : DB_LANE_SLOW;
        assert_true(rig_start(&rig, lane, &step, 1, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        if (i == COUNT / 2)
            assert_string_equal(calls[i].sqlstate, "22012");
        else
            assert_value(&calls[i], "25");
    }
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        assert_int_equal(rig_stats(&rig, (enum db_lane)i).connections_lost, 0);
    struct rig_call backends;
    rig_ask(&rig, DB_LANE_READ,
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres' "
            "AND backend_type = 'client backend'",
            &backends);
    assert_value(&backends, "1");
    rig_clear(&rig);
}

static void a_time_limit_does_not_leak_to_the_next_transaction(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    struct rig_call slow, next;
    struct db_step step = rig_step(&rig, "SELECT pg_sleep(30)", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_SLOW, &step, 1, SHORT_MS, false, &slow));
    rig_wait_call(&rig, &slow);
    assert_int_equal(slow.code, ERR_TIMEOUT);
    rig_ask(&rig, DB_LANE_WRITE, "SELECT current_setting('statement_timeout')", &next);
    assert_value(&next, "0");
    rig_clear(&rig);
}

static void begin_with_setting(struct rig *rig)
{
    static const struct db_setting settings[] = { { STR("lock_timeout"), STR("4s") } };
    struct db_pool_options options = db_pool_defaults();
    options.is_prepare_off = true;
    options.lanes[DB_LANE_WRITE].settings = settings;
    options.lanes[DB_LANE_WRITE].setting_count = countof(settings);
    rig_init(rig, url, &options);
}

/* The server's connection is not the lane's own, so each transaction has the settings for itself.
 */
static void a_lanes_settings_do_not_leak_to_others(void **state)
{
    (void)state;
    static const char setting[] = "SELECT current_setting('lock_timeout')";
    struct rig rig;
    begin_with_setting(&rig);
    for (unsigned i = 0; i < 8; i++) { /* one for each of the lane's connections, and once more */
        struct rig_call call;
        rig_ask(&rig, DB_LANE_WRITE, setting, &call);
        assert_value(&call, "4s");
        rig_ask(&rig, DB_LANE_READ, setting, &call);
        assert_value(&call, "0");
    }
    rig_clear(&rig);
}

static void writes_are_transactions_of_their_own(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    struct rig rig;
    begin(&rig);
    rig_do(pg_server_url(server), "CREATE TABLE bounced (n int PRIMARY KEY)");
    struct rig_call *calls = arena_new_array(rig.arena, COUNT, struct rig_call);
    for (size_t i = 0; i < COUNT; i++) {
        char text[12];
        snprintf(text, sizeof text, "%zu", i / 2);
        struct db_step steps[] = {
            rig_step(&rig, "INSERT INTO bounced VALUES (100 + $1::int * 2)", 1,
                     (const char *const[]){ text }),
            rig_step(&rig, "INSERT INTO bounced VALUES (101 + $1::int * 2)", 1,
                     (const char *const[]){ text }),
        };
        assert_true(rig_start(&rig, DB_LANE_WRITE, steps, 2, LONG_MS, false, &calls[i]));
    }
    rig_wait_calls(&rig, calls, COUNT);
    size_t conflicts = 0;
    for (size_t i = 0; i < COUNT; i++)
        conflicts += calls[i].code == ERR_CONFLICT;
    assert_int_equal(conflicts, COUNT / 2);
    assert_int_equal(rig_look(pg_server_url(server), "SELECT count(*) FROM bounced"), COUNT);
    rig_clear(&rig);
}

/* PgBouncer would lend the only server's connection for it, until something ended that. */
static void nothing_is_roused_through_a_pooler(void **state)
{
    (void)state;
    struct rig rig, other;
    begin_with_setting(&rig);
    struct rig_call call;
    rig_ask(&rig, DB_LANE_WRITE, "SELECT 1", &call);
    assert_value(&call, "1");
    for (unsigned i = 0; i < 4; i++) {
        db_pool_rouse(rig.pool, DB_LANE_WRITE);
        rig_run(&rig, SHORT_MS);
    }
    begin(&other);
    rig_ask(&other, DB_LANE_READ, "SELECT 2", &call);
    assert_value(&call, "2");
    rig_ask(&rig, DB_LANE_WRITE, "SELECT 3", &call);
    assert_value(&call, "3");
    rig_clear(&other);
    rig_clear(&rig);
}

static bool is_cancelled(void *owner)
{
    return rig_stats(owner, DB_LANE_READ).cancels > 0;
}

/* It waits in PgBouncer's line: whoever leaves it stands at its end again. */
static void who_waits_for_a_server_keeps_his_place(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct db_pool_options options = one_of_each();
    options.is_prepare_off = true;
    struct rig rig;
    rig_init(&rig, url, &options);
    struct db_conn *holder = hold(url, "SELECT 1");
    struct rig_call late, behind;
    struct db_step step = rig_step(&rig, "SELECT 1", 0, NULL);
    assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, SHORT_MS, false, &late));
    rig_wait_call(&rig, &late);
    assert_int_equal(late.code, ERR_TIMEOUT);
    assert_true(rig_start(&rig, DB_LANE_READ, &step, 1, LONG_MS, false, &behind));
    rig_wait(&rig, is_cancelled, &rig);
    rig_run(&rig, 4'000);
    assert_int_equal(rig_stats(&rig, DB_LANE_READ).connections_lost, 0);
    assert_true(db_conn_commit(holder, &e));
    db_conn_destroy(holder);
    rig_wait_call(&rig, &behind);
    assert_value(&behind, "1");
    rig_clear(&rig);
}

int main(void)
{
    if (access(bouncer_path, X_OK) != 0) {
        printf("1..0 # SKIP %s is not installed\n", bouncer_path);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelines_of_all_lanes_share_a_server_connection),
        cmocka_unit_test(a_time_limit_does_not_leak_to_the_next_transaction),
        cmocka_unit_test(a_lanes_settings_do_not_leak_to_others),
        cmocka_unit_test(writes_are_transactions_of_their_own),
        cmocka_unit_test(nothing_is_roused_through_a_pooler),
        cmocka_unit_test(who_waits_for_a_server_keeps_his_place),
    };
    return cmocka_run_group_tests(tests, start_bouncer, stop_bouncer);
}
