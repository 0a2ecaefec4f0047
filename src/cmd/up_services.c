#include "cmd/up_priv.h"

#include <signal.h>
#include <unistd.h>

enum {
    NEWS_MS = 5'000,            /* between looks at a service that is not ready */
    WORKER_PATIENCE_MS = 5'000, /* how long "ready" waits for the worker, so that it takes tasks */
};

static up_step_fn await_migrated, start_services, await_services;

static const char *log_format_name(const struct up *u)
{
    static const char *const names[] = { [CONF_LOG_FORMAT_TEXT] = "text",
                                         [CONF_LOG_FORMAT_LOGFMT] = "logfmt",
                                         [CONF_LOG_FORMAT_JSON] = "json" };
    return names[cmd_log_format(u->conf)];
}

static struct up_env_options env_options(const struct up *u)
{
    return (struct up_env_options){ .conf = u->conf,
                                    .environment = (const char *const *)environ,
                                    .notify_path = u->notify_path,
                                    .is_home_kept = !u->site.identity.is_root };
}

/* Of our own program: `windlass NAME …`. */
static struct io_child_spec own_spec(const struct up *u, const char *const *args,
                                     const char *const *env)
{
    return (struct io_child_spec){
        .program_fd = u->site.program_fd,
        .args = args,
        .env = env,
        .folder = "/",
        .input_fd = -1,
        /* Its database goes at the same moment, so there is nothing to drain: at once, hung or not.
         */
        .death_signal = SIGKILL,
    };
}

/* What is to be done about the schema before services start; NULL: they check it themselves. */
static const char *schema_action(const struct up *u)
{
    switch ((enum conf_schema)conf_choice(u->conf, CONF_SCHEMA)) {
    case CONF_SCHEMA_SYNCHRONISE:
        return "sync";
    case CONF_SCHEMA_MIGRATE:
        return "run";
    case CONF_SCHEMA_CHECK:
        return NULL;
    case CONF_SCHEMA_AUTO:
        break;
    }
    if (conf_choice(u->conf, CONF_ENV) == CONF_ENV_DEVELOPMENT)
        return "sync";
    return u->site.has_cluster ? "run" : NULL;
}

/* As who owns them. */
static const char *shard_databases(const struct up *u)
{
    const char *urls[UP_SHARDS_MAX] = { 0 };
    for (int shard = 1; shard < u->site.shard_count; shard++)
        urls[shard] = up_site_shard_database(&u->site, UP_ROLE_OWNER, shard);
    return up_shard_texts(u->arena, urls, u->site.shard_count);
}

static const char *given_url(const struct up *u, enum conf_id id)
{
    return conf_is_given(u->conf, id) ? conf_cstr(u->conf, id) : NULL;
}

enum up_next up_begin_services(struct up *u)
{
    struct err e;
    const char *action = schema_action(u);
    if (!action)
        return go(u, start_services);
    const char *const args[] = { "windlass", "migrate", action, NULL };
    const char *own =
        u->site.has_cluster ? up_cluster_url(&u->site.cluster, UP_ROLE_OWNER, 0) : NULL;
    const struct up_override overrides[] = {
        { CONF_LOG_FORMAT, log_format_name(u) },
        { CONF_SHARD, NULL }, /* all of them */
        { CONF_SHARD_DATABASE_URLS, shard_databases(u) },
        { CONF_DATABASE_URL, own ? own : given_url(u, CONF_DATABASE_URL) },
        { CONF_MIGRATE_DATABASE_URL, own ? own : given_url(u, CONF_MIGRATE_DATABASE_URL) },
    };
    struct up_env_options options = env_options(u);
    options.command = CONF_FOR_MIGRATE;
    options.overrides = overrides;
    options.override_count = countof(overrides);
    const struct up_child_plan plan = { .name = "migrate",
                                        .spec = own_spec(u, args, up_env(u->arena, &options)) };
    return up_helper_start(u, &plan, &e) ? go(u, await_migrated) : up_fail(u, &e);
}

static enum up_next await_migrated(struct up *u)
{
    struct err e;
    char how[IO_EXIT_TEXT_MAX];
    if (up_child_state(u->helper) != UP_CHILD_ENDED)
        return UP_WAIT;
    if (up_helper_succeeded(u))
        return go(u, start_services);
    io_exit_format(up_child_exit(u->helper), how);
    err_set(&e, ERR_INTERNAL, "the schema was not brought up to date: migrate ended with %s", how);
    return up_fail(u, &e);
}

static void on_service(void *owner, struct up_child *child)
{
    if (up_child_state(child) != UP_CHILD_RUNNING)
        up_run(owner);
}

static void link_services(struct up *u)
{
    const struct up_cluster *cluster = u->site.has_cluster ? &u->site.cluster : NULL;
    u->links = (struct up_links){
        .run = u->site.run,
        .shard_count = u->site.shard_count,
        .worker_count = (int)conf_int(u->conf, CONF_WORKERS),
        .sockets = &u->site.sockets[UP_GATEWAY],
        .log_format = log_format_name(u),
        .commands_socket = u->site.has_spawner ? u->site.spawner.address : NULL,
        .gateway_database =
            cluster ? up_cluster_url(cluster, UP_ROLE_GATEWAY, 0) : given_url(u, CONF_DATABASE_URL),
        .worker_databases = { cluster ? up_cluster_url(cluster, UP_ROLE_WORKER, 0)
                              : conf_is_given(u->conf, CONF_WORKER_DATABASE_URL)
                                  ? given_url(u, CONF_WORKER_DATABASE_URL)
                                  : given_url(u, CONF_DATABASE_URL) },
    };
    for (int shard = 1; shard < u->site.shard_count; shard++)
        u->links.worker_databases[shard] = up_site_shard_database(&u->site, UP_ROLE_WORKER, shard);
    up_links_make_tokens(&u->links);
}

static bool start_service(struct up *u, enum up_service id, struct err *e)
{
    const struct up_service_kind *kind = &up_roster[id];
    const struct up_env_options options = env_options(u);
    struct up_child_plan plan = {
        .name = kind->name,
        .spec = own_spec(u, kind->args, up_service_env(u->arena, id, &u->links, &options)),
        .is_restarted = true,
    };
    plan.spec.listen_fds = u->site.sockets[id].fds;
    plan.spec.listen_count = u->site.sockets[id].count;
    u->services[id] = up_child_create(u->loop, &plan, on_service, u);
    return up_child_start(u->services[id], e);
}

/* All at once: who needs another waits for it by itself. */
static enum up_next start_services(struct up *u)
{
    struct err e;
    link_services(u);
    for (enum up_service id = 0; id < UP_SERVICE_COUNT; id++)
        if (up_is_wanted(u->conf, id) && !start_service(u, id, &e))
            return up_fail(u, &e);
    return go(u, await_services);
}

static void print_setup_link(struct up *u, const char *url)
{
    if (u->setup_token[0])
        printf("Set up the first user: %s/setup?token=%s\n", url, u->setup_token);
}

/* For `windlass task` and its like on this machine: the folder is its owner's alone. */
static void leave_url(const struct up *u, const char *url)
{
    FILE *file = fopen(up_url_file(u->arena, u->site.run), "we");
    bool is_left = file != NULL && fprintf(file, "%s\n", url) > 0;
    if ((file != NULL && fclose(file) != 0) || !is_left)
        log_warn("up.url_not_left", "folder=%s", log_quote(str_of_c(u->site.run)));
}

/* To standard output, for people: the log never holds the token. */
static void announce(struct up *u)
{
    char own[IO_URL_MAX];
    const char *url =
        conf_is_given(u->conf, CONF_PUBLIC_URL) ? conf_cstr(u->conf, CONF_PUBLIC_URL) : own;
    io_listen_set_url(&u->site.sockets[UP_GATEWAY], own);
    if (!u->is_announced) {
        log_info("up.ready", "url=%s took_ms=%lld", log_quote(str_of_c(url)),
                 (long long)((clock_mono_us() - u->born_us) / CLOCK_MS));
        up_tell_supervisor("READY=1\nSTATUS=serving\n");
        leave_url(u,
                  u->site.sockets[UP_GATEWAY].port > 0 ? own : u->site.sockets[UP_GATEWAY].address);
        printf("Windlass is ready at %s\n", url);
    }
    print_setup_link(u, url);
    (void)fflush(stdout);
    u->is_announced = true;
}

/* It will not get better by trying again: usage, or settings that it refuses. */
static bool is_hopeless(const struct up_child *child)
{
    struct io_exit how = up_child_exit(child);
    return up_child_failures(child) > 0 && !how.by_signal &&
           (how.code == CMD_USAGE || how.code == CMD_BAD_SETTINGS);
}

/* Who was ready once is tried again whatever it says: its settings were good. */
static bool a_service_refuses(struct up *u, struct err *e)
{
    for (enum up_service id = 0; id < UP_SERVICE_COUNT; id++)
        if (u->services[id] && !u->was_ready[id] && is_hopeless(u->services[id])) {
            err_set(e, ERR_INVALID, "the %s refuses its settings, see above", up_roster[id].name);
            return true;
        }
    return false;
}

static bool is_shard_ready(const struct up *u, int shard)
{
    for (int nth = 0; nth < UP_WORKERS_MAX; nth++) {
        const struct up_child *worker = u->services[UP_WORKER_OF(shard, nth)];
        if (worker && up_child_is_ready(worker))
            return true;
    }
    return false;
}

static bool are_shards_ready(const struct up *u)
{
    for (int shard = 0; shard < u->site.shard_count; shard++)
        if (!is_shard_ready(u, shard))
            return false;
    return true;
}

/* Served is who the gateway serves; the others may follow, though the worker is waited for. */
static enum up_next await_services(struct up *u)
{
    struct err e;
    if (a_service_refuses(u, &e))
        return up_fail(u, &e);
    int64_t left_ms = WORKER_PATIENCE_MS - up_step_age_ms(u);
    bool is_served = up_child_is_ready(u->services[UP_GATEWAY]);
    bool has_workers = are_shards_ready(u);
    if (!is_served || (!has_workers && left_ms > 0)) {
        up_tell_news(u, "up.services_awaited", "waiting for the services");
        return up_wait_ms(u, is_served ? left_ms : NEWS_MS);
    }
    if (!has_workers)
        log_warn("up.worker_late", "waited_ms=%lld what=%s", (long long)up_step_age_ms(u),
                 log_quote(STR("tasks and jobs wait in the outbox until it is ready")));
    announce(u);
    return go(u, up_serve);
}

/* A slower service may still refuse its settings: then the start has failed all the same. */
enum up_next up_serve(struct up *u)
{
    struct err e;
    return a_service_refuses(u, &e) ? up_fail(u, &e) : UP_WAIT;
}

static void take_setup_token(struct up *u, struct str lines)
{
    struct str token = { 0 };
    if (!io_notify_value(lines, STR("X_WINDLASS_SETUP_TOKEN"), &token) ||
        token.len > UP_SETUP_TOKEN_MAX || str_eq_c(token, u->setup_token))
        return;
    snprintf(u->setup_token, sizeof u->setup_token, "%.*s", STR_FMT(token));
    if (u->is_announced) /* a restarted gateway has made a new one */
        announce(u);
}

/* Which service that process is; UP_SERVICE_COUNT: none. */
static enum up_service service_of(const struct up *u, pid_t pid)
{
    enum up_service id = 0;
    while (id < UP_SERVICE_COUNT &&
           (pid == 0 || !u->services[id] || up_child_pid(u->services[id]) != pid))
        id++;
    return id;
}

void up_take_notice(void *owner, pid_t sender, struct str lines)
{
    struct up *u = owner;
    struct str value = { 0 };
    enum up_service id = service_of(u, sender);
    if (id == UP_SERVICE_COUNT) {
        log_debug("up.notify_ignored", "pid=%d", (int)sender);
        return;
    }
    if (id == UP_GATEWAY)
        take_setup_token(u, lines);
    if (io_notify_value(lines, STR("STATUS"), &value))
        log_debug("up.child_status", "child=%s status=%s", up_roster[id].name, log_quote(value));
    if (io_notify_value(lines, STR("READY"), &value) && str_eq_c(value, "1") &&
        !up_child_is_ready(u->services[id])) {
        up_child_set_ready(u->services[id]);
        u->was_ready[id] = true;
        log_info("up.child_ready", "child=%s pid=%d", up_roster[id].name, (int)sender);
        up_run(u);
    }
}
