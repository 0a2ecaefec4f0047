#include "http/websocket.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/handshake.h"
#include "support/http_fixture.h"
#include "support/websocket_client.h"
#include "test.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define ASK "GET /socket HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"

/* The one socket of a test; the callbacks run on the server's thread. */
static struct {
    struct http_websocket *socket;
    atomic_int open, closed; /* how often; `code` is the last */
    atomic_uint code;
    bool wants_drain;
    atomic_int drains;
} seen;

/* Says everything back; "big" is answered with more than may wait, "end" with a close. */
static void on_message(void *owner, struct str text, bool is_binary)
{
    static char big[64 * 1024];
    (void)owner;
    memset(big, 'b', sizeof big);
    if (str_eq_c(text, "end")) {
        http_websocket_close(seen.socket, 4400, STR("as you wish"));
        http_websocket_close(seen.socket, 4401, STR("the first one counts"));
        http_websocket_send(seen.socket, STR("never sent"));
    } else if (str_eq_c(text, "big")) {
        for (int i = 0; i < 1024; i++)
            http_websocket_send(seen.socket, str_of(big, sizeof big));
    } else {
        http_websocket_send(seen.socket, is_binary ? STR("binary") : text);
    }
}

static void on_closed(void *owner, unsigned code)
{
    (void)owner;
    seen.socket = NULL;
    seen.code = code;
    seen.closed++;
}

static void on_drain(void *owner)
{
    (void)owner;
    seen.drains++;
    if (!seen.wants_drain)
        http_websocket_close(seen.socket, CLOSE_GOING_AWAY, STR("stopping"));
}

static void accept_socket(void *owner, struct http_request *r)
{
    static const struct http_websocket_events events = { .on_message = on_message,
                                                         .on_drain = on_drain,
                                                         .on_closed = on_closed };
    static const struct str protocols[] = { { "chat", 4 }, { "graph", 5 } };
    int protocol;
    (void)owner;
    seen.socket = http_websocket_accept(r, protocols, countof(protocols), &events, NULL, &protocol);
    if (!seen.socket)
        return;
    seen.open++;
    if (protocol == 1)
        http_websocket_send(seen.socket, STR("welcome"));
}

static struct http_request *held; /* of GET /held */

static void hold(void *owner, struct http_request *r)
{
    (void)owner;
    held = r;
}

static void answer_held(void *owner)
{
    (void)owner;
    http_respond(take(held), 200, HTTP_TEXT, STR("late"));
}

static const struct http_route routes[] = {
    { .path = "/socket", .methods = HTTP_METHOD_GET | HTTP_METHOD_POST, .fn = accept_socket },
    { .path = "/held", .methods = HTTP_METHOD_GET, .fn = hold },
};

static void start(struct http_fixture *f, const struct http_limits *limits)
{
    const struct http_server_options options = { .limits = limits ? *limits : HTTP_LIMITS_DEFAULT,
                                                 .routes = routes,
                                                 .route_count = countof(routes) };
    seen.open = seen.closed = seen.drains = 0;
    seen.code = 0;
    seen.socket = NULL;
    seen.wants_drain = false;
    fixture_start(f, &options, NULL);
}

/* ---- The client ---- */

/* Reads to the end of a head, and not a byte more. */
static void read_head(int fd, struct buf *ret_head)
{
    char byte;
    buf_reset(ret_head);
    while (!str_ends_with(buf_str(ret_head), STR("\r\n\r\n"))) {
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        buf_put_char(ret_head, byte);
    }
}

static int open_socket(struct http_fixture *f)
{
    struct buf head = { 0 };
    int fd = client_connect(f);
    client_send_c(fd, ASK);
    read_head(fd, &head);
    assert_true(str_starts_with(buf_str(&head), STR("HTTP/1.1 101 Switching Protocols\r\n")));
    buf_clear(&head);
    return fd;
}

static void send_buf(int fd, struct buf *wire)
{
    client_send(fd, buf_str(wire));
    buf_clear(wire);
}

static void send_text(int fd, const char *text)
{
    struct buf wire = { 0 };
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, str_of_c(text));
    send_buf(fd, &wire);
}

static void read_bytes(int fd, void *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (char *)bytes + got, len - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

/* One frame of the server's, as "1:text" or "8:4400 reason". */
static void expect(int fd, const char *expected)
{
    unsigned char head[2], more[8] = { 0 };
    static char payload[1 << 20], text[1 << 20];
    read_bytes(fd, head, 2);
    assert_int_equal(head[0] & 0xf0, 0x80);
    size_t len = head[1];
    assert_true(len <= 127); /* not masked */
    size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    read_bytes(fd, more, extra);
    for (size_t i = 0; i < extra; i++)
        len = (i ? len << 8 : 0) | more[i];
    assert_true(len < sizeof payload);
    read_bytes(fd, payload, len);
    if ((head[0] & 15) == FRAMES_CLOSE && len >= 2)
        snprintf(text, sizeof text, "8:%u %.*s",
                 (unsigned)((unsigned char)payload[0] << 8 | (unsigned char)payload[1]),
                 (int)len - 2, payload + 2);
    else
        snprintf(text, sizeof text, "%d:%.*s", head[0] & 15, (int)len, payload);
    if (expected)
        assert_string_equal(text, expected);
}

static bool are_none_open(const struct http_stats *stats)
{
    return stats->connections_open == 0;
}

static void expect_closed(struct http_fixture *f, int fd, unsigned code)
{
    fixture_await(f, are_none_open);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.code, code);
    assert_int_equal(fixture_stats(f).websockets_open, 0);
    assert_int_equal(fixture_stats(f).websockets_closed[http_closed_index(code)], 1);
    close(fd);
}

/* ---- The handshake ---- */

/* spec: RFC 6455, 1.3, 4.2 */
static void accepts_with_the_protocol_that_both_speak(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf head = { 0 };
    start(&f, NULL);
    int fd = client_connect(&f);
    client_send_c(fd, "GET /socket HTTP/1.1\r\n" UPGRADE KEY VERSION
                      "Sec-WebSocket-Protocol: other, graph\r\n"
                      "Sec-WebSocket-Protocol: chat\r\n"
                      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    read_head(fd, &head);
    struct str text = buf_str(&head);
    assert_true(str_find(text, STR("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")) > 0);
    assert_true(str_find(text, STR("Sec-WebSocket-Protocol: graph\r\n")) > 0);
    assert_true(str_find(text, STR("Upgrade: websocket\r\nConnection: Upgrade\r\n")) > 0);
    assert_true(str_find(text, STR("Extensions")) < 0);
    assert_true(str_find(text, STR("Content-Length")) < 0);
    expect(fd, "1:welcome");
    close(fd);
    buf_clear(&head);
    fixture_stop(&f);
}

static void refuses_what_is_no_handshake(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        { "GET /socket HTTP/1.1\r\nHost: a\r\n\r\n", 426 },
        { "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" KEY VERSION "\r\n", 426 },
        { "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" KEY VERSION
          "\r\n",
          426 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE KEY "\r\n", 426 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE VERSION "\r\n", 400 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE KEY KEY VERSION "\r\n", 400 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE VERSION
          "Sec-WebSocket-Key: ????????????????????????\r\n\r\n",
          400 },
        { "POST /socket HTTP/1.1\r\n" UPGRADE KEY VERSION "Content-Length: 0\r\n\r\n", 400 },
        { "GET /socket HTTP/1.1\r\n" UPGRADE KEY VERSION "Content-Length: 1\r\n\r\nx", 400 },
        { "GET /socket HTTP/1.0\r\n" UPGRADE KEY VERSION "\r\n", 400 },
    };
    struct http_fixture f;
    start(&f, NULL);
    for (size_t i = 0; i < countof(cases); i++) {
        static struct client_answer answer;
        int fd = client_connect(&f);
        client_send_c(fd, cases[i].request);
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, cases[i].status);
        if (answer.status == 426)
            assert_true(str_eq_c(client_field(&answer, "Sec-WebSocket-Version"), "13"));
        close(fd);
    }
    assert_int_equal(seen.open, 0);
    fixture_stop(&f);
}

static void checks_keys(void **state)
{
    (void)state;
    assert_true(handshake_key_is_valid(STR("AAAAAAAAAAAAAAAAAAAA+w==")));
    assert_true(handshake_key_is_valid(STR("/AAAAAAAAAAAAAAAAAAA+w==")));
    assert_false(handshake_key_is_valid(STR("_AAAAAAAAAAAAAAAAAAA-w==")));
    assert_false(handshake_key_is_valid(STR("AAAAAAAAAAAAAAAAAAAAAAA=")));
    assert_false(handshake_key_is_valid(STR("")));
}

static void waits_for_earlier_answers_and_reads_what_came_early(void **state)
{
    (void)state;
    struct http_fixture f;
    static struct client_answer answer;
    struct buf head = { 0 }, wire = { 0 };
    start(&f, NULL);
    int fd = client_connect(&f);
    buf_put_c(&wire, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n" ASK);
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR("early"));
    send_buf(fd, &wire);
    while (!seen.open)
        usleep(1000);
    send_text(fd, "and more");
    fixture_call(&f, answer_held, NULL);
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    read_head(fd, &head);
    assert_true(str_starts_with(buf_str(&head), STR("HTTP/1.1 101 ")));
    expect(fd, "1:early");
    expect(fd, "1:and more");
    buf_clear(&head);
    close(fd);
    fixture_stop(&f);
}

static void tells_of_a_client_that_went_before_its_turn(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, NULL);
    int fd = client_connect(&f);
    client_send_c(fd, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n" ASK);
    while (!seen.open)
        usleep(1000);
    shutdown(fd, SHUT_WR);
    fixture_await(&f, are_none_open);
    while (!seen.closed)
        usleep(1000);
    assert_int_equal(seen.code, CLOSE_ABNORMAL);
    fixture_call(&f, answer_held, NULL);
    close(fd);
    fixture_stop(&f);
}

/* ---- Frames ---- */

static void answers_messages_split_anyhow(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf wire = { 0 };
    start(&f, NULL);
    int fd = open_socket(&f);
    put_masked(&wire, FRAMES_TEXT, STR("in "));
    put_masked(&wire, FRAME_FIN | FRAMES_PING, STR("?"));
    put_masked(&wire, FRAME_FIN, STR("two"));
    put_masked(&wire, FRAME_FIN | FRAMES_BINARY, STR("\xff"));
    for (size_t i = 0; i < wire.len; i++)
        client_send(fd, str_of(wire.ptr + i, 1));
    expect(fd, "10:?");
    expect(fd, "1:in two");
    expect(fd, "1:binary");
    buf_clear(&wire);
    assert_int_equal(fixture_stats(&f).messages_in, 2);
    assert_int_equal(fixture_stats(&f).messages_out, 2);
    close(fd);
    fixture_stop(&f);
}

/* spec: RFC 6455, 7.1 */
static void closes_as_the_client_asks(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf wire = { 0 };
    start(&f, NULL);
    int fd = open_socket(&f);
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE,
               STR("\x03\xe8"
                   "bye"));
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR("after the end"));
    send_buf(fd, &wire);
    expect(fd, "8:1000 ");
    assert_true(client_is_closed(fd));
    shutdown(fd, SHUT_WR);
    expect_closed(&f, fd, 1000);
    fixture_stop(&f);
}

static void closes_as_its_owner_asks(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf wire = { 0 };
    start(&f, NULL);
    int fd = open_socket(&f);
    send_text(fd, "end");
    send_text(fd, "not heard any more");
    expect(fd, "8:4400 as you wish");
    put_masked(&wire, FRAME_FIN | FRAMES_PING, STR("not answered any more"));
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, STR("\x11\x30"));
    send_buf(fd, &wire);
    assert_true(client_is_closed(fd));
    shutdown(fd, SHUT_WR);
    expect_closed(&f, fd, 4400);
    assert_int_equal(fixture_stats(&f).messages_in, 1);
    fixture_stop(&f);
}

static void fails_the_connection_of_bad_frames(void **state)
{
    (void)state;
    static const struct {
        unsigned first;
        const char *payload;
        bool is_unmasked;
        unsigned code;
    } cases[] = {
        { FRAME_FIN | FRAMES_TEXT, "unmasked", true, 1002 },
        { FRAME_FIN | FRAME_RSV1 | FRAMES_TEXT, "x", false, 1002 },
        { FRAME_FIN | 5, "x", false, 1002 },
        { FRAME_FIN | FRAMES_TEXT, "\xff", false, 1007 },
        { FRAME_FIN | FRAMES_TEXT, "more than this test's limit", false, 1009 },
    };
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.websocket_message_bytes = 10;
    for (size_t i = 0; i < countof(cases); i++) {
        struct http_fixture f;
        struct buf wire = { 0 }, all = { 0 };
        start(&f, &limits);
        int fd = open_socket(&f);
        (cases[i].is_unmasked ? put_unmasked : put_masked)(&wire, cases[i].first,
                                                           str_of_c(cases[i].payload));
        send_buf(fd, &wire);
        client_read_all(fd, &all);
        assert_int_equal((unsigned char)all.ptr[0], 0x88);
        assert_int_equal((unsigned char)all.ptr[2] << 8 | (unsigned char)all.ptr[3], cases[i].code);
        buf_clear(&all);
        shutdown(fd, SHUT_WR);
        expect_closed(&f, fd, cases[i].code);
        fixture_stop(&f);
    }
}

static void ends_with_a_client_that_went_without_a_word(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, NULL);
    int fd = open_socket(&f);
    shutdown(fd, SHUT_WR);
    assert_true(client_is_closed(fd));
    expect_closed(&f, fd, CLOSE_ABNORMAL);
    fixture_stop(&f);
}

/* Each ping is answered, in order; what the answers need is bounded as all else is. */
static void answers_floods_of_pings_to_a_client_that_reads(void **state)
{
    (void)state;
    enum { PINGS = 5'000 };
    struct http_fixture f;
    struct buf wire = { 0 };
    start(&f, NULL);
    int fd = open_socket(&f);
    for (int i = 0; i < PINGS; i++)
        put_masked(&wire, FRAME_FIN | FRAMES_PING, STR("ping"));
    send_buf(fd, &wire);
    for (int i = 0; i < PINGS; i++)
        expect(fd, "10:ping");
    send_text(fd, "still there");
    expect(fd, "1:still there");
    close(fd);
    fixture_stop(&f);
}

static bool is_one_slow(const struct http_stats *stats)
{
    return stats->slow_consumers == 1;
}

static void closes_on_a_client_that_does_not_read(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.websocket_unsent_bytes = 128 * 1024;
    start(&f, &limits);
    int fd = open_socket(&f);
    send_text(fd, "big");
    fixture_await(&f, is_one_slow);
    while (!seen.closed)
        usleep(1000);
    assert_int_equal(seen.code, CLOSE_TRY_AGAIN);
    for (unsigned char byte = 0; byte != 0x88;) /* what had left comes whole, then the code */
        if (recv(fd, &byte, 1, MSG_PEEK) != 1)
            fail_msg("no close came");
        else if (byte != 0x88)
            expect(fd, NULL);
    expect(fd, "8:1013 too much waits unread");
    close(fd);
    fixture_await(&f, are_none_open);
    fixture_stop(&f);
}

/* ---- Time ---- */

static void asks_quiet_clients_whether_they_are_there(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf wire = { 0 };
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.websocket_ping_ms = 20;
    limits.websocket_pong_ms = 200;
    start(&f, &limits);
    int fd = open_socket(&f);
    for (int i = 0; i < 3; i++) {
        expect(fd, "9:");
        put_masked(&wire, FRAME_FIN | FRAMES_PONG, STR(""));
        send_buf(fd, &wire);
    }
    expect(fd, "9:"); /* which nobody answers */
    assert_true(client_is_closed(fd));
    expect_closed(&f, fd, CLOSE_ABNORMAL);
    fixture_stop(&f);
}

static void waits_for_a_message_only_so_long(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf wire = { 0 };
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.websocket_message_ms = 30;
    start(&f, &limits);
    int fd = open_socket(&f);
    put_masked(&wire, FRAMES_TEXT, STR("begun, and never ended"));
    put_masked(&wire, FRAME_FIN | FRAMES_PONG, STR("alive"));
    send_buf(fd, &wire);
    expect(fd, "8:1008 message came too slowly");
    shutdown(fd, SHUT_WR);
    expect_closed(&f, fd, CLOSE_POLICY);
    fixture_stop(&f);
}

static void waits_for_the_clients_close_only_so_long(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.websocket_close_ms = 30;
    start(&f, &limits);
    int fd = open_socket(&f);
    send_text(fd, "end");
    expect(fd, "8:4400 as you wish");
    assert_true(client_is_closed(fd));
    expect_closed(&f, fd, 4400);
    fixture_stop(&f);
}

/* ---- The end ---- */

static atomic_bool is_drained;

static void drained(void *owner)
{
    (void)owner;
    is_drained = true;
}

static void drain(void *owner)
{
    struct http_fixture *f = owner;
    http_server_drain(f->server, 10'000, drained, NULL);
}

static void drains(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf wire = { 0 };
    is_drained = false;
    start(&f, NULL);
    int fd = open_socket(&f);
    fixture_call(&f, drain, &f);
    expect(fd, "8:1001 stopping");
    assert_false(is_drained);
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, STR("\x03\xe9"));
    send_buf(fd, &wire);
    assert_true(client_is_closed(fd));
    close(fd);
    while (!is_drained)
        usleep(1000);
    assert_int_equal(seen.drains, 1);
    assert_int_equal(seen.code, CLOSE_GOING_AWAY);
    fixture_stop(&f);
}

static void is_taken_down_with_the_server(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, NULL);
    seen.wants_drain = true;
    int fd = open_socket(&f);
    fixture_stop(&f);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.code, CLOSE_ABNORMAL);
    assert_true(client_is_closed(fd));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_with_the_protocol_that_both_speak),
        cmocka_unit_test(refuses_what_is_no_handshake),
        cmocka_unit_test(checks_keys),
        cmocka_unit_test(waits_for_earlier_answers_and_reads_what_came_early),
        cmocka_unit_test(tells_of_a_client_that_went_before_its_turn),
        cmocka_unit_test(answers_messages_split_anyhow),
        cmocka_unit_test(closes_as_the_client_asks),
        cmocka_unit_test(closes_as_its_owner_asks),
        cmocka_unit_test(fails_the_connection_of_bad_frames),
        cmocka_unit_test(ends_with_a_client_that_went_without_a_word),
        cmocka_unit_test(answers_floods_of_pings_to_a_client_that_reads),
        cmocka_unit_test(closes_on_a_client_that_does_not_read),
        cmocka_unit_test(asks_quiet_clients_whether_they_are_there),
        cmocka_unit_test(waits_for_a_message_only_so_long),
        cmocka_unit_test(waits_for_the_clients_close_only_so_long),
        cmocka_unit_test(drains),
        cmocka_unit_test(is_taken_down_with_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
