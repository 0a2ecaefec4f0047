#include "io/poll.h"

#include "base/mem.h"
#include "io/loop_priv.h"

static_assert((int)IO_READABLE == (int)UV_READABLE && (int)IO_WRITABLE == (int)UV_WRITABLE,
              "the sets are passed through");

struct io_poll {
    uv_poll_t uv;
    io_poll_fn *fn;
    void *owner;
    int events;
};

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct io_poll *poll = (struct io_poll *)uv;
    poll->fn(poll->owner, status < 0 ? IO_READABLE | IO_WRITABLE : events);
}

bool io_poll_create(struct io_loop *loop, int fd, io_poll_fn *fn, void *owner,
                    struct io_poll **ret_poll, struct err *e)
{
    struct io_poll *poll = mem_new(struct io_poll);
    poll->fn = fn;
    poll->owner = owner;
    int failed = uv_poll_init(&loop->uv, &poll->uv, fd);
    if (failed) {
        mem_free(poll);
        return err_set(e, ERR_INTERNAL, "descriptor %d cannot be polled: %s", fd,
                       uv_strerror(failed));
    }
    *ret_poll = poll;
    return true;
}

void io_poll_set(struct io_poll *poll, int events)
{
    if (poll->events == events)
        return;
    poll->events = events;
    if (events)
        (void)uv_poll_start(&poll->uv, events, on_poll);
    else
        (void)uv_poll_stop(&poll->uv);
}

void io_poll_destroy(struct io_poll *poll)
{
    if (poll)
        io_close_and_free((uv_handle_t *)&poll->uv);
}
