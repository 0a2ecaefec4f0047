/*
 * db_read_bench: point reads through the read lane. Each caller asks again when it is answered, so
 * a turn of the loop carries up to as many reads as there are callers. bench.py runs it. Usage:
 * db_read_bench URL SQL ROWS CONNECTIONS CALLERS SECONDS; $1 of the SQL is a number of 1 to ROWS.
 * Prints one JSON object.
 */
#include <sys/resource.h>

#include "base/random.h"
#include "support/rig.h"

enum { CALLERS_MAX = 4096 };

struct caller {
    struct bench *bench;
    struct db_args *args;
    char id[12];
    uint32_t seed;
};

struct bench {
    struct rig rig;
    struct db_statement statement;
    uint32_t rows;
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
    snprintf(c->id, sizeof c->id, "%u", c->seed % b->rows + 1);
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

static uint64_t number_of(const char *text)
{
    uint64_t value = 0;
    if (!str_to_u64(str_of_c(text), &value) || value == 0 || value > INT32_MAX) {
        fprintf(stderr, "\"%s\" is no positive number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: db_read_bench URL SQL ROWS CONNECTIONS CALLERS SECONDS\n", stderr);
        return 2;
    }
    static const uint32_t oids[] = { DB_OID_INT4 };
    static struct bench b = { .statement = {
                                  .name = "point_read", .oids = oids, .param_count = 1 } };
    b.statement.sql = argv[2];
    b.rows = (uint32_t)number_of(argv[3]);
    struct db_pool_options options = db_pool_defaults();
    options.lanes[DB_LANE_READ].connections = number_of(argv[4]);
    options.lanes[DB_LANE_READ].in_flight_max = CALLERS_MAX;
    size_t callers = min_of((size_t)number_of(argv[5]), (size_t)CALLERS_MAX);
    rig_init(&b.rig, argv[1], &options);
    double own_s = own_cpu_s();
    int64_t start_us = clock_mono_us();
    b.until_us = start_us + (int64_t)number_of(argv[6]) * CLOCK_S;
    for (size_t i = 0; i < callers; i++) {
        struct caller *c = &b.callers[i];
        *c = (struct caller){ .bench = &b, .args = db_args_create(b.rig.arena) };
        random_bytes(&c->seed, sizeof c->seed);
        c->args->values[c->args->count++] = c->id;
        ask(c);
    }
    io_loop_run(b.rig.loop);
    double took_s = (double)(clock_mono_us() - start_us) / CLOCK_S;
    struct db_lane_stats stats = rig_stats(&b.rig, DB_LANE_READ);
    printf("{\"reads\": %zu, \"failed\": %zu, \"seconds\": %.3f, \"cpu_us\": %.3f, "
           "\"reads_per_sync\": %.1f}\n",
           b.done, b.failed, took_s, (own_cpu_s() - own_s) * CLOCK_S / (double)b.done,
           (double)b.done / (double)stats.syncs);
    rig_clear(&b.rig);
    return b.failed ? 1 : 0;
}
