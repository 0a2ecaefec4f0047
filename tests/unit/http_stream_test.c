#include "http/server.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/http_fixture.h"
#include "test.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

enum { PIECE_BYTES = 8 * 1024, PIECES = 1024 };

/* The one stream of a test; the handlers run on the server's thread. */
static struct {
    struct http_request *request;
    atomic_int is_open, closed;
    int written;
} stream;

static void closed(void *owner)
{
    (void)owner;
    stream.closed++;
    assert(!http_stream_write(stream.request, STR("nobody reads this")));
}

static void open_stream(void *owner, struct http_request *r)
{
    (void)owner;
    stream.request = r;
    http_stream_start(r, 200, STR("Content-Type: text/event-stream\r\n"),
                      &(struct http_stream_events){ .on_closed = closed }, NULL);
    stream.is_open = true;
}

static void write_two(void *owner)
{
    (void)owner;
    assert(http_stream_write(stream.request, STR("data: 1\n\n")));
    assert(http_stream_write(stream.request, STR("")));
    assert(http_stream_write(stream.request, STR("data: 22\n\n")));
}

static void end_stream(void *owner)
{
    (void)owner;
    http_stream_end(stream.request);
}

/* Writes piece by piece, each when the last has left; "export" of what would not fit in memory. */
static void write_next(void *owner)
{
    (void)owner;
    static char piece[PIECE_BYTES];
    while (http_stream_unsent(stream.request) == 0) {
        if (stream.written == PIECES) {
            http_stream_end(stream.request);
            return;
        }
        memset(piece, 'a' + stream.written++ % 26, sizeof piece);
        (void)http_stream_write(stream.request, str_of(piece, sizeof piece));
    }
}

static void export_all(void *owner, struct http_request *r)
{
    (void)owner;
    stream.request = r;
    stream.written = 0;
    http_stream_start(r, 200, HTTP_TEXT, &(struct http_stream_events){ .on_drained = write_next },
                      NULL);
    write_next(NULL);
}

static void flood(void *owner)
{
    static char piece[PIECE_BYTES];
    bool *ret_was_refused = owner;
    for (int i = 0; i < 64 * PIECES && !*ret_was_refused; i++)
        *ret_was_refused = !http_stream_write(stream.request, str_of(piece, sizeof piece));
}

static void keep(void *owner, struct http_request *r)
{
    (void)owner;
    stream.request = r;
}

static void open_late(void *owner)
{
    assert(!http_is_cancelled(stream.request));
    open_stream(owner, stream.request);
    assert(http_is_cancelled(stream.request));
    assert(!http_stream_write(stream.request, STR("nobody reads this")));
    http_stream_end(stream.request);
}

static void hello(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 200, HTTP_TEXT, STR("hello"));
}

static const struct http_route routes[] = {
    { .path = "/stream", .methods = HTTP_METHOD_GET, .fn = open_stream },
    { .path = "/export", .methods = HTTP_METHOD_GET, .fn = export_all },
    { .path = "/late", .methods = HTTP_METHOD_GET, .fn = keep },
    { .path = "/hello", .methods = HTTP_METHOD_GET, .fn = hello },
};

static void start(struct http_fixture *f)
{
    stream.is_open = stream.closed = 0;
    stream.written = 0;
    fixture_start(f,
                  &(struct http_server_options){ .limits = HTTP_LIMITS_DEFAULT,
                                                 .routes = routes,
                                                 .route_count = countof(routes) },
                  NULL);
}

static void await_stream(void)
{
    while (!stream.is_open)
        usleep(1000);
}

/* Reads exactly what is expected, so that a byte too many stays for the next. */
static void expect_bytes(int fd, const char *expected)
{
    char got[1024];
    size_t len = strlen(expected);
    assert_true(len < sizeof got);
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(fd, got + at, len - at, 0);
        assert_true(n > 0);
        at += (size_t)n;
    }
    assert_str(str_of(got, len), expected);
}

static struct client_answer answer;

static void pieces_come_as_chunks_while_the_stream_is_open(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/stream") GET("/hello"));
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_str(client_field(&answer, "transfer-encoding"), "chunked");
    assert_null(client_field(&answer, "content-length").ptr);
    await_stream();
    fixture_call(&f, write_two, NULL);
    expect_bytes(fd, "9\r\ndata: 1\n\n\r\na\r\ndata: 22\n\n\r\n");
    fixture_call(&f, write_two, NULL);
    fixture_call(&f, end_stream, NULL);
    expect_bytes(fd, "9\r\ndata: 1\n\n\r\na\r\ndata: 22\n\n\r\n0\r\n\r\n");
    client_read(fd, true, &answer); /* the request behind it has waited */
    assert_str(answer.body, "hello");
    assert_int_equal(stream.closed, 0);
    close(fd);
    fixture_stop(&f);
}

static void http10_streams_until_the_end_of_the_connection(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf got;
    start(&f);
    buf_init(&got, 0);
    int fd = client_connect(&f);
    client_send_c(fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    await_stream();
    fixture_call(&f, write_two, NULL);
    fixture_call(&f, end_stream, NULL);
    client_read_all(fd, &got);
    assert_true(str_find(buf_str(&got), STR("chunked")) < 0);
    assert_true(str_find(buf_str(&got), STR("Connection: close\r\n")) > 0);
    assert_true(str_ends_with(buf_str(&got), STR("\r\n\r\ndata: 1\n\ndata: 22\n\n")));
    close(fd);
    buf_clear(&got);
    fixture_stop(&f);
}

static void a_stream_for_head_has_no_body(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f);
    int fd = client_connect(&f);
    client_send_c(fd, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"));
    await_stream();
    fixture_call(&f, write_two, NULL);
    fixture_call(&f, end_stream, NULL);
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    client_read(fd, true, &answer);
    assert_str(answer.body, "hello");
    close(fd);
    fixture_stop(&f);
}

static bool has_none_open(const struct http_stats *stats)
{
    return stats->connections_open == 0;
}

static void the_producer_is_told_when_the_client_goes(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/stream"));
    await_stream();
    close(fd);
    while (stream.closed == 0)
        usleep(1000);
    fixture_call(&f, end_stream, NULL);
    fixture_await(&f, has_none_open);
    struct http_stats stats = fixture_stats(&f);
    assert_int_equal(stats.requests_running, 0);
    assert_int_equal(stats.cancelled, 1);
    assert_int_equal(stream.closed, 1);
    fixture_stop(&f);
}

static void nothing_follows_a_stream_that_its_client_ended(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf got;
    start(&f);
    buf_init(&got, 0);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hello") GET("/stream") GET("/hello"));
    client_read(fd, true, &answer);
    assert_str(answer.body, "hello");
    shutdown(fd, SHUT_WR);
    while (stream.closed == 0)
        usleep(1000);
    fixture_call(&f, end_stream, NULL);
    client_read_all(fd, &got);
    assert_true(str_find(buf_str(&got), STR("hello")) < 0);
    assert_true(str_find(buf_str(&got), STR("0\r\n\r\n")) < 0); /* cut off, and seen to be */
    close(fd);
    buf_clear(&got);
    fixture_stop(&f);
}

static void a_stream_that_begins_after_its_clients_end_is_closed(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f);
    int fd = client_connect(&f), other = client_connect(&f);
    client_send_c(fd, GET("/late"));
    shutdown(fd, SHUT_WR);
    client_send_c(other, GET("/hello"));
    client_read(other, true, &answer); /* so the end, sent before it, has been seen */
    fixture_call(&f, open_late, NULL);
    assert_int_equal(stream.closed, 0);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    close(other);
    fixture_stop(&f);
}

static void a_consumer_that_does_not_read_is_closed(void **state)
{
    (void)state;
    struct http_fixture f;
    bool was_refused = false;
    start(&f);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/stream"));
    await_stream();
    fixture_call(&f, flood, &was_refused);
    assert_true(was_refused);
    while (stream.closed == 0)
        usleep(1000);
    fixture_await(&f, has_none_open);
    assert_int_equal(fixture_stats(&f).slow_consumers, 1);
    assert_int_equal(fixture_stats(&f).requests_running, 1); /* until its owner ends it */
    fixture_call(&f, end_stream, NULL);
    assert_int_equal(fixture_stats(&f).requests_running, 0);
    close(fd);
    fixture_stop(&f);
}

static void a_producer_goes_at_the_pace_of_its_consumer(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf got;
    start(&f);
    buf_init(&got, 0);
    int fd = client_connect(&f), other = client_connect(&f);
    client_send_c(fd, "GET /export HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_send_c(other, GET("/hello"));
    client_read(other, true, &answer); /* while the export waits for its reader */
    assert_str(answer.body, "hello");
    client_read_all(fd, &got);
    struct str rest = str_from(buf_str(&got), (size_t)str_find(buf_str(&got), STR("\r\n\r\n")) + 4);
    for (int i = 0; i < PIECES; i++) {
        assert_true(str_starts_with(rest, STR("2000\r\n")));
        assert_int_equal(rest.ptr[6], 'a' + i % 26);
        assert_int_equal(rest.ptr[6 + PIECE_BYTES - 1], 'a' + i % 26);
        rest = str_from(rest, 6 + PIECE_BYTES + 2);
    }
    assert_str(rest, "0\r\n\r\n");
    close(fd);
    close(other);
    buf_clear(&got);
    fixture_stop(&f);
}

static void destroy_server(void *owner)
{
    struct http_fixture *f = owner;
    http_server_destroy(take(f->server));
}

static void a_stream_may_end_after_its_server(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/stream"));
    await_stream();
    fixture_call(&f, destroy_server, &f);
    assert_int_equal(stream.closed, 1);
    fixture_call(&f, end_stream, NULL);
    close(fd);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_as_chunks_while_the_stream_is_open),
        cmocka_unit_test(http10_streams_until_the_end_of_the_connection),
        cmocka_unit_test(a_stream_for_head_has_no_body),
        cmocka_unit_test(the_producer_is_told_when_the_client_goes),
        cmocka_unit_test(nothing_follows_a_stream_that_its_client_ended),
        cmocka_unit_test(a_stream_that_begins_after_its_clients_end_is_closed),
        cmocka_unit_test(a_consumer_that_does_not_read_is_closed),
        cmocka_unit_test(a_producer_goes_at_the_pace_of_its_consumer),
        cmocka_unit_test(a_stream_may_end_after_its_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
