#include "io/loop.h"

#include <signal.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop_priv.h"

struct post {
    struct post *next;
    io_fn *fn;
    void *owner;
};

/* Takes all posts at once, so that a post made by a post runs in the next turn. */
static struct post *take_posts(struct io_loop *loop, bool *ret_stop)
{
    uv_mutex_lock(&loop->posts_lock);
    struct post *first = loop->posts_first;
    loop->posts_first = NULL;
    loop->posts_end = &loop->posts_first;
    *ret_stop = loop->stop_wanted;
    loop->stop_wanted = false;
    uv_mutex_unlock(&loop->posts_lock);
    return first;
}

static void free_posts(struct post *p)
{
    while (p) {
        struct post *next = p->next;
        mem_free(p);
        p = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct io_loop *loop = wake->data;
    bool stop = false;
    struct post *first = take_posts(loop, &stop);
    for (struct post *p = first; p; p = p->next)
        p->fn(p->owner);
    free_posts(first);
    if (stop)
        uv_stop(&loop->uv);
}

struct io_turn {
    struct list node; /* in the loop's `armed` */
    struct io_loop *loop;
    io_fn *fn;
    void *owner;
};

/* Until none is left: what one call arms (an answer given while a pipeline is synced) leaves in
 * this turn too, or it would wait for whatever ends the coming wait. */
static void on_turn_end(uv_prepare_t *prepare)
{
    struct io_loop *loop = prepare->data;
    for (struct list *node; (node = list_pop(&loop->armed));) {
        struct io_turn *turn = container_of(node, struct io_turn, node);
        turn->fn(turn->owner);
    }
    (void)uv_prepare_stop(prepare);
}

static once_flag pipe_signal_once = ONCE_FLAG_INIT;

static void ignore_pipe_signal(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}

struct io_loop *io_loop_create(void)
{
    call_once(&pipe_signal_once, ignore_pipe_signal);
    struct io_loop *loop = mem_new(struct io_loop);
    loop->posts_end = &loop->posts_first;
    if (uv_loop_init(&loop->uv) != 0 || uv_mutex_init(&loop->posts_lock) != 0 ||
        uv_async_init(&loop->uv, &loop->wake, on_wake) != 0)
        base_abort("event loop: no descriptors or memory left");
    (void)uv_prepare_init(&loop->uv, &loop->turn_end);
    list_init(&loop->armed);
    loop->uv.data = loop;
    loop->wake.data = loop;
    loop->turn_end.data = loop;
    uv_unref((uv_handle_t *)&loop->wake); /* waiting for posts alone keeps no loop running */
    return loop;
}

void io_loop_destroy(struct io_loop *loop)
{
    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->turn_end, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* close callbacks only */
    int closed = uv_loop_close(&loop->uv);
    assert(closed == 0); /* else somebody forgot to destroy a handle */
    bool stop = false;
    free_posts(take_posts(loop, &stop));
    uv_mutex_destroy(&loop->posts_lock);
    mem_free(loop);
}

void io_loop_run(struct io_loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void io_loop_stop(struct io_loop *loop)
{
    uv_mutex_lock(&loop->posts_lock);
    loop->stop_wanted = true;
    uv_mutex_unlock(&loop->posts_lock);
    (void)uv_async_send(&loop->wake);
}

int64_t io_loop_now_us(const struct io_loop *loop)
{
    return (int64_t)uv_now(&loop->uv) * CLOCK_MS;
}

void io_loop_post(struct io_loop *loop, io_fn *fn, void *owner)
{
    struct post *p = mem_new(struct post);
    *p = (struct post){ .fn = fn, .owner = owner };
    uv_mutex_lock(&loop->posts_lock);
    *loop->posts_end = p;
    loop->posts_end = &p->next;
    uv_mutex_unlock(&loop->posts_lock);
    (void)uv_async_send(&loop->wake);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

void io_close_and_free(uv_handle_t *handle)
{
    uv_close(handle, on_closed);
}

struct io_turn *io_turn_create(struct io_loop *loop, io_fn *fn, void *owner)
{
    struct io_turn *turn = mem_new(struct io_turn);
    *turn = (struct io_turn){ .loop = loop, .fn = fn, .owner = owner };
    list_init(&turn->node);
    return turn;
}

void io_turn_arm(struct io_turn *turn)
{
    if (!list_is_empty(&turn->node))
        return;
    if (list_is_empty(&turn->loop->armed))
        (void)uv_prepare_start(&turn->loop->turn_end, on_turn_end);
    list_push(&turn->loop->armed, &turn->node);
}

void io_turn_destroy(struct io_turn *turn)
{
    if (!turn)
        return;
    list_remove(&turn->node);
    mem_free(turn);
}
