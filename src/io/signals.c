#include "io/signals.h"

#include "base/mem.h"
#include "io/loop_priv.h"

struct io_signal {
    uv_signal_t uv;
    io_fn *fn;
    void *owner;
};

static void on_signal(uv_signal_t *uv, int signum)
{
    (void)signum;
    struct io_signal *signal = (struct io_signal *)uv;
    signal->fn(signal->owner);
}

struct io_signal *io_signal_create(struct io_loop *loop, int signum, io_fn *fn, void *owner)
{
    struct io_signal *signal = mem_new(struct io_signal);
    signal->fn = fn;
    signal->owner = owner;
    (void)uv_signal_init(&loop->uv, &signal->uv);
    int failed = uv_signal_start(&signal->uv, on_signal, signum);
    assert(failed == 0); /* only a wrong number fails */
    uv_unref((uv_handle_t *)&signal->uv);
    return signal;
}

void io_signal_destroy(struct io_signal *signal)
{
    if (signal)
        io_close_and_free((uv_handle_t *)&signal->uv);
}
