/*
 * The fault loop of db: the connection is cut after the 1st, 2nd, 3rd, … byte of an exchange, in
 * either direction, until the exchange passes whole. Whatever byte is the last, a read and an
 * idempotent write succeed, and a plain write is acknowledged, or in doubt.
 */
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/stream.h"
#include "support/rig.h"
#include "test.h"

enum { LONG_MS = 50 * 1000, PAIRS_MAX = 16, CHUNK = 16 * 1024 };

enum direction { TO_SERVER, TO_CLIENT };

static struct pg_server *server;
static const char *database;
static char url[256];
static struct sockaddr_un server_address = { .sun_family = AF_UNIX };

/* ── a proxy on a thread of its own ── */

/* Bytes until the cut, in one direction; armed by the test, disarmed by the cut. */
static atomic_long bytes_left = -1;
static atomic_int cut_direction;
static atomic_bool is_stopping;

struct pair {
    int fds[2]; /* client, server; -1: free */
};

static int connect_server(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        connect(fd, (const struct sockaddr *)&server_address, sizeof server_address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void close_pair(struct pair *p)
{
    for (size_t i = 0; i < 2; i++) {
        if (p->fds[i] >= 0)
            close(p->fds[i]);
        p->fds[i] = -1;
    }
}

/* Passes on what may pass. False: one side is gone, or here is the cut. */
static bool pass(const struct pair *p, enum direction direction)
{
    static char chunk[CHUNK];
    ssize_t len = read(p->fds[direction == TO_SERVER ? 0 : 1], chunk, sizeof chunk);
    if (len <= 0)
        return false;
    long left = atomic_load(&bytes_left);
    bool is_counted = left >= 0 && atomic_load(&cut_direction) == (int)direction;
    bool is_cut = is_counted && len >= left;
    if (is_cut)
        len = left;
    if (is_counted)
        atomic_store(&bytes_left, is_cut ? -1 : left - len);
    return send(p->fds[direction == TO_SERVER ? 1 : 0], chunk, (size_t)len, MSG_NOSIGNAL) == len &&
           !is_cut;
}

static void serve(struct pair pairs[PAIRS_MAX], int listener)
{
    struct pollfd ready[1 + 2 * PAIRS_MAX] = { { .fd = listener, .events = POLLIN } };
    for (size_t i = 0; i < 2 * PAIRS_MAX; i++)
        ready[1 + i] = (struct pollfd){ .fd = pairs[i / 2].fds[i % 2], .events = POLLIN };
    if (poll(ready, countof(ready), 50) <= 0)
        return;
    for (size_t i = 0; i < PAIRS_MAX; i++)
        for (size_t side = 0; side < 2; side++)
            if (pairs[i].fds[side] >= 0 && ready[1 + 2 * i + side].revents &&
                !pass(&pairs[i], side ? TO_CLIENT : TO_SERVER))
                close_pair(&pairs[i]);
    if (!ready[0].revents)
        return;
    struct pair fresh = { { accept4(listener, NULL, NULL, SOCK_CLOEXEC), connect_server() } };
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (pairs[i].fds[0] < 0) {
            pairs[i] = fresh;
            return;
        }
    }
    close_pair(&fresh);
}

static void *run_proxy(void *listener)
{
    struct pair pairs[PAIRS_MAX];
    memset(pairs, 0xff, sizeof pairs); /* -1 */
    while (!atomic_load(&is_stopping))
        serve(pairs, *(int *)listener);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        close_pair(&pairs[i]);
    return NULL;
}

/* ── the loop ── */

/* On a machine that stops for seconds the cut may hit a connection that is just being opened, or
 * one that brings the cancel of a read that is late. */
static size_t count_lost(const struct rig *rig)
{
    size_t count = 0;
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        struct db_lane_stats stats = rig_stats(rig, (enum db_lane)i);
        count += stats.connections_lost + stats.connect_failures + stats.cancels;
    }
    return count;
}

struct loss {
    const struct rig *rig;
    size_t lost_before;
};

static bool is_noticed(void *owner)
{
    const struct loss *loss = owner;
    return count_lost(loss->rig) > loss->lost_before;
}

/* Each call's SQL is new to its connection, so that its Parse may be cut as well. True: it was cut,
 * and the pool has noticed. */
static bool call_with_cut(struct rig *rig, enum direction direction, long bytes, enum db_lane lane,
                          struct str sql, bool is_idempotent, struct rig_call *call)
{
    struct db_step steps[2] = { rig_step(rig, sql.ptr, 0, NULL) };
    size_t count = 1;
    if (lane == DB_LANE_WRITE)
        steps[count++] = rig_step(rig, "UPDATE total SET n = (SELECT count(*) FROM cut)", 0, NULL);
    rig_wait_up(rig);
    struct loss loss = { rig, count_lost(rig) };
    atomic_store(&cut_direction, (int)direction);
    atomic_store(&bytes_left, bytes);
    assert_true(rig_start(rig, lane, steps, count, LONG_MS, is_idempotent, call));
    rig_wait_call(rig, call);
    if (atomic_exchange(&bytes_left, -1) != -1)
        return false;
    rig_wait(rig, is_noticed, &loss);
    return true;
}

/* True: nothing was cut. */
static bool try_with_cut(struct rig *rig, enum direction direction, long bytes)
{
    static int row;
    struct rig_call call;
    struct str sql = arena_printf(rig->arena, "SELECT %d + 1", ++row);
    bool is_whole = !call_with_cut(rig, direction, bytes, DB_LANE_READ, sql, false, &call);
    assert_int_equal(call.code, ERR_NONE);
    assert_int_equal(strtol(call.value, NULL, 10), row + 1);

    sql = arena_printf(rig->arena, "INSERT INTO cut VALUES (%d) ON CONFLICT DO NOTHING", ++row);
    is_whole &= !call_with_cut(rig, direction, bytes, DB_LANE_WRITE, sql, true, &call);
    assert_int_equal(call.code, ERR_NONE);

    sql = arena_printf(rig->arena, "INSERT INTO cut VALUES (%d)", ++row);
    bool is_cut = call_with_cut(rig, direction, bytes, DB_LANE_WRITE, sql, false, &call);
    if (call.code == ERR_NONE) {
        rig_do(database, arena_printf(rig->arena, "INSERT INTO acknowledged VALUES (%d)", row).ptr);
    } else {
        assert_int_equal(call.code, ERR_UNAVAILABLE);
        assert_true(call.is_in_doubt && is_cut);
    }
    return is_whole && !is_cut;
}

static void whatever_byte_is_the_last_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    rig_do(database, "CREATE TABLE cut (id int PRIMARY KEY); CREATE TABLE acknowledged (id int);"
                     "CREATE TABLE total (n int); INSERT INTO total VALUES (0)");
    struct db_pool_options options = db_pool_defaults();
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        options.lanes[i].connections = 1;
    options.backoff_first_ms = options.backoff_max_ms = 1;
    struct rig rig;
    rig_init(&rig, url, &options);
    size_t tries = 0;
    for (enum direction direction = TO_SERVER; direction <= TO_CLIENT; direction++) {
        long step = direction == TO_SERVER ? 7 : 2;
        for (long bytes = 0; !try_with_cut(&rig, direction, bytes); bytes += step)
            tries++;
    }
    rig_clear(&rig);
    print_message("# %zu places to cut\n", tries);
    assert_in_range(tries, 20, 2000);
    assert_int_equal(rig_look(database, "SELECT count(*) FROM acknowledged a LEFT JOIN cut c USING "
                                        "(id) WHERE c.id IS NULL"),
                     0);
    assert_true(rig_look(database, "SELECT count(*) FROM acknowledged") > 0);
    assert_int_equal(rig_look(database, "SELECT n FROM total") -
                         rig_look(database, "SELECT count(*) FROM cut"),
                     0); /* both steps or none */
}

int main(void)
{
    server = pg_server_start(NULL);
    database = pg_server_database(server);
    const char *folder = pg_server_folder(server);
    snprintf(server_address.sun_path, sizeof server_address.sun_path, "%.80s/.s.PGSQL.5432",
             folder);
    char address[256];
    snprintf(address, sizeof address, "unix:%s/.s.PGSQL.5433", folder);
    snprintf(url, sizeof url, "%s&port=5433", database);
    int listener = -1;
    struct err e = { 0 };
    pthread_t proxy;
    if (!io_listen_open(str_of_c(address), false, &listener, &e) ||
        pthread_create(&proxy, NULL, run_proxy, &listener) != 0) {
        fprintf(stderr, "%s\n", err_text(&e));
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_byte_is_the_last_nothing_acknowledged_is_lost),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    atomic_store(&is_stopping, true);
    (void)pthread_join(proxy, NULL);
    close(listener);
    pg_server_destroy(server);
    return failed;
}
