#include "cmd/up_roster_priv.h"

#include "base/random.h"

#define ARGS(name) ((const char *const[]){ "windlass", (name), NULL })

/* One of a shard's workers leads, the others stand by for it. */
#define WORKER_KIND(text, of, number)                                                              \
    [UP_WORKER_OF(of, number)] = { .name = (text),                                                 \
                                   .command = CONF_FOR_WORKER,                                     \
                                   .wave = UP_WAVE_WORKER,                                         \
                                   .shard = (of),                                                  \
                                   .nth = (number),                                                \
                                   .args = ARGS("worker") }
#define RUNNER_KIND(text, of)                                                                      \
    [UP_RUNNER_OF(of)] = { .name = (text),                                                         \
                           .command = CONF_FOR_RUNNER,                                             \
                           .wave = UP_WAVE_ASKERS,                                                 \
                           .shard = (of),                                                          \
                           .args = ARGS("runner") }
#define SHARD(of, prefix)                                                                          \
    WORKER_KIND(prefix "worker", of, 0), WORKER_KIND(prefix "worker-2", of, 1),                    \
        WORKER_KIND(prefix "worker-3", of, 2), WORKER_KIND(prefix "worker-4", of, 3),              \
        RUNNER_KIND(prefix "runner", of)

const struct up_service_kind up_roster[UP_SERVICE_COUNT] = {
    SHARD(0, ""),
    SHARD(1, "shard1-"),
    SHARD(2, "shard2-"),
    SHARD(3, "shard3-"),
    SHARD(4, "shard4-"),
    SHARD(5, "shard5-"),
    SHARD(6, "shard6-"),
    SHARD(7, "shard7-"),
    SHARD(8, "shard8-"),
    SHARD(9, "shard9-"),
    SHARD(10, "shard10-"),
    SHARD(11, "shard11-"),
    SHARD(12, "shard12-"),
    SHARD(13, "shard13-"),
    SHARD(14, "shard14-"),
    SHARD(15, "shard15-"),
    [UP_AI] = { .name = "ai", .command = CONF_FOR_AI, .wave = UP_WAVE_ASKED, .args = ARGS("ai") },
    [UP_GATEWAY] = { .name = "gateway",
                     .command = CONF_FOR_GATEWAY,
                     .wave = UP_WAVE_ASKERS,
                     .args = ARGS("gateway") },
};

bool up_is_wanted(const struct conf *conf, enum up_service id)
{
    return up_roster[id].shard < conf_int(conf, CONF_SHARDS) &&
           up_roster[id].nth < conf_int(conf, CONF_WORKERS);
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

/* All of the shard: who asks finds the one that leads. */
static const char *worker_urls(struct arena *a, const struct up_links *links, int shard)
{
    struct str urls = STR("");
    for (int nth = 0; nth < links->worker_count; nth++)
        urls = arena_printf(a, "%.*s%s%s", STR_FMT(urls), nth == 0 ? "" : ",",
                            unix_url(a, links, (enum up_service)UP_WORKER_OF(shard, nth)));
    return arena_cstr(a, urls);
}

const char *up_shard_texts(struct arena *a, const char *const texts[UP_SHARDS_MAX], int shard_count)
{
    struct str all = STR("");
    for (int shard = 1; shard < shard_count; shard++)
        all = arena_printf(a, "%.*s%s%d:%s", STR_FMT(all), shard == 1 ? "" : ";", shard,
                           texts[shard]);
    return all.len > 0 ? arena_cstr(a, all) : NULL;
}

static const char *shard_urls(struct arena *a, const struct up_links *links)
{
    const char *urls[UP_SHARDS_MAX] = { 0 };
    for (int shard = 1; shard < links->shard_count; shard++)
        urls[shard] = worker_urls(a, links, shard);
    return up_shard_texts(a, urls, links->shard_count);
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

/* Settings that `up` knows better than whoever wrote them; NULL takes one away. */
struct rule {
    unsigned services; /* those that have these commands, enum conf_for */
    enum conf_id id;
    const char *value;
};

const char *const *up_service_env(struct arena *a, enum up_service id, const struct up_links *links,
                                  const struct up_env_options *base)
{
    enum { WORKER = CONF_FOR_WORKER, AI = CONF_FOR_AI, RUNNER = CONF_FOR_RUNNER };
    enum { GATEWAY = CONF_FOR_GATEWAY, EVERYBODY = WORKER | AI | RUNNER | GATEWAY };
    const struct up_service_kind *kind = &up_roster[id];
    const char *database = links->worker_databases[kind->shard];
    const char *shard = kind->shard > 0 ? arena_printf(a, "%d", kind->shard).ptr : NULL;
    const struct rule rules[] = {
        { EVERYBODY, CONF_LOG_FORMAT, links->log_format },
        { WORKER | RUNNER, CONF_LOG_NAME, kind->name },
        { WORKER, CONF_SHARD, shard },
        { WORKER | GATEWAY, CONF_SCHEMA, "check" }, /* migrate has been there */
        { WORKER | GATEWAY, CONF_MIGRATE_DATABASE_URL, NULL },
        { GATEWAY, CONF_DATABASE_URL, links->gateway_database },
        { WORKER, CONF_DATABASE_URL, database },
        { WORKER, CONF_WORKER_DATABASE_URL, database },
        { GATEWAY, CONF_PORT, arena_printf(a, "%d", links->sockets->port).ptr },
        { GATEWAY, CONF_GATEWAY_LOOPS, arena_printf(a, "%zu", links->sockets->count).ptr },
        { GATEWAY, CONF_CALLBACK_URL, callback_url(a, links->sockets) },
        { GATEWAY, CONF_AI_URL, unix_url(a, links, UP_AI) },
        { GATEWAY | RUNNER, CONF_WORKER_URL, worker_urls(a, links, kind->shard) },
        { GATEWAY, CONF_SHARD_URLS, shard_urls(a, links) },
        { RUNNER, CONF_COMMANDS_SOCKET, links->commands_socket },
        { WORKER, CONF_WORKER_LISTEN, unix_url(a, links, id) },
        { AI, CONF_AI_LISTEN, unix_url(a, links, UP_AI) },
        { RUNNER, CONF_RUNNER_LISTEN, unix_url(a, links, id) },
        { GATEWAY | WORKER | AI, CONF_GATEWAY_TOKEN, links->gateway_token },
        { WORKER | RUNNER, CONF_RUNNER_TOKEN, links->runner_token },
    };
    struct up_override overrides[countof(rules)];
    struct up_env_options options = *base;
    options.command = kind->command;
    options.overrides = overrides;
    options.override_count = 0;
    for (size_t i = 0; i < countof(rules); i++)
        if ((rules[i].services & kind->command) != 0)
            overrides[options.override_count++] =
                (struct up_override){ .id = rules[i].id, .value = rules[i].value };
    return up_env(a, &options);
}
