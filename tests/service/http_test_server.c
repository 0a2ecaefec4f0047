/*
 * http_test_server: a small server for the tests of src/http with outside clients.
 * Usage: http_test_server ADDRESS [LIMIT=VALUE...]     prints "listening on ADDRESS" when it does.
 * SIGTERM drains and exits 0.
 */
#include "base/base.h"

#include <signal.h>

#include "base/log.h"
#include "http/server.h"
#include "io/signals.h"
#include "io/stream.h"
#include "io/timer.h"

struct program {
    struct io_loop *loop;
    struct http_server *server;
    struct io_signal *term;
    struct http_limits limits;
};

static void hello(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 200, HTTP_JSON, STR("{\"data\":{\"__typename\":\"Query\"}}"));
}

static void echo(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 200, STR("Content-Type: application/octet-stream\r\n"), r->body);
}

/* As many bytes as the query's `bytes` says; with `gzip=1` compressible and compressed. */
static void big(void *owner, struct http_request *r)
{
    (void)owner;
    struct str text = STR("1000"), wish;
    uint64_t bytes = 0;
    (void)http_query(r, STR("bytes"), &text);
    if (!str_to_u64(text, &bytes) || bytes > 64U * 1024 * 1024) {
        http_respond_text(r, 400, STR("bytes is not a number up to 64 MiB"));
        return;
    }
    char *at = buf_reserve(r->out, bytes);
    memset(at, 'x', bytes);
    buf_advance(r->out, bytes);
    r->may_compress = http_query(r, STR("gzip"), &wish);
    http_respond(r, 200, HTTP_TEXT, buf_str(r->out));
}

struct later {
    struct http_request *request;
    struct io_timer *timer;
};

static void answer_later(void *owner)
{
    struct later *l = owner;
    io_timer_destroy(l->timer);
    http_respond_text(l->request, 200, l->request->query);
}

/* Answers after 100 ms. */
static void slow(void *owner, struct http_request *r)
{
    struct program *p = owner;
    struct later *l = arena_new(r->arena, struct later);
    l->request = r;
    l->timer = io_timer_create(p->loop, answer_later, l);
    io_timer_start(l->timer, 100);
}

static void drained(void *owner)
{
    struct program *p = owner;
    http_server_destroy(p->server);
    io_signal_destroy(p->term);
    io_loop_stop(p->loop);
}

static void terminate(void *owner)
{
    struct program *p = owner;
    http_server_drain(p->server, 5000, drained, p);
}

static bool set_limit(struct http_limits *limits, const char *argument)
{
    const struct {
        const char *name;
        size_t *size;
        int64_t *time;
    } known[] = {
        { "connections_max", &limits->connections_max, NULL },
        { "pipelined_max", &limits->pipelined_max, NULL },
        { "idle_ms", NULL, &limits->idle_ms },
    };
    struct str name, value;
    uint64_t number = 0;
    if (!str_cut(str_of_c(argument), '=', &name, &value) || !str_to_u64(value, &number))
        return false;
    for (size_t i = 0; i < countof(known); i++)
        if (str_eq_c(name, known[i].name)) {
            if (known[i].size)
                *known[i].size = number;
            else
                *known[i].time = (int64_t)number;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct program p = { .loop = io_loop_create(), .limits = HTTP_LIMITS_DEFAULT };
    struct err e = { 0 };
    int fd = -1;
    char name[IO_ADDRESS_MAX];
    for (int i = 2; i < argc; i++)
        if (!set_limit(&p.limits, argv[i]))
            return 2;
    if (argc < 2 || !io_listen_open(str_of_c(argv[1]), false, &fd, &e)) {
        fprintf(stderr, "%s\n", argc < 2 ? "no address" : err_text(&e));
        return 2;
    }
    const struct http_route routes[] = {
        { .path = "/hello", .methods = HTTP_METHOD_GET | HTTP_METHOD_POST, .fn = hello },
        { .path = "/echo", .methods = HTTP_METHOD_POST, .fn = echo },
        { .path = "/big", .methods = HTTP_METHOD_GET, .fn = big },
        { .path = "/slow", .methods = HTTP_METHOD_GET, .fn = slow, .owner = &p },
    };
    p.server = http_server_create(p.loop, &(struct http_server_options){
                                              .limits = p.limits,
                                              .routes = routes,
                                              .route_count = countof(routes),
                                          });
    p.term = io_signal_create(p.loop, SIGTERM, terminate, &p);
    io_listen_name(fd, name);
    if (!http_server_listen(p.server, fd, &e)) {
        fprintf(stderr, "%s\n", err_text(&e));
        return 1;
    }
    printf("listening on %s\n", name);
    fflush(stdout);
    io_loop_run(p.loop);
    io_loop_destroy(p.loop);
    return 0;
}
