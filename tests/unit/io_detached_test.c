#include "io/detached.h"

#include <stdatomic.h>
#include <unistd.h>

#include "test.h"

/* One call; the thread waits in `work` until the pipe is written to. */
struct job {
    int gate[2];
    atomic_int worked, discarded;
    int done;
    struct io_loop *loop;
};

static void job_init(struct job *job, struct io_loop *loop)
{
    *job = (struct job){ .loop = loop };
    assert_int_equal(pipe(job->gate), 0);
}

static void job_clear(struct job *job)
{
    close(job->gate[0]);
    close(job->gate[1]);
}

static void open_gate(struct job *job)
{
    assert_int_equal(write(job->gate[1], "x", 1), 1);
}

static void work(void *data)
{
    struct job *job = data;
    char byte;
    while (read(job->gate[0], &byte, 1) != 1) {
    }
    atomic_fetch_add(&job->worked, 1);
}

static void done(void *owner)
{
    struct job *job = owner;
    job->done++;
    assert_int_equal(atomic_load(&job->worked), 1);
    assert_int_equal(atomic_load(&job->discarded), 0);
}

static void discard(void *data)
{
    struct job *job = data;
    atomic_fetch_add(&job->discarded, 1);
}

static struct io_detached *start(struct job *job)
{
    struct io_detached *d =
        io_detached_start(job->loop, &(struct io_detached_spec){ work, done, discard, job, job });
    assert_non_null(d);
    return d;
}

static void works_beside_the_loop_and_tells_it(void **state)
{
    (void)state;
    scoped(io_loop_destroyp) struct io_loop *loop = io_loop_create();
    struct job job;
    job_init(&job, loop);
    const struct io_detached *d = start(&job);
    assert_false(io_detached_is_over(d));
    open_gate(&job);
    while (!io_detached_is_over(d))
        (void)usleep(1000);
    assert_int_equal(job.done, 0);
    io_loop_run(loop); /* ends when nothing can call back any more */
    assert_int_equal(job.done, 1);
    while (atomic_load(&job.discarded) == 0)
        (void)usleep(1000);
    job_clear(&job);
}

static void an_owner_may_walk_away_even_from_the_loop(void **state)
{
    (void)state;
    struct io_loop *loop = io_loop_create();
    struct job job;
    job_init(&job, loop);
    struct io_detached *d = start(&job);
    io_detached_abandon(d);
    io_loop_destroy(loop); /* while the thread hangs */
    assert_int_equal(atomic_load(&job.discarded), 0);
    open_gate(&job);
    while (atomic_load(&job.discarded) == 0)
        (void)usleep(1000);
    assert_int_equal(job.done, 0);
    job_clear(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_beside_the_loop_and_tells_it),
        cmocka_unit_test(an_owner_may_walk_away_even_from_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
