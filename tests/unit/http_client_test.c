#include "http/client.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/guard.h"
#include "http/server.h"
#include "support/http_fixture.h"
#include "test.h"

enum { HELD_MAX = 8, BIG_BYTES = 4 * 1024 * 1024, GUARD_MS = 20'000 };

/* ---- The server's side, on its own thread ---- */

static struct http_request *held[HELD_MAX];
static atomic_int held_count;

static void echo(void *owner, struct http_request *r)
{
    (void)owner;
    http_add_header(r, STR("X-Method"), str_of_c(http_method_name(r->method)));
    http_add_header(r, STR("X-Got"), http_header(r, STR("x-sent")));
    http_respond(r, 200, HTTP_TEXT, r->body);
}

static void hold(void *owner, struct http_request *r)
{
    (void)owner;
    assert(held_count < HELD_MAX);
    held[held_count++] = r;
}

static void release(void *owner)
{
    (void)owner;
    while (held_count)
        http_respond_text(held[--held_count], 200, STR(""));
}

static void big(void *owner, struct http_request *r)
{
    (void)owner;
    memset(buf_reserve(r->out, BIG_BYTES), 'x', BIG_BYTES);
    buf_advance(r->out, BIG_BYTES);
    http_respond(r, 200, HTTP_TEXT, buf_str(r->out));
}

static void redirect(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 302, STR("Location: /echo\r\n"), STR(""));
}

static void redirect_to(void *owner, struct http_request *r)
{
    struct str to;
    (void)owner;
    if (http_query(r, STR("to"), &to))
        http_add_header(r, STR("Location"), to);
    http_respond(r, 302, STR(""), STR(""));
}

static const struct http_route routes[] = {
    { .path = "/echo",
      .methods = HTTP_METHOD_GET | HTTP_METHOD_POST | HTTP_METHOD_DELETE | HTTP_METHOD_PUT,
      .fn = echo },
    { .path = "/hold", .methods = HTTP_METHOD_GET, .fn = hold },
    { .path = "/big", .methods = HTTP_METHOD_GET, .fn = big },
    { .path = "/redirect", .methods = HTTP_METHOD_GET, .fn = redirect },
    { .path = "/redirect-to", .methods = HTTP_METHOD_GET, .fn = redirect_to },
};

/* ---- The client's side: a loop on the test's thread ---- */

struct asking {
    struct http_fixture server;
    struct io_loop *loop;
    struct io_timer *guard;
    struct http_client *client;
    char url[192];
    /* What came back, and how many did. */
    int wanted, came;
    int status;
    enum err_code code;
    enum err_origin origin;
    char message[sizeof((struct err *)0)->message];
    bool is_cut, is_of_repeat;
    struct buf body, field;
    size_t streamed;
    bool stops_stream;
    struct http_call *watched; /* asked in its callback whether it was sent */
    bool was_sent;
};

static void guard_hit(void *owner)
{
    (void)owner;
    fail_msg("%s", "no reply comes");
}

static void begin(struct asking *t, struct http_client_options options, const char *address)
{
    *t = (struct asking){ 0 };
    held_count = 0;
    fixture_start(&t->server,
                  &(struct http_server_options){ .limits = HTTP_LIMITS_DEFAULT,
                                                 .routes = routes,
                                                 .route_count = countof(routes) },
                  address);
    t->loop = io_loop_create();
    t->guard = io_timer_create(t->loop, guard_hit, NULL);
    io_timer_start(t->guard, GUARD_MS);
    t->client = http_client_create(t->loop, &options);
}

static void end(struct asking *t)
{
    http_client_destroy(t->client);
    io_timer_destroy(t->guard);
    io_loop_destroy(t->loop);
    fixture_call(&t->server, release, NULL);
    fixture_stop(&t->server);
    buf_clear(&t->body);
    buf_clear(&t->field);
}

static const char *url_of(struct asking *t, const char *path)
{
    bool is_unix = str_starts_with(str_of_c(t->server.address), STR("unix:"));
    snprintf(t->url, sizeof t->url, "http://%s%s", is_unix ? "peer" : t->server.address, path);
    return t->url;
}

static void got_reply(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct asking *t = owner;
    t->status = reply ? reply->status : 0;
    t->code = e ? e->code : ERR_NONE;
    t->origin = e ? e->origin : ERR_ORIGIN_SELF;
    t->is_cut = reply && reply->is_cut;
    t->is_of_repeat = reply && reply->is_of_repeat;
    snprintf(t->message, sizeof t->message, "%s", e ? e->message : "");
    buf_reset(&t->body);
    buf_reset(&t->field);
    if (t->watched)
        t->was_sent = http_call_was_sent(t->watched);
    if (reply) {
        buf_put_str(&t->body, reply->body);
        buf_put_str(&t->field, http_reply_header(reply, STR("x-method")));
        buf_put_str(&t->field, http_reply_header(reply, STR("X-GOT")));
    }
    if (++t->came == t->wanted)
        io_loop_stop(t->loop);
}

static bool got_piece(void *owner, struct str bytes)
{
    struct asking *t = owner;
    t->streamed += bytes.len;
    return !t->stops_stream;
}

static bool ask(struct asking *t, struct http_call_options options, struct http_call **ret_call,
                struct err *e)
{
    options.fn = got_reply;
    options.owner = t;
    options.deadline_ms = options.deadline_ms ? options.deadline_ms : GUARD_MS;
    return http_client_call(t->client, &options, ret_call, e);
}

static void await(struct asking *t, int replies)
{
    t->wanted = replies;
    if (t->came < replies)
        io_loop_run(t->loop);
    assert_int_equal(t->came, replies);
    t->came = 0;
}

static void ask_and_await(struct asking *t, struct http_call_options options)
{
    struct err e;
    if (!ask(t, options, NULL, &e))
        fail_msg("%s", err_text(&e));
    await(t, 1);
}

static void stop_loop(void *owner)
{
    struct asking *t = owner;
    io_loop_stop(t->loop);
}

/* ---- Tests ---- */

static void calls_are_answered_on_one_kept_connection(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *told;
    } rows[] = {
        { NULL, "", "GETx y" },           { NULL, "abc", "POSTx y" }, { "PUT", "abc", "PUTx y" },
        { "DELETE", "", "DELETEx y" },    { "POST", "", "POSTx y" },  { "HEAD", "", "HEADx y" },
        { "DELETE", "abc", "DELETEx y" },
    };
    struct asking t;
    const char *const headers[] = { "X-Sent: x y" };
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not matter */
    begin(&t, HTTP_CLIENT_DEFAULT, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        ask_and_await(&t, (struct http_call_options){ .method = rows[i].method,
                                                      .url = url_of(&t, "/echo"),
                                                      .headers = headers,
                                                      .header_count = 1,
                                                      .body = str_of_c(rows[i].body) });
        assert_int_equal(t.status, 200);
        assert_str(buf_str(&t.body), rows[i].body);
        assert_str(buf_str(&t.field), rows[i].told);
    }
    assert_int_equal(fixture_stats(&t.server).connections_accepted, 1);
    unsetenv("http_proxy");
    end(&t);
}

static void unix_sockets_are_asked_whatever_the_url_names(void **state)
{
    (void)state;
    struct asking t;
    char path[64], address[80];
    snprintf(path, sizeof path, "/tmp/windlass-client-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.unix_path = path;
    begin(&t, options, address);
    ask_and_await(&t, (struct http_call_options){ .url = "http://worker/echo", .body = STR("a") });
    assert_str(buf_str(&t.body), "a");
    end(&t);
    unlink(path);
}

static void statuses_are_replies_and_redirects_are_not_followed(void **state)
{
    (void)state;
    struct asking t;
    begin(&t, HTTP_CLIENT_DEFAULT, NULL);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/redirect") });
    assert_int_equal(t.status, 302);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/nothing") });
    assert_int_equal(t.status, 404);
    assert_str(buf_str(&t.body), "Not Found\n");
    end(&t);
}

static void what_cannot_be_asked_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const urls[] = { "", "ftp://127.0.0.1/", "file:///etc/passwd", "http://",
                                        "127.0.0.1:80/x y" };
    struct asking t;
    struct err e;
    const char *const split[] = { "X-A: b\r\nX-C: d" };
    begin(&t, HTTP_CLIENT_DEFAULT, NULL);
    for (size_t i = 0; i < countof(urls); i++) {
        assert_false(ask(&t, (struct http_call_options){ .url = urls[i] }, NULL, &e));
        assert_int_equal(e.code, ERR_INVALID);
    }
    assert_false(ask(&t,
                     (struct http_call_options){
                         .url = url_of(&t, "/echo"), .headers = split, .header_count = 1 },
                     NULL, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(http_client_stats(t.client).refused, countof(urls) + 1);
    end(&t);
}

static void a_call_ends_at_its_deadline_whether_it_runs_or_waits(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.running_max = 1;
    options.origin = ERR_ORIGIN_WORKER;
    begin(&t, options, NULL);
    struct http_call_options call = { .url = url_of(&t, "/hold"), .deadline_ms = 40 };
    assert_true(ask(&t, call, NULL, &e));
    call.deadline_ms = 20; /* waits, and ends first */
    assert_true(ask(&t, call, NULL, &e));
    assert_int_equal(http_client_stats(t.client).waiting, 1);
    await(&t, 2);
    assert_int_equal(t.code, ERR_TIMEOUT);
    assert_int_equal(t.origin, ERR_ORIGIN_WORKER);
    struct http_client_stats stats = http_client_stats(t.client);
    assert_int_equal(stats.timeouts, 2);
    assert_int_equal(stats.running + stats.waiting, 0);
    end(&t);
}

static void a_failed_call_tells_whether_the_peer_may_have_seen_it(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    begin(&t, options, NULL);
    struct http_call_options nobody = { .url = "http://127.0.0.1:1/" };
    struct http_call_options silent = { .url = url_of(&t, "/hold"), .deadline_ms = 40 };
    assert_true(ask(&t, nobody, &t.watched, &e));
    await(&t, 1);
    assert_int_equal(t.code, ERR_UNAVAILABLE);
    assert_false(t.was_sent);
    assert_true(ask(&t, silent, &t.watched, &e));
    await(&t, 1);
    assert_int_equal(t.code, ERR_TIMEOUT);
    assert_true(t.was_sent);
    end(&t);
}

static void the_queue_is_bounded_and_goes_on_in_order(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.running_max = 2;
    options.waiting_max = 1;
    begin(&t, options, NULL);
    for (int i = 0; i < 3; i++)
        assert_true(ask(&t, (struct http_call_options){ .url = url_of(&t, "/echo") }, NULL, &e));
    assert_false(ask(&t, (struct http_call_options){ .url = url_of(&t, "/echo") }, NULL, &e));
    assert_int_equal(e.code, ERR_RATE);
    await(&t, 3);
    assert_int_equal(t.status, 200);
    assert_true(fixture_stats(&t.server).connections_accepted <= 2);
    end(&t);
}

static void an_answer_that_is_too_large_is_an_error(void **state)
{
    (void)state;
    struct asking t;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.response_bytes_max = BIG_BYTES - 1;
    begin(&t, options, NULL);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/big") });
    assert_int_equal(t.code, ERR_LIMIT);
    end(&t);
    options.response_bytes_max = BIG_BYTES;
    begin(&t, options, NULL);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/big") });
    assert_int_equal(t.code, ERR_NONE);
    assert_int_equal(t.body.len, BIG_BYTES);
    end(&t);
    options.response_header_bytes_max = 16;
    begin(&t, options, NULL);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/echo") });
    assert_int_equal(t.code, ERR_LIMIT);
    end(&t);
}

static void a_body_can_be_taken_piece_by_piece_and_given_up(void **state)
{
    (void)state;
    struct asking t;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.response_bytes_max = 1; /* bounds what is collected, not what is passed on */
    begin(&t, options, NULL);
    struct http_call_options call = { .url = url_of(&t, "/big"), .on_body = got_piece };
    ask_and_await(&t, call);
    assert_int_equal(t.status, 200);
    assert_int_equal(t.streamed, BIG_BYTES);
    assert_int_equal(t.body.len, 0);
    t.stops_stream = true;
    ask_and_await(&t, call);
    assert_int_equal(t.code, ERR_CANCELLED);
    end(&t);
}

/* A peer that answers each connection's first request and breaks it at the second. */
enum { BREAKING_MAX = 8 };

struct breaking_peer {
    int listen_fd;
    atomic_int seen;
    struct breaking {
        struct breaking_peer *peer;
        thrd_t thread;
        int fd;
    } connections[BREAKING_MAX];
};

static bool read_request(int fd)
{
    char bytes[4096];
    size_t len = 0;
    while (len < 4 || memcmp(bytes + len - 4, "\r\n\r\n", 4) != 0) {
        ssize_t got = recv(fd, bytes + len, sizeof bytes - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
    }
    return true;
}

static int serve_breaking(void *owner)
{
    struct breaking *c = owner;
    for (int i = 0; i < 2 && read_request(c->fd); i++) {
        c->peer->seen++;
        if (i == 0)
            client_send_c(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    close(c->fd);
    return 0;
}

static int accept_breaking(void *owner)
{
    struct breaking_peer *p = owner;
    size_t count = 0;
    for (int fd; count < BREAKING_MAX && (fd = accept(p->listen_fd, NULL, NULL)) >= 0; count++) {
        p->connections[count] = (struct breaking){ .peer = p, .fd = fd };
        assert(thrd_create(&p->connections[count].thread, serve_breaking, &p->connections[count]) ==
               thrd_success);
    }
    while (count > 0)
        thrd_join(p->connections[--count].thread, NULL);
    return 0;
}

static void a_call_that_must_not_be_repeated_is_sent_once(void **state)
{
    (void)state;
    struct asking t;
    struct breaking_peer peer = { .listen_fd = -1 };
    struct err e;
    char name[IO_ADDRESS_MAX];
    thrd_t thread;
    assert_true(io_listen_open(STR("127.0.0.1:0"), false, &peer.listen_fd, &e));
    (void)fcntl(peer.listen_fd, F_SETFL, 0); /* blocking */
    io_listen_name(peer.listen_fd, name);
    assert_int_equal(thrd_create(&thread, accept_breaking, &peer), thrd_success);
    begin(&t, HTTP_CLIENT_DEFAULT, NULL);
    snprintf(t.url, sizeof t.url, "http://%s/", name);
    struct http_call_options call = { .url = t.url };
    for (int i = 0; i < 2; i++) {
        ask_and_await(&t, call);
        assert_int_equal(t.status, 200);
        assert_int_equal(t.is_of_repeat, i == 1);
    }
    assert_int_equal(peer.seen, 3); /* the second was sent twice */
    call.is_sent_once = true;
    for (int i = 0; i < 2; i++) {
        ask_and_await(&t, call);
        assert_int_equal(t.status, 200);
        assert_false(t.is_of_repeat);
    }
    assert_int_equal(peer.seen, 5);
    end(&t);
    shutdown(peer.listen_fd, SHUT_RDWR);
    thrd_join(thread, NULL);
    close(peer.listen_fd);
}

static void a_cancelled_call_never_replies(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    struct http_call *running = NULL, *waiting = NULL;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.running_max = 1;
    begin(&t, options, NULL);
    assert_true(ask(&t, (struct http_call_options){ .url = url_of(&t, "/hold") }, &running, &e));
    assert_true(ask(&t, (struct http_call_options){ .url = url_of(&t, "/hold") }, &waiting, &e));
    http_call_cancel(waiting);
    assert_true(ask(&t, (struct http_call_options){ .url = url_of(&t, "/echo") }, NULL, &e));
    http_call_cancel(running);
    await(&t, 1); /* of the third */
    assert_int_equal(t.status, 200);
    struct http_client_stats stats = http_client_stats(t.client);
    assert_int_equal(stats.running + stats.waiting, 0);
    end(&t);
}

/* A call that is cancelled from within another one's on_body: libcurl is in the middle of it. */
struct crossing {
    struct asking t;
    struct http_call *other;
};

static bool cancel_other(void *owner, struct str bytes)
{
    struct crossing *c = container_of(owner, struct crossing, t);
    (void)bytes;
    if (c->other)
        http_call_cancel(take(c->other));
    return true;
}

static void a_call_can_be_cancelled_from_within_anothers_body(void **state)
{
    (void)state;
    struct crossing c = { 0 };
    struct err e;
    begin(&c.t, HTTP_CLIENT_DEFAULT, NULL);
    assert_true(
        ask(&c.t, (struct http_call_options){ .url = url_of(&c.t, "/hold") }, &c.other, &e));
    ask_and_await(
        &c.t, (struct http_call_options){ .url = url_of(&c.t, "/big"), .on_body = cancel_other });
    assert_null(c.other);
    assert_int_equal(http_client_stats(c.t.client).running, 0);
    end(&c.t);
}

static void a_client_may_go_while_calls_run_and_wait(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.running_max = 1;
    begin(&t, options, NULL);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/echo") });
    for (int i = 0; i < 3; i++)
        assert_true(ask(&t, (struct http_call_options){ .url = url_of(&t, "/hold") }, NULL, &e));
    end(&t);
    assert_int_equal(t.came, 0);
}

static void the_breaker_opens_when_nobody_is_there_and_closes_after_a_probe(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.breaker.failures_max = 2;
    options.breaker.open_us = options.breaker.open_us_max = 20'000;
    options.origin = ERR_ORIGIN_AI;
    begin(&t, options, NULL);
    int64_t began_us = http_client_stats(t.client).breaker_since_us;
    for (int i = 0; i < 2; i++) {
        ask_and_await(&t, (struct http_call_options){ .url = "http://127.0.0.1:1/" });
        assert_int_equal(t.code, ERR_UNAVAILABLE);
        assert_int_equal(t.origin, ERR_ORIGIN_AI);
    }
    int64_t opened_us = http_client_stats(t.client).breaker_since_us;
    assert_true(began_us > 0 && opened_us > began_us);
    assert_false(ask(&t, (struct http_call_options){ .url = url_of(&t, "/echo") }, NULL, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_int_equal(http_client_stats(t.client).breaker, HTTP_BREAKER_OPEN);
    struct io_timer *pause = io_timer_create(t.loop, stop_loop, &t);
    io_timer_start(pause, 40);
    io_loop_run(t.loop);
    io_timer_destroy(pause);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/echo") });
    assert_int_equal(t.status, 200);
    assert_int_equal(http_client_stats(t.client).breaker, HTTP_BREAKER_CLOSED);
    assert_true(http_client_stats(t.client).breaker_since_us > opened_us);
    end(&t);
}

/* ---- On somebody else's behalf ---- */

static struct http_client_options guarded(struct http_guard *guard)
{
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.guard = guard;
    return options;
}

static void a_guarded_client_refuses_the_address_behind_any_name(void **state)
{
    (void)state;
    static const char *const hosts[] = { "127.0.0.1", "localhost",          "2130706433",
                                         "0x7f.1",    "0177.0.0.1",         "0",
                                         "[::1]",     "[::ffff:127.0.0.1]", "127.1",
                                         "[::]" };
    scoped(http_guard_destroyp) struct http_guard *guard = NULL;
    struct asking t;
    struct err e;
    assert_true(http_guard_create(STR(""), &guard, &e));
    begin(&t, guarded(guard), NULL);
    for (size_t i = 0; i < countof(hosts); i++) {
        char url[128];
        snprintf(url, sizeof url, "http://%s%s/echo", hosts[i], strchr(t.server.address, ':'));
        ask_and_await(&t, (struct http_call_options){ .url = url });
        if (t.code != ERR_DENIED)
            fail_msg("%s: status %d, \"%s\"", url, t.status, t.message);
        assert_non_null(strstr(t.message, "http-allow"));
    }
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/echo") });
    assert_string_equal(t.message,
                        "127.0.0.1 is not a public address (loopback); http-allow may name it");
    assert_int_equal(fixture_stats(&t.server).connections_accepted, 0);
    /* What was asked of a peer that is not there says nothing of other peers. */
    assert_int_equal(http_client_stats(t.client).breaker, HTTP_BREAKER_CLOSED);
    end(&t);
}

static void a_guarded_client_reaches_what_the_setting_names(void **state)
{
    (void)state;
    scoped(http_guard_destroyp) struct http_guard *guard = NULL;
    struct asking t;
    struct err e;
    assert_true(http_guard_create(STR("127.0.0.1"), &guard, &e));
    begin(&t, guarded(guard), NULL);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/echo") });
    assert_int_equal(t.status, 200);
    end(&t);
}

static void ask_redirected(struct asking *t, unsigned redirects_max, const char *to)
{
    char url[256];
    snprintf(url, sizeof url, "%s?to=%s", url_of(t, "/redirect-to"), to);
    ask_and_await(t, (struct http_call_options){ .url = url, .redirects_max = redirects_max });
}

static void redirects_are_followed_as_often_as_a_call_says(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        unsigned redirects_max;
        int status;
        enum err_code code;
    } rows[] = {
        { "/echo", 0, 302, ERR_NONE },
        { "/echo", 1, 200, ERR_NONE },
        { "/redirect", 1, 0, ERR_INVALID },
        { "/redirect", 2, 200, ERR_NONE },
        { "file:///etc/passwd", 5, 0, ERR_INVALID },
        { "ftp://127.0.0.1/", 5, 0, ERR_INVALID },
        { "http://127.0.0.2/echo", 5, 0, ERR_DENIED }, /* each address is judged anew */
        { "http://[::1]/echo", 5, 0, ERR_DENIED },
    };
    scoped(http_guard_destroyp) struct http_guard *guard = NULL;
    struct asking t;
    struct err e;
    assert_true(http_guard_create(STR("127.0.0.1"), &guard, &e));
    begin(&t, guarded(guard), NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        ask_redirected(&t, rows[i].redirects_max, rows[i].to);
        if (t.status != rows[i].status || t.code != rows[i].code)
            fail_msg("to %s within %u: %d, \"%s\"", rows[i].to, rows[i].redirects_max, t.status,
                     t.message);
    }
    end(&t);
}

static void a_long_body_can_be_kept_in_part(void **state)
{
    (void)state;
    static const struct {
        size_t kept, len;
        bool is_cut;
    } rows[] = {
        { 1, 1, true },
        { BIG_BYTES - 1, BIG_BYTES - 1, true },
        { BIG_BYTES, BIG_BYTES, false },
        { BIG_BYTES + 1, BIG_BYTES, false },
    };
    struct asking t;
    begin(&t, HTTP_CLIENT_DEFAULT, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/big"),
                                                      .body_bytes_kept = rows[i].kept });
        assert_int_equal(t.status, 200);
        assert_int_equal(t.body.len, rows[i].len);
        assert_int_equal(t.is_cut, rows[i].is_cut);
    }
    end(&t);
}

/* A resolver that is stuck on one name until the test lets it go. */
static struct {
    mtx_t mutex;
    cnd_t changed;
    bool is_stuck, is_let_go;
} resolver;

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* In the place of libc's, for libcurl too. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret_list)
{
    getaddrinfo_fn *real;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    if (!name || strcmp(name, "stuck.example") != 0)
        return real(name, service, hints, ret_list);
    mtx_lock(&resolver.mutex);
    resolver.is_stuck = true;
    cnd_broadcast(&resolver.changed);
    while (!resolver.is_let_go)
        cnd_wait(&resolver.changed, &resolver.mutex);
    resolver.is_stuck = false;
    cnd_broadcast(&resolver.changed);
    mtx_unlock(&resolver.mutex);
    return EAI_AGAIN;
}

static void a_name_that_is_looked_up_for_long_holds_up_nobody(void **state)
{
    (void)state;
    struct asking t;
    struct err e;
    mtx_init(&resolver.mutex, mtx_plain);
    cnd_init(&resolver.changed);
    begin(&t, HTTP_CLIENT_DEFAULT, NULL);
    struct http_call_options call = { .url = "http://stuck.example/", .deadline_ms = 50 };
    alarm(GUARD_MS / 1000); /* a loop that waits for the lookup never comes back */
    assert_true(ask(&t, call, NULL, &e));
    await(&t, 1);
    assert_int_equal(t.code, ERR_TIMEOUT);
    ask_and_await(&t, (struct http_call_options){ .url = url_of(&t, "/echo") });
    assert_int_equal(t.status, 200);
    mtx_lock(&resolver.mutex);
    while (!resolver.is_stuck) /* it still is: all of this happened meanwhile */
        cnd_wait(&resolver.changed, &resolver.mutex);
    resolver.is_let_go = true;
    cnd_broadcast(&resolver.changed);
    while (resolver.is_stuck)
        cnd_wait(&resolver.changed, &resolver.mutex);
    mtx_unlock(&resolver.mutex);
    alarm(0);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_answered_on_one_kept_connection),
        cmocka_unit_test(unix_sockets_are_asked_whatever_the_url_names),
        cmocka_unit_test(statuses_are_replies_and_redirects_are_not_followed),
        cmocka_unit_test(what_cannot_be_asked_is_refused_at_once),
        cmocka_unit_test(a_call_ends_at_its_deadline_whether_it_runs_or_waits),
        cmocka_unit_test(a_failed_call_tells_whether_the_peer_may_have_seen_it),
        cmocka_unit_test(the_queue_is_bounded_and_goes_on_in_order),
        cmocka_unit_test(an_answer_that_is_too_large_is_an_error),
        cmocka_unit_test(a_body_can_be_taken_piece_by_piece_and_given_up),
        cmocka_unit_test(a_call_that_must_not_be_repeated_is_sent_once),
        cmocka_unit_test(a_cancelled_call_never_replies),
        cmocka_unit_test(a_call_can_be_cancelled_from_within_anothers_body),
        cmocka_unit_test(a_client_may_go_while_calls_run_and_wait),
        cmocka_unit_test(the_breaker_opens_when_nobody_is_there_and_closes_after_a_probe),
        cmocka_unit_test(a_guarded_client_refuses_the_address_behind_any_name),
        cmocka_unit_test(a_guarded_client_reaches_what_the_setting_names),
        cmocka_unit_test(redirects_are_followed_as_often_as_a_call_says),
        cmocka_unit_test(a_long_body_can_be_kept_in_part),
        cmocka_unit_test(a_name_that_is_looked_up_for_long_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
