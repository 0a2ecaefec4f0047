#include "io/timer.h"

#include "base/mem.h"
#include "io/loop_priv.h"

struct io_timer {
    uv_timer_t uv;
    io_fn *fn;
    void *owner;
};

static void on_timer(uv_timer_t *uv)
{
    struct io_timer *timer = (struct io_timer *)uv;
    timer->fn(timer->owner);
}

struct io_timer *io_timer_create(struct io_loop *loop, io_fn *fn, void *owner)
{
    struct io_timer *timer = mem_new(struct io_timer);
    timer->fn = fn;
    timer->owner = owner;
    (void)uv_timer_init(&loop->uv, &timer->uv);
    return timer;
}

void io_timer_start(struct io_timer *timer, int64_t delay_ms)
{
    (void)uv_timer_start(&timer->uv, on_timer, (uint64_t)max_of(delay_ms, (int64_t)0), 0);
}

void io_timer_repeat(struct io_timer *timer, int64_t interval_ms)
{
    assert(interval_ms > 0);
    (void)uv_timer_start(&timer->uv, on_timer, (uint64_t)interval_ms, (uint64_t)interval_ms);
}

void io_timer_stop(struct io_timer *timer)
{
    (void)uv_timer_stop(&timer->uv);
}

bool io_timer_is_running(const struct io_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

void io_timer_unref(struct io_timer *timer)
{
    uv_unref((uv_handle_t *)&timer->uv);
}

void io_timer_destroy(struct io_timer *timer)
{
    if (timer)
        io_close_and_free((uv_handle_t *)&timer->uv);
}
