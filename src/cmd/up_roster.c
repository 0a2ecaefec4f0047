#include "cmd/up_roster_priv.h"

#include "base/random.h"

#define ARGS(name) ((const char *const[]){ "windlass", (name), NULL })

/* One of them leads, the others stand by for it. */
#define WORKER_KIND(text)                                                                          \
    {                                                                                              \
        .name = (text), .command = CONF_FOR_WORKER, .wave = UP_WAVE_WORKER, .args = ARGS("worker") \
    }

const struct up_service_kind up_roster[UP_SERVICE_COUNT] = {
    [UP_WORKER] = WORKER_KIND("worker"),
    [UP_WORKER_2] = WORKER_KIND("worker-2"),
    [UP_WORKER_3] = WORKER_KIND("worker-3"),
    [UP_WORKER_4] = WORKER_KIND("worker-4"),
    [UP_AI] = { .name = "ai", .command = CONF_FOR_AI, .wave = UP_WAVE_ASKED, .args = ARGS("ai") },
    [UP_RUNNER] = { .name = "runner",
                    .command = CONF_FOR_RUNNER,
                    .wave = UP_WAVE_ASKERS,
                    .args = ARGS("runner") },
    [UP_GATEWAY] = { .name = "gateway",
                     .command = CONF_FOR_GATEWAY,
                     .wave = UP_WAVE_ASKERS,
                     .args = ARGS("gateway") },
};

bool up_is_wanted(const struct conf *conf, enum up_service id)
{
    return id >= UP_WORKERS_MAX || (int64_t)id < conf_int(conf, CONF_WORKERS);
}

const char *up_service_path(struct arena *a, const char *run, enum up_service id)
{
    return arena_printf(a, "%s/%s.sock", run, up_roster[id].name).ptr;
}

static void make_token(char ret_token[UP_TOKEN_LEN + 1])
{
    char bytes[UP_TOKEN_BYTES];
    random_bytes(bytes, sizeof bytes);
    base64url_encode(str_of(bytes, sizeof bytes), ret_token);
    explicit_bzero(bytes, sizeof bytes);
}

void up_links_make_tokens(struct up_links *links)
{
    make_token(links->gateway_token);
    make_token(links->runner_token);
}

static const char *unix_url(struct arena *a, const struct up_links *links, enum up_service id)
{
    return arena_printf(a, "unix:%s", up_service_path(a, links->run, id)).ptr;
}

/* All of them: who asks finds the one that leads. */
static const char *worker_urls(struct arena *a, const struct up_links *links)
{
    struct str urls = STR("");
    for (enum up_service id = UP_WORKER; id < links->worker_count; id++)
        urls = arena_printf(a, "%.*s%s%s", STR_FMT(urls), id == UP_WORKER ? "" : ",",
                            unix_url(a, links, id));
    return arena_cstr(a, urls);
}

/* How the ai service reaches the gateway, on this machine. */
static const char *callback_url(struct arena *a, const struct io_listen_set *sockets)
{
    char url[IO_URL_MAX];
    if (sockets->port == 0) /* a unix socket, whose address is one already */
        return sockets->address;
    io_listen_set_url(sockets, url);
    return arena_cstr(a, str_of_c(url));
}

enum { EVERYBODY = (1 << UP_SERVICE_COUNT) - 1 };

/* Settings that `up` knows better than whoever wrote them; NULL takes one away. */
struct rule {
    unsigned services; /* a bit for each enum up_service */
    enum conf_id id;
    const char *value;
};

const char *const *up_service_env(struct arena *a, enum up_service id, const struct up_links *links,
                                  const struct up_env_options *base)
{
    enum { WORKER = (1 << UP_WORKERS_MAX) - 1, AI = 1 << UP_AI, RUNNER = 1 << UP_RUNNER };
    enum { GATEWAY = 1 << UP_GATEWAY };
    const struct rule rules[] = {
        { EVERYBODY, CONF_LOG_FORMAT, links->log_format },
        { WORKER, CONF_LOG_NAME, up_roster[id].name },
        { WORKER | GATEWAY, CONF_SCHEMA, "check" }, /* migrate has been there */
        { WORKER | GATEWAY, CONF_MIGRATE_DATABASE_URL, NULL },
        { GATEWAY, CONF_DATABASE_URL, links->gateway_database },
        { WORKER, CONF_DATABASE_URL, links->worker_database },
        { WORKER, CONF_WORKER_DATABASE_URL, links->worker_database },
        { GATEWAY, CONF_PORT, arena_printf(a, "%d", links->sockets->port).ptr },
        { GATEWAY, CONF_GATEWAY_LOOPS, arena_printf(a, "%zu", links->sockets->count).ptr },
        { GATEWAY, CONF_CALLBACK_URL, callback_url(a, links->sockets) },
        { GATEWAY, CONF_AI_URL, unix_url(a, links, UP_AI) },
        { GATEWAY | RUNNER, CONF_WORKER_URL, worker_urls(a, links) },
        { RUNNER, CONF_COMMANDS_SOCKET, links->commands_socket },
        { WORKER, CONF_WORKER_LISTEN, unix_url(a, links, id) },
        { AI, CONF_AI_LISTEN, unix_url(a, links, UP_AI) },
        { RUNNER, CONF_RUNNER_LISTEN, unix_url(a, links, UP_RUNNER) },
        { GATEWAY | WORKER | AI, CONF_GATEWAY_TOKEN, links->gateway_token },
        { WORKER | RUNNER, CONF_RUNNER_TOKEN, links->runner_token },
    };
    struct up_override overrides[countof(rules)];
    struct up_env_options options = *base;
    options.command = up_roster[id].command;
    options.overrides = overrides;
    options.override_count = 0;
    for (size_t i = 0; i < countof(rules); i++)
        if ((rules[i].services & (1U << id)) != 0)
            overrides[options.override_count++] =
                (struct up_override){ .id = rules[i].id, .value = rules[i].value };
    return up_env(a, &options);
}
