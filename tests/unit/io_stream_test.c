#include "io/stream.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/poll.h"
#include "io/timer.h"
#include "test.h"

/* An echo server on a unix socket and a client on the same loop. */
struct echo {
    struct io_loop *loop;
    struct io_listener *listener;
    struct io_stream *stream;
    struct io_timer *guard;
    struct io_poll *poll;
    int client_fd;
    size_t wanted, sent;
    struct buf got;
    bool has_ended;
};

enum { ECHO_BYTES = 4 * 1024 * 1024, GUARD_MS = 20000 };

static void echo_data(void *owner, struct str bytes)
{
    struct echo *t = owner;
    io_stream_write(t->stream, &bytes, 1);
}

static void echo_end(void *owner, bool is_broken)
{
    struct echo *t = owner;
    assert_false(is_broken);
    t->has_ended = true;
    io_stream_finish(t->stream);
}

static void echo_accept(void *owner, struct io_stream *stream)
{
    struct echo *t = owner;
    t->stream = stream;
    assert_string_equal(io_stream_peer(stream), "unix");
    io_stream_start(stream, &(struct io_stream_events){ .on_data = echo_data, .on_end = echo_end },
                    t);
}

static void client_ready(void *owner, int events)
{
    struct echo *t = owner;
    static char chunk[64 * 1024];
    if (events & IO_WRITABLE && t->sent < t->wanted) {
        for (size_t i = 0; i < sizeof chunk; i++)
            chunk[i] = (char)((t->sent + i) * 31 >> 3);
        ssize_t n = write(t->client_fd, chunk, min_of(sizeof chunk, t->wanted - t->sent));
        t->sent += n > 0 ? (size_t)n : 0;
        if (t->sent == t->wanted)
            shutdown(t->client_fd, SHUT_WR);
    }
    if (events & IO_READABLE) {
        ssize_t n = read(t->client_fd, chunk, sizeof chunk);
        if (n > 0)
            buf_put(&t->got, chunk, (size_t)n);
        if (n == 0)
            io_loop_stop(t->loop);
    }
    /* The client does not read while it sends: the server must keep what it cannot hand over. */
    io_poll_set(t->poll, t->sent < t->wanted ? IO_WRITABLE : IO_READABLE);
}

static void guard_hit(void *owner)
{
    (void)owner;
    fail_msg("%s", "the loop hangs");
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void keeps_what_a_slow_reader_does_not_take(void **state)
{
    (void)state;
    char path[64], address[80];
    struct err e;
    int fd = -1;
    snprintf(path, sizeof path, "/tmp/windlass-io-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    struct echo t = { .loop = io_loop_create(), .wanted = ECHO_BYTES };
    buf_init(&t.got, 0);
    assert_true(io_listen_open(str_of_c(address), false, &fd, &e));
    assert_true(io_listener_create(t.loop, fd, echo_accept, &t, &t.listener, &e));
    t.client_fd = connect_unix(path);
    assert_true(io_poll_create(t.loop, t.client_fd, client_ready, &t, &t.poll, &e));
    io_poll_set(t.poll, IO_WRITABLE);
    t.guard = io_timer_create(t.loop, guard_hit, NULL);
    io_timer_start(t.guard, GUARD_MS);
    io_loop_run(t.loop);
    assert_true(t.has_ended);
    assert_int_equal(t.got.len, ECHO_BYTES);
    for (size_t i = 0; i < t.got.len; i += 997)
        assert_int_equal(t.got.ptr[i], (char)(i * 31 >> 3));
    io_poll_destroy(t.poll);
    close(t.client_fd);
    io_stream_destroy(t.stream);
    io_listener_destroy(t.listener);
    io_timer_destroy(t.guard);
    io_loop_destroy(t.loop);
    buf_clear(&t.got);
    unlink(path);
}

static void replaces_a_stale_socket_and_only_that(void **state)
{
    (void)state;
    char path[64], address[80];
    struct err e;
    int first = -1, second = -1;
    snprintf(path, sizeof path, "/tmp/windlass-io-stale-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    assert_true(io_listen_open(str_of_c(address), false, &first, &e));
    assert_false(io_listen_open(str_of_c(address), false, &second, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    close(first); /* its file stays, as after a crash */
    assert_true(io_listen_open(str_of_c(address), false, &second, &e));
    close(second);
    unlink(path);
}

static void names_what_is_wrong_with_an_address(void **state)
{
    (void)state;
    static const char *const bad[] = { "",           "8080",        ":8080",         "127.0.0.1",
                                       "127.0.0.1:", "[::1]:99999", "127.0.0.1:+80", "unix:" };
    struct err e;
    int fd = -1;
    for (size_t i = 0; i < countof(bad); i++) {
        assert_false(io_listen_open(str_of_c(bad[i]), false, &fd, &e));
        assert_int_equal(e.code, ERR_INVALID);
    }
    char path[256] = "unix:/tmp/";
    memset(path + 10, 'x', 120);
    assert_false(io_listen_open(str_of_c(path), false, &fd, &e));
    assert_non_null(strstr(e.message, "socket path is 125 bytes, it may be 1 to 107"));
}

static void a_taken_port_is_a_conflict(void **state)
{
    (void)state;
    struct err e;
    int first = -1, second = -1;
    char name[IO_ADDRESS_MAX];
    assert_true(io_listen_open(STR("127.0.0.1:0"), false, &first, &e));
    io_listen_name(first, name);
    assert_false(io_listen_open(str_of_c(name), false, &second, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    close(first);
    assert_true(io_listen_open(str_of_c(name), true, &first, &e));
    assert_true(io_listen_open(str_of_c(name), true, &second, &e));
    close(first);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_a_slow_reader_does_not_take),
        cmocka_unit_test(replaces_a_stale_socket_and_only_that),
        cmocka_unit_test(names_what_is_wrong_with_an_address),
        cmocka_unit_test(a_taken_port_is_a_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
