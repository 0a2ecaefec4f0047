#include "io/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop_priv.h"

/* What both kinds of socket share comes first, as libuv lays its handles out. */
union socket_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct io_listener {
    union socket_handle uv;
    struct io_loop *loop;
    io_accept_fn *fn;
    void *owner;
};

struct io_stream {
    union socket_handle uv;
    struct io_stream_events events;
    void *owner;
    uv_shutdown_t shutdown;
    bool has_ended, is_broken; /* what on_end was told */
    char peer[INET6_ADDRSTRLEN];
};

struct pending_write {
    uv_write_t uv;
    char bytes[];
};

static void init_socket(struct io_loop *loop, union socket_handle *socket, bool is_unix)
{
    int failed =
        is_unix ? uv_pipe_init(&loop->uv, &socket->pipe, 0) : uv_tcp_init(&loop->uv, &socket->tcp);
    assert(failed == 0); /* neither opens a descriptor yet */
}

static void name_peer(struct io_stream *s)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    snprintf(s->peer, sizeof s->peer, "unix");
    if (s->uv.handle.type != UV_TCP ||
        uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&address, &len) != 0)
        return;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    if (address.ss_family == AF_INET)
        (void)uv_ip4_name((const struct sockaddr_in *)&address, s->peer, sizeof s->peer);
    else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        (void)uv_inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], s->peer, sizeof s->peer);
    else
        (void)uv_ip6_name(v6, s->peer, sizeof s->peer);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct io_listener *listener = (struct io_listener *)server;
    if (status < 0)
        return; /* out of descriptors, or the peer has gone: libuv goes on with the next */
    struct io_stream *s = mem_new(struct io_stream);
    bool is_unix = server->type == UV_NAMED_PIPE;
    init_socket(listener->loop, &s->uv, is_unix);
    if (uv_accept(server, &s->uv.stream) != 0) {
        io_close_and_free(&s->uv.handle);
        return;
    }
    if (!is_unix)
        (void)uv_tcp_nodelay(&s->uv.tcp, 1);
    name_peer(s);
    listener->fn(listener->owner, s);
}

static bool is_unix_socket(int fd)
{
    int family = 0;
    socklen_t len = sizeof family;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_UNIX;
}

bool io_listener_create(struct io_loop *loop, int fd, io_accept_fn *fn, void *owner,
                        struct io_listener **ret_listener, struct err *e)
{
    enum { BACKLOG = 1024 };
    struct io_listener *listener = mem_new(struct io_listener);
    *listener = (struct io_listener){ .loop = loop, .fn = fn, .owner = owner };
    bool is_unix = is_unix_socket(fd);
    init_socket(loop, &listener->uv, is_unix);
    int failed =
        is_unix ? uv_pipe_open(&listener->uv.pipe, fd) : uv_tcp_open(&listener->uv.tcp, fd);
    if (failed)
        close(fd);
    else
        failed = uv_listen(&listener->uv.stream, BACKLOG, on_connection);
    if (failed) {
        io_close_and_free(&listener->uv.handle);
        return err_set(e, ERR_INTERNAL, "cannot accept on descriptor %d: %s", fd,
                       uv_strerror(failed));
    }
    *ret_listener = listener;
    return true;
}

void io_listener_destroy(struct io_listener *listener)
{
    if (listener)
        io_close_and_free(&listener->uv.handle);
}

/* One buffer a thread is enough: on_data has read its bytes when it returns. */
static void give_read_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    enum { READ_BYTES = 64 * 1024 };
    static thread_local char bytes[READ_BYTES];
    (void)handle;
    (void)suggested;
    *ret_buf = uv_buf_init(bytes, sizeof bytes);
}

static void tell_end(struct io_stream *s, bool is_broken)
{
    if (s->is_broken || (s->has_ended && !is_broken) || uv_is_closing(&s->uv.handle))
        return;
    s->has_ended = true;
    s->is_broken = is_broken;
    (void)uv_read_stop(&s->uv.stream);
    s->events.on_end(s->owner, is_broken);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct io_stream *s = (struct io_stream *)stream;
    if (got > 0)
        s->events.on_data(s->owner, str_of(buf->base, (size_t)got));
    else if (got < 0)
        tell_end(s, got != UV_EOF);
}

void io_stream_start(struct io_stream *s, const struct io_stream_events *events, void *owner)
{
    s->events = *events;
    s->owner = owner;
    io_stream_resume(s);
}

void io_stream_pause(struct io_stream *s)
{
    (void)uv_read_stop(&s->uv.stream);
}

void io_stream_resume(struct io_stream *s)
{
    if (!s->has_ended)
        (void)uv_read_start(&s->uv.stream, give_read_buffer, on_read);
}

static void on_written(uv_write_t *uv, int status)
{
    struct io_stream *s = (struct io_stream *)uv->handle;
    mem_free(container_of(uv, struct pending_write, uv));
    if (uv_is_closing(&s->uv.handle))
        return;
    if (status < 0)
        tell_end(s, true);
    else if (uv_stream_get_write_queue_size(&s->uv.stream) == 0 && s->events.on_drained)
        s->events.on_drained(s->owner);
}

/* Copies what the kernel did not take, from byte `skip` of the parts on. */
static void write_later(struct io_stream *s, const struct str *parts, size_t count, size_t skip,
                        size_t total)
{
    struct pending_write *write = mem_alloc(sizeof *write + (total - skip));
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t passed = min_of(skip, parts[i].len);
        skip -= passed;
        if (parts[i].len > passed)
            memcpy(write->bytes + at, parts[i].ptr + passed, parts[i].len - passed);
        at += parts[i].len - passed;
    }
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)at);
    if (uv_write(&write->uv, &s->uv.stream, &buf, 1, on_written) != 0)
        mem_free(write); /* the read side tells of the broken connection */
}

void io_stream_write(struct io_stream *s, const struct str *parts, size_t count)
{
    enum { PARTS_MAX = 16 };
    uv_buf_t bufs[PARTS_MAX];
    size_t total = 0;
    assert(count <= PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        char *base = NULL; /* libuv's type lacks the const that it keeps */
        memcpy(&base, &parts[i].ptr, sizeof base);
        bufs[i] = uv_buf_init(base, (unsigned)parts[i].len);
        total += parts[i].len;
    }
    assert(total <= UINT32_MAX);
    if (total == 0)
        return;
    int sent = uv_try_write(&s->uv.stream, bufs, (unsigned)count);
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (taken < total)
        write_later(s, parts, count, taken, total);
}

size_t io_stream_unsent(const struct io_stream *s)
{
    return uv_stream_get_write_queue_size(&s->uv.stream);
}

void io_stream_finish(struct io_stream *s)
{
    if (!s->shutdown.handle)
        (void)uv_shutdown(&s->shutdown, &s->uv.stream, NULL);
}

const char *io_stream_peer(const struct io_stream *s)
{
    return s->peer;
}

void io_stream_destroy(struct io_stream *s)
{
    if (s)
        io_close_and_free(&s->uv.handle);
}
