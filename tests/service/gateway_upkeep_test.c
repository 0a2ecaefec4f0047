/* What upkeep does, beside what services show: that it begins anew while it waits for an answer. */
#include "gateway/upkeep.h"

#include "conf/conf.h"
#include "gateway/gateway_priv.h"
#include "schema/schema.h"
#include "support/rig.h"
#include "test.h"

static struct pg_server *server;

static bool is_idle(void *owner)
{
    const struct gateway_loop *loop = owner;
    return !loop->upkeep.is_busy;
}

/* The next batch, until it is answered. */
static void tick(struct rig *rig, struct gateway_loop *loop)
{
    upkeep_tick(loop);
    assert_true(loop->upkeep.is_busy);
    rig_wait(rig, is_idle, loop);
}

static void what_begins_anew_behind_a_batch_reads_its_answer_as_what_it_is(void **state)
{
    static const char *const none[] = { NULL };
    const struct conf_load_args args = {
        .command = CONF_FOR_GATEWAY, .command_name = "gateway", .argv = none, .environment = none
    };
    const char *url = pg_server_database(server);
    const struct schema_options options = { 0 };
    struct gateway gateway = { 0 };
    struct conf *conf;
    struct rig rig;
    struct err e;
    (void)state;
    assert_true(schema_prepare(str_of_c(url), SCHEMA_MODE_SYNCHRONISE, &options, &e));
    assert_true(conf_load(&args, &conf, NULL, &e));
    gateway.conf = conf;
    rig_init(&rig, url, NULL);
    struct gateway_loop loop = { .gateway = &gateway, .pool = rig.pool };
    upkeep_begin(&loop);
    tick(&rig, &loop);
    assert_int_equal(loop.upkeep.at, 1);
    upkeep_tick(&loop); /* the answer has no rows, unlike that to the first batch */
    upkeep_begin(&loop);
    rig_wait(&rig, is_idle, &loop);
    assert_int_equal(loop.upkeep.at, 0);
    tick(&rig, &loop);
    assert_int_equal(loop.upkeep.at, 1);
    rig_clear(&rig);
    conf_destroy(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_begins_anew_behind_a_batch_reads_its_answer_as_what_it_is),
    };
    server = pg_server_start(NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_destroy(server);
    return failed;
}
