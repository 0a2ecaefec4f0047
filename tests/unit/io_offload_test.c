#include "io/offload.h"

#include "test.h"

struct counts {
    int done;
    thrd_t main_thread;
};

static void work_elsewhere(void *owner)
{
    const struct counts *c = owner;
    assert_false(thrd_equal(thrd_current(), c->main_thread));
}

static void work_done(void *owner)
{
    struct counts *c = owner;
    assert_true(thrd_equal(thrd_current(), c->main_thread));
    c->done++;
}

static void offload_is_bounded_and_comes_back(void **state)
{
    (void)state;
    struct counts c = { .main_thread = thrd_current() };
    struct io_loop *loop = io_loop_create();
    struct err e;
    struct io_offload *offload = io_offload_create(loop, 2, 3);
    for (int i = 0; i < 5; i++)
        assert_true(io_offload_submit(offload, work_elsewhere, work_done, &c, &e));
    assert_false(io_offload_submit(offload, work_elsewhere, work_done, &c, &e));
    assert_int_equal(e.code, ERR_RATE);
    io_loop_run(loop);
    assert_int_equal(c.done, 5);
    io_offload_destroy(offload);
    io_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offload_is_bounded_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
