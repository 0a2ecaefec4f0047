#include "support/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit/test.h"

enum { GUARD_S = 20, LOOK_EVERY_US = 1000 };

/* ---- The server ---- */

static void keep(void *owner)
{
    (void)owner;
}

static int run(void *owner)
{
    struct http_fixture *f = owner;
    io_loop_run(f->loop);
    return 0;
}

void fixture_start(struct http_fixture *f, const struct http_server_options *options,
                   const char *listen_address)
{
    struct err e = { 0 };
    int fd = -1;
    f->loop = io_loop_create();
    f->keeper = io_timer_create(f->loop, keep, f);
    io_timer_repeat(f->keeper, GUARD_S * 1000);
    f->server = http_server_create(f->loop, options);
    if (!io_listen_open(str_of_c(listen_address ? listen_address : "127.0.0.1:0"), false, &fd, &e))
        fail_msg("%s", err_text(&e));
    io_listen_name(fd, f->address);
    if (!http_server_listen(f->server, fd, &e))
        fail_msg("%s", err_text(&e));
    assert_int_equal(thrd_create(&f->thread, run, f), thrd_success);
}

static void stop(void *owner)
{
    struct http_fixture *f = owner;
    http_server_destroy(take(f->server));
    io_timer_destroy(f->keeper);
    io_loop_stop(f->loop);
}

void fixture_stop(struct http_fixture *f)
{
    io_loop_post(f->loop, stop, f);
    thrd_join(f->thread, NULL);
    io_loop_destroy(f->loop);
}

struct call {
    io_fn *fn;
    void *owner;
    mtx_t lock;
    cnd_t done;
    bool is_done;
};

static void run_call(void *owner)
{
    struct call *call = owner;
    call->fn(call->owner);
    mtx_lock(&call->lock);
    call->is_done = true;
    cnd_signal(&call->done);
    mtx_unlock(&call->lock);
}

void fixture_call(struct http_fixture *f, io_fn *fn, void *owner)
{
    struct call call = { .fn = fn, .owner = owner };
    mtx_init(&call.lock, mtx_plain);
    cnd_init(&call.done);
    io_loop_post(f->loop, run_call, &call);
    mtx_lock(&call.lock);
    while (!call.is_done)
        cnd_wait(&call.done, &call.lock);
    mtx_unlock(&call.lock);
    cnd_destroy(&call.done);
    mtx_destroy(&call.lock);
}

struct look {
    struct http_fixture *f;
    struct http_stats stats;
};

static void copy_stats(void *owner)
{
    struct look *look = owner;
    look->stats = *http_server_stats(look->f->server);
}

struct http_stats fixture_stats(struct http_fixture *f)
{
    struct look look = { .f = f };
    fixture_call(f, copy_stats, &look);
    return look.stats;
}

void fixture_await(struct http_fixture *f, fixture_stats_fn *is_so)
{
    for (int i = 0; i < GUARD_S * 1'000'000 / LOOK_EVERY_US; i++) {
        struct http_stats stats = fixture_stats(f);
        if (is_so(&stats))
            return;
        usleep(LOOK_EVERY_US);
    }
    fail_msg("%s", "the server's statistics do not become what they should");
}

/* ---- The client ---- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int connect_tcp(const char *name)
{
    struct str host, port;
    uint64_t number = 0;
    int on = 1;
    assert_true(str_cut(str_of_c(name), ':', &host, &port) && str_to_u64(port, &number));
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int client_connect(const struct http_fixture *f)
{
    struct str unix_prefix = STR("unix:");
    int fd = str_starts_with(str_of_c(f->address), unix_prefix)
                 ? connect_unix(f->address + unix_prefix.len)
                 : connect_tcp(f->address);
    struct timeval guard = { .tv_sec = GUARD_S };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof guard);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &guard, sizeof guard);
    return fd;
}

void client_send(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        if (sent < 0)
            fail_msg("send: %s", strerror(errno));
        bytes = str_from(bytes, (size_t)sent);
    }
}

/* 0 at the end; a reset counts as one only where the caller says so. */
static size_t receive(int fd, void *bytes, size_t size)
{
    ssize_t got = recv(fd, bytes, size, 0);
    if (got < 0)
        fail_msg("recv: %s", strerror(errno));
    return (size_t)got;
}

struct str client_field(const struct client_answer *answer, const char *name)
{
    struct str rest = answer->head, line, key, value;
    while (str_cut(rest, '\n', &line, &rest))
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(key, str_of_c(name)))
            return str_trim(value);
    return (struct str){ 0 };
}

void client_read(int fd, bool has_body, struct client_answer *answer)
{
    size_t len = 0;
    uint64_t body_len = 0;
    *answer = (struct client_answer){ 0 };
    while (len < 4 || memcmp(answer->bytes + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < sizeof answer->bytes);
        if (receive(fd, answer->bytes + len, 1) == 0)
            fail_msg("the connection ended within a head: \"%.*s\"", (int)len, answer->bytes);
        len++;
    }
    answer->head = str_of(answer->bytes, len);
    answer->status = client_last_status(answer->head);
    struct str length = client_field(answer, "Content-Length");
    if (!has_body || !length.ptr)
        return;
    assert_true(str_to_u64(length, &body_len) && len + body_len <= sizeof answer->bytes);
    for (size_t got = 0; got < body_len;) {
        size_t more = receive(fd, answer->bytes + len + got, body_len - got);
        if (more == 0)
            fail_msg("%s", "the connection ended within a body");
        got += more;
    }
    answer->body = str_of(answer->bytes + len, body_len);
}

void client_read_all(int fd, struct buf *ret_text)
{
    enum { PIECE = 64 * 1024 };
    buf_reset(ret_text);
    for (size_t got = 1; got > 0;) {
        char *at = buf_reserve(ret_text, PIECE);
        got = receive(fd, at, PIECE);
        buf_advance(ret_text, got);
    }
}

int client_last_status(struct str text)
{
    struct str start = STR("HTTP/1.1 ");
    uint64_t status = 0;
    for (ptrdiff_t at; (at = str_find(text, start)) >= 0;) {
        text = str_from(text, (size_t)at + start.len);
        (void)str_to_u64(str_first(text, 3), &status);
    }
    return (int)status;
}

bool client_is_closed(int fd)
{
    char byte = 0;
    return receive(fd, &byte, 1) == 0;
}
