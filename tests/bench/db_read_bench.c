/*
 * db_read_bench: point reads through the read lane. Usage: db_read_bench [CONNECTIONS [CALLERS
 * [SECONDS]]]. Each caller asks again when it is answered, so a turn of the loop carries about as
 * many reads as there are callers. One JSON object a line.
 */
#include <sys/resource.h>

#include "base/random.h"
#include "support/rig.h"

enum { ROWS = 100'000, DEFAULT_CALLERS = 64, DEFAULT_SECONDS = 3, CALLERS_MAX = 4096 };

struct caller {
    struct bench *bench;
    struct db_args *args;
    char id[12];
    uint32_t seed;
};

struct bench {
    struct rig rig;
    struct db_statement statement;
    int64_t until_us;
    size_t done, failed, open;
    struct caller callers[CALLERS_MAX];
};

static void ask(struct caller *c);

static void on_reply(void *owner, const struct db_reply *reply)
{
    struct caller *c = owner;
    struct bench *b = c->bench;
    b->open--;
    b->done++;
    b->failed += reply->err || db_rows_count(reply->rows[0]) != 1;
    if (clock_mono_us() < b->until_us)
        ask(c);
    else if (b->open == 0)
        io_loop_stop(b->rig.loop);
}

static void ask(struct caller *c)
{
    struct bench *b = c->bench;
    struct err e = { 0 };
    c->seed = c->seed * 1664525 + 1013904223;
    snprintf(c->id, sizeof c->id, "%u", c->seed % ROWS + 1);
    struct db_step step = { &b->statement, c->args };
    b->open += db_pool_call(b->rig.pool,
                            &(struct db_call){ .lane = DB_LANE_READ,
                                               .steps = &step,
                                               .step_count = 1,
                                               .deadline_us = clock_mono_us() + 60 * CLOCK_S,
                                               .fn = on_reply,
                                               .owner = c },
                            NULL, &e);
}

static double own_cpu_s(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / CLOCK_S;
}

static size_t number_or(int argc, char **argv, int at, size_t otherwise)
{
    uint64_t value = otherwise;
    return argc > at && str_to_u64(str_of_c(argv[at]), &value) ? (size_t)value : otherwise;
}

int main(int argc, char **argv)
{
    size_t connections = number_or(argc, argv, 1, 1);
    size_t callers = min_of(number_or(argc, argv, 2, DEFAULT_CALLERS), (size_t)CALLERS_MAX);
    int64_t seconds = (int64_t)number_or(argc, argv, 3, DEFAULT_SECONDS);
    static const uint32_t oids[] = { DB_OID_INT4 };
    static struct bench b = { .statement = { .name = "user_by_id",
                                             .sql = "SELECT id, email, name, created_at FROM "
                                                    "bench_users WHERE id = $1",
                                             .oids = oids,
                                             .param_count = 1 } };
    scoped(pg_server_destroyp) struct pg_server *server = pg_server_start(NULL);
    const char *url = pg_server_database(server);
    rig_do(url, "CREATE TABLE bench_users (id int PRIMARY KEY, email text, name text, created_at "
                "timestamptz DEFAULT now()); INSERT INTO bench_users SELECT i, i || "
                "'@example.org', 'User ' || i FROM generate_series(1, 100000) i;"
                "ANALYZE bench_users");
    struct db_pool_options options = db_pool_defaults();
    options.lanes[DB_LANE_READ].connections = connections;
    options.lanes[DB_LANE_READ].in_flight_max = CALLERS_MAX;
    rig_init(&b.rig, url, &options);
    double server_s = pg_server_cpu_s(server), own_s = own_cpu_s();
    int64_t start_us = clock_mono_us();
    b.until_us = start_us + seconds * CLOCK_S;
    for (size_t i = 0; i < callers; i++) {
        struct caller *c = &b.callers[i];
        *c = (struct caller){ .bench = &b, .args = db_args_create(b.rig.arena) };
        random_bytes(&c->seed, sizeof c->seed);
        c->args->values[c->args->count++] = c->id;
        ask(c);
    }
    io_loop_run(b.rig.loop);
    double took_s = (double)(clock_mono_us() - start_us) / CLOCK_S;
    double per_100k = 100'000 / (double)b.done;
    own_s = (own_cpu_s() - own_s) * per_100k;
    server_s = (pg_server_cpu_s(server) - server_s) * per_100k;
    struct db_lane_stats stats = rig_stats(&b.rig, DB_LANE_READ);
    printf("{\"name\":\"db-point-read\",\"connections\":%zu,\"callers\":%zu,\"value\":%.0f,"
           "\"unit\":\"reads/s\",\"client_cpu_s_per_100k\":%.3f,\"server_cpu_s_per_100k\":%.3f,"
           "\"reads_per_sync\":%.1f,\"failed\":%zu}\n",
           connections, callers, (double)b.done / took_s, own_s, server_s,
           (double)b.done / (double)stats.syncs, b.failed);
    rig_clear(&b.rig);
    return b.failed ? 1 : 0;
}
