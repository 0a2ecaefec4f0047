#include "io/detached.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/poll.h"

struct io_detached {
    struct io_detached_spec spec;
    int done_fd; /* an eventfd: the thread tells the loop */
    struct io_poll *poll;
    atomic_bool is_done;
    atomic_int holders; /* the thread and the owner; the last one cleans up */
};

static void let_go(struct io_detached *d)
{
    if (atomic_fetch_sub(&d->holders, 1) > 1)
        return;
    close(d->done_fd);
    d->spec.discard(d->spec.data);
    mem_free(d);
}

static void *run_thread(void *arg)
{
    struct io_detached *d = arg;
    d->spec.work(d->spec.data);
    atomic_store(&d->is_done, true);
    (void)eventfd_write(d->done_fd, 1); /* fails only when its counter is full */
    let_go(d);
    return NULL;
}

static void on_done(void *owner, int events)
{
    (void)events;
    struct io_detached *d = owner;
    if (!atomic_load(&d->is_done))
        return;
    io_poll_destroy(d->poll);
    d->spec.done(d->spec.owner);
    let_go(d);
}

/* Signals are for the threads that expect them. */
static bool start_thread(struct io_detached *d)
{
    sigset_t all, before;
    pthread_t thread;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(&thread, NULL, run_thread, d) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (is_started)
        (void)pthread_detach(thread);
    return is_started;
}

struct io_detached *io_detached_start(struct io_loop *loop, const struct io_detached_spec *spec)
{
    struct io_detached *d = mem_new(struct io_detached);
    d->spec = *spec;
    atomic_init(&d->holders, 2);
    d->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct err e = { 0 };
    if (d->done_fd >= 0 && io_poll_create(loop, d->done_fd, on_done, d, &d->poll, &e)) {
        io_poll_set(d->poll, IO_READABLE);
        if (start_thread(d))
            return d;
        io_poll_destroy(d->poll);
    }
    if (d->done_fd >= 0)
        close(d->done_fd);
    spec->discard(spec->data);
    mem_free(d);
    return NULL;
}

bool io_detached_is_over(const struct io_detached *d)
{
    return atomic_load(&d->is_done);
}

void io_detached_abandon(struct io_detached *d)
{
    if (!d)
        return;
    io_poll_destroy(d->poll);
    let_go(d);
}
