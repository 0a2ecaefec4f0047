#include "http/server.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/allocations.h"
#include "support/http_fixture.h"
#include "support/http_malformed.h"
#include "test.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- Handlers: they run on the server's thread ---- */

/* "POST /path rest=... [body]" */
static void tell(void *owner, struct http_request *r)
{
    (void)owner;
    buf_printf(r->out, "%s %.*s %.*s [%.*s]", http_method_name(r->method), STR_FMT(r->path),
               STR_FMT(r->rest), STR_FMT(r->body));
    http_respond(r, 200, HTTP_TEXT, buf_str(r->out));
}

enum { HELD_MAX = 16, BIG_BYTES = 16 * 1024 * 1024 };

/* Requests that wait until the test lets them go. */
struct held {
    struct http_request *requests[HELD_MAX];
    size_t count;
    atomic_int cancelled;
};

static struct held held;
static char *big_body;

static void cancelled(void *owner)
{
    struct http_request *r = owner;
    assert(http_is_cancelled(r));
    held.cancelled++;
}

static void hold(void *owner, struct http_request *r)
{
    (void)owner;
    assert(held.count < HELD_MAX);
    held.requests[held.count++] = r;
    http_on_cancel(r, cancelled, r);
}

/* The last one held first, to show that the order of answers is not that of work. */
static void release(void *owner)
{
    (void)owner;
    while (held.count)
        tell(NULL, held.requests[--held.count]);
}

static void respond_big(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 200, HTTP_TEXT, str_of(big_body, BIG_BYTES));
}

static void respond_json(void *owner, struct http_request *r)
{
    (void)owner;
    struct str count;
    uint64_t n = 0;
    assert(http_query(r, STR("n"), &count) && str_to_u64(count, &n));
    for (uint64_t i = 0; i < n; i++)
        buf_printf(r->out, "{\"id\":%d},", (int)i);
    r->may_compress = true;
    http_respond(r, 200, HTTP_JSON, buf_str(r->out));
}

static void respond_fields(void *owner, struct http_request *r)
{
    (void)owner;
    http_add_header(r, STR("X-Good"), STR("good"));
    http_add_header(r, STR("X-Split"), STR("a\r\nX-Evil: b"));
    http_add_header(r, STR("X-Query"), r->query);
    http_respond(r, 204, HTTP_NO_HEADERS, STR(""));
}

static void tell_peer(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 200, HTTP_TEXT, str_of_c(r->peer));
}

static void hold_for_its_client(void *owner, struct http_request *r)
{
    hold(owner, r);
    http_end_with_client(r);
}

static const struct http_route routes[] = {
    { .path = "/lease", .methods = HTTP_METHOD_GET, .fn = hold_for_its_client },
    { .path = "/", .methods = HTTP_METHOD_GET | HTTP_METHOD_POST, .fn = tell },
    { .path = "/hold", .methods = HTTP_METHOD_GET, .fn = hold },
    { .path = "/big", .methods = HTTP_METHOD_GET, .fn = respond_big },
    { .path = "/json", .methods = HTTP_METHOD_GET, .fn = respond_json },
    { .path = "/fields", .methods = HTTP_METHOD_GET, .fn = respond_fields },
    { .path = "/peer", .methods = HTTP_METHOD_GET, .fn = tell_peer },
    { .path = "/small", .methods = HTTP_METHOD_POST, .body_bytes_max = 4, .fn = tell },
    { .path = "/files/*", .methods = HTTP_METHOD_GET, .fn = tell },
    { .path = "/files/deep/*", .methods = HTTP_METHOD_GET, .fn = tell },
    { .path = "/files/deep/*", .methods = HTTP_METHOD_DELETE, .fn = tell },
};

/* What the server's owner was told, one line a request: "GET / 200 9". */
static struct buf answered;
static char last_id[HTTP_REQUEST_ID_LEN + 1];

static void note_answered(void *owner, const struct http_request *r, int status,
                          uint64_t body_bytes)
{
    assert(owner == &answered);
    assert(r->started_us > 0 && strcmp(last_id, r->id) != 0);
    memcpy(last_id, r->id, sizeof last_id);
    buf_printf(&answered, "%s %.*s %d %d\n", http_method_name(r->method), STR_FMT(r->path), status,
               (int)body_bytes);
}

static struct http_server_options options_of(struct http_limits limits)
{
    return (struct http_server_options){
        .limits = limits,
        .routes = routes,
        .route_count = countof(routes),
        .common_headers = STR("X-Common: yes\r\n"),
        .on_answered = note_answered,
        .owner = &answered,
    };
}

static void start(struct http_fixture *f, struct http_limits limits)
{
    struct http_server_options options = options_of(limits);
    held = (struct held){ 0 };
    buf_reset(&answered);
    fixture_start(f, &options, NULL);
}

static struct client_answer answer; /* to the last request */

/* ---- What is refused ---- */

static void send_row(int fd, struct str bytes, bool is_dribbled)
{
    for (size_t i = 0; is_dribbled && i < bytes.len; i++)
        client_send(fd, str_of(bytes.ptr + i, 1));
    if (!is_dribbled)
        client_send(fd, bytes);
}

static void refuses_malformed_requests_and_closes(void **state)
{
    (void)state;
    enum { DRIBBLED_MAX = 300 };
    struct http_fixture f;
    struct buf got, bytes;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.linger_ms = 20'000;
    start(&f, limits);
    buf_init(&got, 0);
    for (size_t i = 0; i < countof(malformed_rows) * 2; i++) {
        const struct malformed *row = &malformed_rows[i / 2];
        malformed_bytes(row, &bytes);
        if (bytes.len <= DRIBBLED_MAX || i % 2 == 0) {
            int fd = client_connect(&f);
            send_row(fd, buf_str(&bytes), i % 2);
            client_read_all(fd, &got);
            if (client_last_status(buf_str(&got)) != row->status)
                fail_msg("%s: \"%.*s\", expected %d", row->name, STR_FMT(buf_str(&got)),
                         row->status);
            if (str_find(buf_str(&got), STR("\r\nConnection: close\r\n")) < 0)
                fail_msg("%s: \"%.*s\" does not say close", row->name, STR_FMT(buf_str(&got)));
            close(fd);
        }
        buf_clear(&bytes);
    }
    struct http_stats stats = fixture_stats(&f);
    assert_true(stats.refused[HTTP_REFUSED_SYNTAX] > 0);
    assert_true(stats.refused[HTTP_REFUSED_HEADER_LARGE] > 0);
    buf_clear(&got);
    fixture_stop(&f);
}

static void refuses_slow_heads_and_slow_bodies(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "G",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;ext",
    };
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.header_deadline_ms = 40;
    limits.body_window_ms = 40;
    start(&f, limits);
    for (size_t i = 0; i < countof(starts); i++) {
        int fd = client_connect(&f);
        client_send_c(fd, starts[i]);
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, 408);
        assert_str(client_field(&answer, "connection"), "close");
        assert_true(client_is_closed(fd));
        close(fd);
    }
    fixture_stop(&f);
}

static void the_head_deadline_is_not_put_off_by_each_byte(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.header_deadline_ms = 60;
    start(&f, limits);
    int fd = client_connect(&f);
    client_send_c(fd, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    char byte = 0;
    while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0) { /* until it answers */
        client_send_c(fd, "x");
        usleep(5000);
    }
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 408);
    close(fd);
    fixture_stop(&f);
}

static void a_body_that_comes_fast_enough_may_take_long(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.body_window_ms = 1000;
    limits.body_window_bytes = 1;
    start(&f, limits);
    int fd = client_connect(&f);
    client_send_c(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n");
    for (int i = 0; i < 15; i++) {
        usleep(100'000);
        client_send_c(fd, "x");
    }
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    fixture_stop(&f);
}

static void closes_idle_connections_without_a_word(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.idle_ms = 40;
    start(&f, limits);
    int fresh = client_connect(&f), used = client_connect(&f);
    client_send_c(used, GET("/"));
    client_read(used, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(client_is_closed(used));
    assert_true(client_is_closed(fresh));
    close(fresh);
    close(used);
    fixture_stop(&f);
}

static void a_refusal_reaches_a_client_that_still_sends(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf body, got;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.linger_ms = 20'000;
    start(&f, limits);
    buf_init(&body, 0);
    buf_init(&got, 0);
    memset(buf_reserve(&body, 8 << 20), 'x', 8 << 20);
    buf_advance(&body, 8 << 20);
    int fd = client_connect(&f);
    client_send_c(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
    client_send(fd, buf_str(&body)); /* all of it, though the answer has long been written */
    client_read_all(fd, &got);
    assert_int_equal(client_last_status(buf_str(&got)), 413);
    close(fd);
    buf_clear(&body);
    buf_clear(&got);
    fixture_stop(&f);
}

static bool has_two_open(const struct http_stats *stats)
{
    return stats->connections_open == 2;
}

static bool has_one_open(const struct http_stats *stats)
{
    return stats->connections_open == 1;
}

static void answers_503_beyond_the_limit_of_connections(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.connections_max = 2;
    start(&f, limits);
    int first = client_connect(&f), second = client_connect(&f);
    fixture_await(&f, has_two_open);
    int third = client_connect(&f);
    client_send_c(third, GET("/"));
    client_read(third, true, &answer);
    assert_int_equal(answer.status, 503);
    assert_str(client_field(&answer, "connection"), "close");
    assert_true(client_is_closed(third));
    close(third);
    close(second);
    fixture_await(&f, has_one_open);
    int fourth = client_connect(&f);
    client_send_c(fourth, GET("/"));
    client_read(fourth, true, &answer);
    assert_int_equal(answer.status, 200);
    close(first);
    close(fourth);
    fixture_stop(&f);
}

/* ---- What is answered ---- */

static void keeps_connections_as_each_version_says(void **state)
{
    (void)state;
    static const struct {
        const char *request, *connection;
        bool is_kept;
    } rows[] = {
        { GET("/"), "", true },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "close", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "close", false },
        { "GET / HTTP/1.0\r\n\r\n", "close", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", true },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", true },
        { GET("/none"), "", true },
    };
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    for (size_t i = 0; i < countof(rows); i++) {
        int fd = client_connect(&f);
        for (int times = 0; times < (rows[i].is_kept ? 3 : 1); times++) {
            client_send_c(fd, rows[i].request);
            client_read(fd, true, &answer);
            assert_str(client_field(&answer, "connection"), rows[i].connection);
            assert_str(client_field(&answer, "x-common"), "yes");
            assert_non_null(client_field(&answer, "date").ptr);
        }
        if (!rows[i].is_kept)
            assert_true(client_is_closed(fd));
        close(fd);
    }
    fixture_stop(&f);
}

static void finds_routes(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *body, *allow;
    } rows[] = {
        { GET("/"), 200, "GET /  []", "" },
        { GET("/files/a/b"), 200, "GET /files/a/b a/b []", "" },
        { GET("/files/deep/x"), 200, "GET /files/deep/x x []", "" },
        { "DELETE /files/deep/x HTTP/1.1\r\nHost: a\r\n\r\n", 200, "DELETE /files/deep/x x []",
          "" },
        { GET("/files"), 404, "Not Found\n", "" },
        { GET("/nothing"), 404, "Not Found\n", "" },
        { "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Method Not Allowed\n", "GET, HEAD, POST" },
        { "PUT /files/deep/x HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Method Not Allowed\n",
          "GET, HEAD, DELETE" },
        { "DELETE /files/x HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Method Not Allowed\n", "GET, HEAD" },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200, "POST /  [abc]", "" },
        { "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd", 200,
          "POST /small  [abcd]", "" },
    };
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f); /* one for all: none of them ends it */
    for (size_t i = 0; i < countof(rows); i++) {
        client_send_c(fd, rows[i].request);
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, rows[i].status);
        assert_str(answer.body, rows[i].body);
        assert_str(client_field(&answer, "allow"), rows[i].allow);
    }
    close(fd);
    fd = client_connect(&f);
    client_send_c(fd, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 413);
    close(fd);
    fd = client_connect(&f); /* a body that nobody takes ends the connection */
    client_send_c(fd, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 404);
    assert_true(client_is_closed(fd));
    close(fd);
    fixture_stop(&f);
}

static void refusals_below_the_problem_prefix_are_problems(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *code;
    } rows[] = {
        { GET("/files"), 404, "NOT_FOUND" },
        { "DELETE /files/x HTTP/1.1\r\nHost: a\r\n\r\n", 405, "BAD_USER_INPUT" },
        { "POST /files/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "BAD_USER_INPUT" },
    };
    struct http_fixture f;
    struct http_server_options options = options_of(HTTP_LIMITS_DEFAULT);
    options.problem_prefix = STR("/files");
    held = (struct held){ 0 };
    fixture_start(&f, &options, NULL);
    (void)state;
    int fd = client_connect(&f);
    for (size_t i = 0; i < countof(rows); i++) {
        char code[64];
        snprintf(code, sizeof code, "\"code\":\"%s\",\"server_time_us\":", rows[i].code);
        client_send_c(fd, rows[i].request);
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, rows[i].status);
        assert_str(client_field(&answer, "content-type"), "application/problem+json");
        assert_true(str_starts_with(answer.body, STR("{\"type\":\"about:blank\",\"title\":\"")));
        assert_non_null(memmem(answer.body.ptr, answer.body.len, code, strlen(code)));
    }
    close(fd);
    fd = client_connect(&f);
    client_send_c(fd, GET("/nothing"));
    client_read(fd, true, &answer);
    assert_str(client_field(&answer, "content-type"), "text/plain; charset=utf-8");
    close(fd);
    fixture_stop(&f);
}

/* The answer's media type where the target, sent in two parts, is longer than it may be. */
static void assert_type_of_414(struct http_fixture *f, const char *first, const char *type)
{
    char rest[128];
    snprintf(rest, sizeof rest, "%0100d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    int fd = client_connect(f);
    client_send_c(fd, first);
    client_send_c(fd, rest);
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 414);
    assert_str(client_field(&answer, "content-type"), type);
    close(fd);
}

static void the_beginning_of_a_long_target_tells_where_it_leads(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_server_options options = options_of(HTTP_LIMITS_DEFAULT);
    options.limits.target_bytes = 64;
    options.problem_prefix = STR("/files");
    held = (struct held){ 0 };
    fixture_start(&f, &options, NULL);
    assert_type_of_414(&f, "GET /files?", "application/problem+json");
    assert_type_of_414(&f, "GET /fil", "text/plain; charset=utf-8");
    assert_type_of_414(&f, "GET /files?0000000000000000000000000000000000000000000000000000000",
                       "application/problem+json");
    fixture_stop(&f);
}

static void head_has_the_fields_of_get_and_no_body(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, "HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"));
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_str(client_field(&answer, "content-length"), "16777216");
    client_read(fd, true, &answer);
    assert_str(answer.body, "GET /  []");
    close(fd);
    fixture_stop(&f);
}

static void an_expected_continue_is_told_before_the_body(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    for (int times = 0; times < 2; times++) {
        client_send_c(fd, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                          "Content-Length: 2\r\n\r\n");
        client_read(fd, false, &answer);
        assert_int_equal(answer.status, 100);
        client_send_c(fd, "ab");
        client_read(fd, true, &answer);
        assert_str(answer.body, "POST /  [ab]");
    }
    client_send_c(fd, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 9999999\r\n\r\n");
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 413); /* without asking for the body first */
    close(fd);
    fixture_stop(&f);
}

static void answers_leave_in_the_order_of_requests(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold") GET("/files/1") GET("/hold") GET("/files/2") GET("/files/3"));
    while (fixture_stats(&f).requests < 5)
        usleep(1000);
    fixture_call(&f, release, NULL);
    const char *const bodies[] = { "GET /hold  []", "GET /files/1 1 []", "GET /hold  []",
                                   "GET /files/2 2 []", "GET /files/3 3 []" };
    for (size_t i = 0; i < countof(bodies); i++) {
        client_read(fd, true, &answer);
        assert_str(answer.body, bodies[i]);
    }
    close(fd);
    fixture_stop(&f);
}

static void the_answers_of_a_turn_are_one_write(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/") GET("/files/1") "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/none"));
    for (int i = 0; i < 4; i++)
        client_read(fd, i != 2, &answer);
    assert_int_equal(fixture_stats(&f).writes, 1);
    close(fd);
    fixture_stop(&f);
}

static void each_request_that_ended_is_told_once(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/") "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/none")
                          GET("/hold") "nonsense");
    for (int i = 0; i < 3; i++)
        client_read(fd, i != 1, &answer);
    fixture_call(&f, release, NULL);
    client_read(fd, true, &answer);
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 501); /* in `refused`, since it never was a request */
    close(fd);
    struct http_stats stats = fixture_stats(&f);
    assert_int_equal(stats.requests, 4);
    assert_int_equal(stats.refused[HTTP_REFUSED_METHOD], 1);
    assert_str(buf_str(&answered),
               "GET / 200 9\nHEAD / 200 0\nGET /none 404 10\nGET /hold 200 13\n");
    fixture_stop(&f);
}

static void empty_answered(void *owner)
{
    (void)owner;
    buf_reset(&answered);
}

static size_t allocations_before, allocations_after;

static void note_allocations(void *owner)
{
    *(size_t *)owner = allocations_count();
}

static void a_request_allocates_nothing_once_the_server_is_warm(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    for (int i = 0; i < 300; i++) {
        if (i == 200)
            fixture_call(&f, note_allocations, &allocations_before);
        client_send_c(fd, "POST /?a=1 HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nX-1: 1\r\n"
                          "X-2: 2\r\nContent-Length: 26\r\n\r\n{\"query\":\"{ __typename }\"}");
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, 200);
        if (i == 199) /* it has room for a hundred more */
            fixture_call(&f, empty_answered, NULL);
    }
    fixture_call(&f, note_allocations, &allocations_after);
    /* One for the post that notes them; the requests between made none. */
    assert_int_equal(allocations_after - allocations_before, 1);
    close(fd);
    fixture_stop(&f);
}

static bool has_read_seven(const struct http_stats *stats)
{
    return stats->bytes_in == 7 * strlen(GET("/hold"));
}

static void a_bounded_number_of_requests_is_in_work(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.pipelined_max = 3;
    start(&f, limits);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold") GET("/hold") GET("/hold") GET("/hold") GET("/hold") GET("/hold")
                          GET("/hold"));
    fixture_await(&f, has_read_seven);
    assert_int_equal(fixture_stats(&f).requests_running, 3);
    for (int i = 0; i < 7; i++) {
        if (i % 3 == 0)
            fixture_call(&f, release, NULL);
        client_read(fd, true, &answer);
        assert_str(answer.body, "GET /hold  []");
    }
    close(fd);
    fixture_stop(&f);
}

static bool has_cancelled(const struct http_stats *stats)
{
    return stats->connections_open == 0;
}

static void a_handler_is_told_when_its_client_goes(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold") GET("/hold"));
    while (fixture_stats(&f).requests < 2)
        usleep(1000);
    struct linger reset = { .l_onoff = 1 };
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    fixture_await(&f, has_cancelled);
    assert_int_equal(fixture_stats(&f).requests_running, 2); /* still the handler's */
    fixture_call(&f, release, NULL);
    assert_int_equal(held.cancelled, 2);
    assert_int_equal(fixture_stats(&f).requests_running, 0);
    assert_int_equal(fixture_stats(&f).cancelled, 2);
    fixture_stop(&f);
}

static void release_first(void *owner)
{
    (void)owner;
    tell(NULL, held.requests[0]);
    held.requests[0] = held.requests[--held.count];
}

static void an_answer_to_a_client_that_has_gone_harms_nobody(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold") GET("/hold") GET("/hold"));
    while (fixture_stats(&f).requests < 3)
        usleep(1000);
    close(fd); /* an ordinary end: the first answer meets a reset, the next a broken pipe */
    for (int i = 0; i < 3; i++)
        fixture_call(&f, release_first, NULL);
    fixture_await(&f, has_cancelled);
    assert_int_equal(fixture_stats(&f).requests_running, 0);
    fixture_stop(&f);
}

/* Ends the client's side, and lets the server see it: a request sent after it is answered. */
static void half_close(struct http_fixture *f, int fd)
{
    shutdown(fd, SHUT_WR);
    int other = client_connect(f);
    client_send_c(other, GET("/"));
    client_read(other, true, &answer);
    close(other);
}

static void a_client_that_half_closes_gets_its_answer(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf got;
    start(&f, HTTP_LIMITS_DEFAULT);
    buf_init(&got, 0);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/") GET("/hold") "GET /unfinished HTT");
    half_close(&f, fd);
    fixture_call(&f, release, NULL);
    client_read_all(fd, &got);
    assert_int_equal(held.cancelled, 0);
    assert_true(str_ends_with(buf_str(&got), STR("Connection: close\r\n\r\nGET /hold  []")));
    assert_true(str_find(buf_str(&got), STR("GET /  []HTTP/1.1 200")) > 0);
    close(fd);
    buf_clear(&got);
    fixture_stop(&f);
}

static bool one_is_cancelled(const struct http_stats *stats)
{
    (void)stats;
    return held.cancelled == 1;
}

static void a_request_may_end_with_its_clients_side(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold") GET("/lease"));
    half_close(&f, fd);
    fixture_await(&f, one_is_cancelled);
    assert_false(http_is_cancelled(held.requests[0]));
    assert_true(http_is_cancelled(held.requests[1]));
    fixture_call(&f, release, NULL);
    fixture_await(&f, has_cancelled);
    close(fd);
    fixture_stop(&f);
}

static void a_request_cut_off_within_its_body_is_dropped_alone(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf got;
    start(&f, HTTP_LIMITS_DEFAULT);
    buf_init(&got, 0);
    for (int times = 0; times < 3; times++) {
        int fd = client_connect(&f);
        client_send_c(fd,
                      GET("/hold") "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
        half_close(&f, fd);
        fixture_call(&f, release, NULL);
        client_read_all(fd, &got);
        assert_true(str_ends_with(buf_str(&got), STR("Connection: close\r\n\r\nGET /hold  []")));
        close(fd);
    }
    assert_int_equal(fixture_stats(&f).requests, 6); /* half of them half_close has sent */
    buf_clear(&got);
    fixture_stop(&f);
}

static void a_field_that_would_split_the_answer_is_left_out(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/fields?a=b"));
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 204);
    assert_str(client_field(&answer, "x-good"), "good");
    assert_str(client_field(&answer, "x-query"), "a=b");
    assert_null(client_field(&answer, "x-evil").ptr);
    assert_null(client_field(&answer, "x-split").ptr);
    assert_null(client_field(&answer, "content-length").ptr);
    close(fd);
    fixture_stop(&f);
}

static void compresses_what_pays_when_it_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *path, *accept, *coding;
    } rows[] = {
        { "/json?n=1000", "gzip, deflate, br", "gzip" },
        { "/json?n=1000", "gzip;q=0", "" },
        { "/json?n=1000", "br", "" },
        { "/json?n=2", "gzip", "" },
        { "/json?n=4000", "gzip", "" }, /* above limits.gzip_bytes_max */
    };
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.gzip_bytes_max = 32 * 1024;
    start(&f, limits);
    int fd = client_connect(&f);
    for (size_t i = 0; i < countof(rows); i++) {
        char request[256];
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", rows[i].path,
                 rows[i].accept);
        client_send_c(fd, request);
        client_read(fd, true, &answer);
        assert_str(client_field(&answer, "content-encoding"), rows[i].coding);
        assert_str(client_field(&answer, "vary"), "Accept-Encoding");
        assert_int_equal(answer.body.ptr[0], *rows[i].coding ? '\x1f' : '{');
    }
    close(fd);
    fixture_stop(&f);
}

static void a_unix_socket_serves_and_names_its_peer(void **state)
{
    (void)state;
    struct http_fixture f;
    char path[64], address[80];
    snprintf(path, sizeof path, "/tmp/windlass-http-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    struct http_server_options options = options_of(HTTP_LIMITS_DEFAULT);
    fixture_start(&f, &options, address);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/peer"));
    client_read(fd, true, &answer);
    assert_str(answer.body, "unix");
    close(fd);
    fixture_stop(&f);
    unlink(path);
}

/* ---- Clients that do not read ---- */

static void a_large_answer_survives_short_writes(void **state)
{
    (void)state;
    struct http_fixture f;
    struct buf got;
    start(&f, HTTP_LIMITS_DEFAULT);
    buf_init(&got, 0);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/big") "GET /files/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_read_all(fd, &got);
    ptrdiff_t at = str_find(buf_str(&got), STR("\r\n\r\n"));
    assert_true(at > 0 && got.len > (size_t)at + 4 + BIG_BYTES);
    assert_memory_equal(got.ptr + at + 4, big_body, BIG_BYTES);
    assert_true(str_ends_with(buf_str(&got), STR("GET /files/x x []")));
    close(fd);
    buf_clear(&got);
    fixture_stop(&f);
}

static bool has_slow_consumer(const struct http_stats *stats)
{
    return stats->slow_consumers == 1 && stats->connections_open == 0;
}

static void a_client_that_does_not_read_is_closed(void **state)
{
    (void)state;
    struct http_fixture f;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.write_stall_ms = 40;
    start(&f, limits);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/big"));
    fixture_await(&f, has_slow_consumer);
    close(fd);
    fixture_stop(&f);
}

static void unread_answers_hold_back_further_requests(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f), other = client_connect(&f);
    client_send_c(fd, GET("/big"));
    while (fixture_stats(&f).bytes_out == 0)
        usleep(1000);
    client_send_c(fd, GET("/big") GET("/big") GET("/big"));
    client_send_c(other, GET("/")); /* a turn or two pass until this is answered */
    client_read(other, true, &answer);
    struct http_stats stats = fixture_stats(&f);
    assert_int_equal(stats.requests, 2);
    assert_int_equal(stats.bytes_in, strlen(GET("/big") GET("/"))); /* the others: not even read */
    close(other);
    close(fd);
    fixture_stop(&f);
}

/* ---- Ends ---- */

struct drain {
    struct http_fixture *f;
    int64_t deadline_ms;
    atomic_int done;
};

static void drain_done(void *owner)
{
    struct drain *d = owner;
    d->done++;
}

static void begin_drain(void *owner)
{
    struct drain *d = owner;
    http_server_drain(d->f->server, d->deadline_ms, drain_done, d);
}

static void drain_answers_what_is_in_flight(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    struct drain d = { .f = &f, .deadline_ms = 20'000 };
    int idle = client_connect(&f), busy = client_connect(&f), half = client_connect(&f);
    client_send_c(busy, GET("/hold") GET("/hold"));
    client_send_c(half, "GET / HTTP/1.1\r\n");
    while (fixture_stats(&f).requests < 2 || fixture_stats(&f).connections_open < 3)
        usleep(1000);
    fixture_call(&f, begin_drain, &d);
    assert_true(client_is_closed(idle));
    client_send_c(half, "Host: a\r\n\r\n");
    client_read(half, true, &answer);
    assert_str(client_field(&answer, "connection"), "close");
    assert_true(client_is_closed(half));
    close(half);
    assert_int_equal(d.done, 0);
    fixture_call(&f, release, NULL);
    client_read(busy, true, &answer);
    assert_str(client_field(&answer, "connection"), "");
    client_read(busy, true, &answer);
    assert_str(client_field(&answer, "connection"), "close");
    assert_true(client_is_closed(busy));
    close(busy);
    while (d.done == 0)
        usleep(1000);
    assert_int_equal(fixture_stats(&f).connections_open, 0);
    close(idle);
    fixture_stop(&f);
    assert_int_equal(d.done, 1);
}

static void drain_ends_at_its_deadline(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    struct drain d = { .f = &f, .deadline_ms = 40 };
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold"));
    while (fixture_stats(&f).requests < 1)
        usleep(1000);
    fixture_call(&f, begin_drain, &d);
    while (d.done == 0)
        usleep(1000);
    assert_int_equal(fixture_stats(&f).connections_open, 0);
    assert_int_equal(held.cancelled, 1);
    fixture_call(&f, release, NULL);
    close(fd);
    fixture_stop(&f);
}

static void destroy_server(void *owner)
{
    struct http_fixture *f = owner;
    http_server_destroy(take(f->server));
}

static void a_request_may_end_after_its_server(void **state)
{
    (void)state;
    struct http_fixture f;
    start(&f, HTTP_LIMITS_DEFAULT);
    int fd = client_connect(&f);
    client_send_c(fd, GET("/hold") GET("/hold"));
    while (fixture_stats(&f).requests < 2)
        usleep(1000);
    fixture_call(&f, destroy_server, &f);
    fixture_call(&f, release, NULL);
    close(fd);
    fixture_stop(&f);
}

static void running_out_of_descriptors_harms_no_open_connection(void **state)
{
    (void)state;
    enum { EXTRA = 8 };
    struct http_fixture f;
    struct rlimit usual;
    int fds[EXTRA];
    start(&f, HTTP_LIMITS_DEFAULT);
    int open_one = client_connect(&f);
    fixture_await(&f, has_one_open);
    for (int i = 0; i < EXTRA; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* held by this side */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    struct rlimit tight = usual;
    tight.rlim_cur = (rlim_t)fds[EXTRA - 1] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    assert_int_equal(getpeername(open_one, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < EXTRA; i++)
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, len), 0);
    for (int times = 0; times < 3; times++) {
        client_send_c(open_one, GET("/"));
        client_read(open_one, true, &answer);
        assert_int_equal(answer.status, 200);
    }
    for (int i = 0; i < EXTRA; i++)
        close(fds[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    int late = client_connect(&f);
    client_send_c(late, GET("/"));
    client_read(late, true, &answer);
    assert_int_equal(answer.status, 200);
    close(late);
    close(open_one);
    fixture_stop(&f);
}

static int make_big_body(void **state)
{
    (void)state;
    big_body = mem_alloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        big_body[i] = (char)('a' + i * 31 % 23);
    return 0;
}

static int free_big_body(void **state)
{
    (void)state;
    mem_free(big_body);
    buf_clear(&answered);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_requests_and_closes),
        cmocka_unit_test(refuses_slow_heads_and_slow_bodies),
        cmocka_unit_test(the_head_deadline_is_not_put_off_by_each_byte),
        cmocka_unit_test(a_body_that_comes_fast_enough_may_take_long),
        cmocka_unit_test(closes_idle_connections_without_a_word),
        cmocka_unit_test(a_refusal_reaches_a_client_that_still_sends),
        cmocka_unit_test(answers_503_beyond_the_limit_of_connections),
        cmocka_unit_test(keeps_connections_as_each_version_says),
        cmocka_unit_test(finds_routes),
        cmocka_unit_test(refusals_below_the_problem_prefix_are_problems),
        cmocka_unit_test(the_beginning_of_a_long_target_tells_where_it_leads),
        cmocka_unit_test(head_has_the_fields_of_get_and_no_body),
        cmocka_unit_test(an_expected_continue_is_told_before_the_body),
        cmocka_unit_test(answers_leave_in_the_order_of_requests),
        cmocka_unit_test(the_answers_of_a_turn_are_one_write),
        cmocka_unit_test(each_request_that_ended_is_told_once),
        cmocka_unit_test(a_request_allocates_nothing_once_the_server_is_warm),
        cmocka_unit_test(a_bounded_number_of_requests_is_in_work),
        cmocka_unit_test(a_handler_is_told_when_its_client_goes),
        cmocka_unit_test(an_answer_to_a_client_that_has_gone_harms_nobody),
        cmocka_unit_test(a_client_that_half_closes_gets_its_answer),
        cmocka_unit_test(a_request_may_end_with_its_clients_side),
        cmocka_unit_test(a_request_cut_off_within_its_body_is_dropped_alone),
        cmocka_unit_test(a_field_that_would_split_the_answer_is_left_out),
        cmocka_unit_test(compresses_what_pays_when_it_is_accepted),
        cmocka_unit_test(a_unix_socket_serves_and_names_its_peer),
        cmocka_unit_test(a_large_answer_survives_short_writes),
        cmocka_unit_test(a_client_that_does_not_read_is_closed),
        cmocka_unit_test(unread_answers_hold_back_further_requests),
        cmocka_unit_test(drain_answers_what_is_in_flight),
        cmocka_unit_test(drain_ends_at_its_deadline),
        cmocka_unit_test(a_request_may_end_after_its_server),
        cmocka_unit_test(running_out_of_descriptors_harms_no_open_connection),
    };
    return cmocka_run_group_tests(tests, make_big_body, free_big_body);
}
