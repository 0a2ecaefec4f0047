#include "gateway/gate.h"

#include "gateway/meter.h"
#include "io/timer.h"
#include "test.h"

static struct io_loop *loop;
static struct io_timer *keeper;
static struct meter *meter;
static struct gate *gate;
static int open_jobs;

static void done(void *owner)
{
    (void)owner;
    if (--open_jobs == 0)
        io_loop_stop(loop);
}

static void submit(struct gate_job *job)
{
    job->done = done;
    open_jobs++;
    gate_submit(gate, loop, job);
}

static void idle(void *owner)
{
    (void)owner;
}

/* A stop that was asked for late may end a later run early; the timer keeps the loop waiting. */
static void run_all(void)
{
    while (open_jobs > 0)
        io_loop_run(loop);
}

static void run_one(struct gate_job *job)
{
    submit(job);
    run_all();
}

static struct gate_job try_of(const char *account, const char *address, const char *password,
                              const char *hash)
{
    return (struct gate_job){ .account = str_of_c(account),
                              .address = str_of_c(address),
                              .compare = hash ? GATE_HASH : GATE_NOBODY,
                              .password = str_of_c(password),
                              .hash = str_of_c(hash) };
}

static char hash[PASSWORD_HASH_MAX];

static void hashes_and_compares(void **state)
{
    struct gate_job make = { .new_password = STR("secret") };
    (void)state;
    run_one(&make);
    assert_int_equal(make.err.code, ERR_NONE);
    assert_true(make.is_match && make.has_new_hash);
    memcpy(hash, make.new_hash, sizeof hash);
    struct gate_job good = try_of("a", "1", "secret", hash), bad = try_of("a", "1", "wrong", hash);
    run_one(&good);
    assert_true(good.is_match && !good.has_new_hash);
    run_one(&bad);
    assert_true(!bad.is_match && bad.err.code == ERR_NONE);
}

static void hashes_anew_what_has_older_parameters(void **state)
{
    const struct password_params old = { .memory_kib = 1024, .time = 1, .parallelism = 1 };
    char older[PASSWORD_HASH_MAX];
    struct err e;
    (void)state;
    assert_true(password_hash(STR("secret"), &old, older, &e));
    struct gate_job good = try_of("b", "2", "secret", older), bad = try_of("b", "2", "no", older);
    run_one(&good);
    assert_true(good.is_match && good.has_new_hash);
    run_one(&bad);
    assert_false(bad.is_match || bad.has_new_hash);
}

static void failures_close_the_account_and_a_success_forgives(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct gate_job bad = try_of("c", "3", "wrong", hash);
        run_one(&bad);
        assert_int_equal(bad.err.code, ERR_NONE);
    }
    struct gate_job good = try_of("c", "3", "secret", hash);
    run_one(&good);
    assert_true(good.is_match);
    for (int i = 0; i < 3; i++) {
        struct gate_job bad = try_of("c", "4", "wrong", hash);
        run_one(&bad);
        assert_int_equal(bad.err.code, ERR_NONE);
    }
    struct gate_job late = try_of("c", "5", "secret", hash);
    run_one(&late);
    assert_int_equal(late.err.code, ERR_RATE);
    assert_true(late.retry_after_us > 0 && !late.is_match);
}

static void nobody_is_limited_like_somebody(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct gate_job bad = try_of("nobody", "6", "x", NULL);
        run_one(&bad);
        assert_true(bad.err.code == ERR_NONE && !bad.is_match);
    }
    struct gate_job late = try_of("nobody", "7", "x", NULL);
    run_one(&late);
    assert_int_equal(late.err.code, ERR_RATE);
}

/* Two run, three wait, the sixth is told so, and it is no failed try. */
static void a_full_queue_refuses_and_counts_nothing(void **state)
{
    struct gate_job jobs[6];
    int refused = 0;
    (void)state;
    for (size_t i = 0; i < countof(jobs); i++) {
        jobs[i] = try_of("d", "8", "secret", hash);
        jobs[i].account = STR("");
        submit(&jobs[i]);
    }
    run_all();
    for (size_t i = 0; i < countof(jobs); i++)
        refused += jobs[i].err.code == ERR_RATE;
    assert_int_equal(refused, 1);
    assert_int_equal(jobs[5].err.code, ERR_RATE);
}

static int set_up(void **state)
{
    (void)state;
    loop = io_loop_create();
    keeper = io_timer_create(loop, idle, NULL);
    io_timer_repeat(keeper, 1'000);
    meter = meter_create();
    gate = gate_create(
        &(struct gate_options){ .home = loop,
                                .meter = meter,
                                .params = { .memory_kib = 2048, .time = 1, .parallelism = 1 },
                                .running_max = 2,
                                .waiting_max = 3,
                                .account_failures_max = 3,
                                .address_failures_max = 100,
                                .window_us = 3'600'000'000 });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gate_destroy(gate);
    meter_destroy(meter);
    io_timer_destroy(keeper);
    io_loop_destroy(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_compares),
        cmocka_unit_test(hashes_anew_what_has_older_parameters),
        cmocka_unit_test(failures_close_the_account_and_a_success_forgives),
        cmocka_unit_test(nobody_is_limited_like_somebody),
        cmocka_unit_test(a_full_queue_refuses_and_counts_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
