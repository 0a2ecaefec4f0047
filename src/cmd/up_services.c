#include "cmd/up_priv.h"

#include <signal.h>
#include <unistd.h>

enum { NEWS_MS = 5'000 }; /* between looks at a service that is not ready */

static up_step_fn await_migrated, start_services, await_services;

static const char *log_format_name(const struct up *u)
{
    static const char *const names[] = { [CONF_LOG_FORMAT_TEXT] = "text",
                                         [CONF_LOG_FORMAT_LOGFMT] = "logfmt",
                                         [CONF_LOG_FORMAT_JSON] = "json" };
    return names[cmd_log_format(u->conf)];
}

/* Of our own program: `windlass NAME …`. */
static struct io_child_spec service_spec(struct up *u, const char *const *args, unsigned command,
                                         const struct up_override *overrides, size_t count)
{
    const struct up_env_options env = {
        .conf = u->conf,
        .command = command,
        .environment = (const char *const *)environ,
        .notify_path = u->notify_path,
        .is_home_kept = !u->site.identity.is_root,
        .overrides = overrides,
        .override_count = count,
    };
    return (struct io_child_spec){
        .program_fd = u->site.program_fd,
        .args = args,
        .env = up_env(u->arena, &env),
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

enum up_next up_begin_services(struct up *u)
{
    struct err e;
    const char *action = schema_action(u);
    if (!action)
        return go(u, start_services);
    const char *const args[] = { "windlass", "migrate", action, NULL };
    const char *url = u->site.has_cluster ? up_cluster_url(&u->site.cluster, UP_ROLE_OWNER) : NULL;
    const struct up_override overrides[] = {
        { CONF_LOG_FORMAT, log_format_name(u) },
        { CONF_DATABASE_URL, url },
        { CONF_MIGRATE_DATABASE_URL, url },
    };
    const struct up_child_plan plan = {
        .name = "migrate",
        .spec = service_spec(u, args, CONF_FOR_MIGRATE, overrides, url ? countof(overrides) : 1),
    };
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

static enum up_next start_services(struct up *u)
{
    static const char *const args[] = { "windlass", "gateway", NULL };
    struct err e;
    char port[16], loops[16];
    snprintf(port, sizeof port, "%d", u->site.sockets.port);
    snprintf(loops, sizeof loops, "%zu", u->site.sockets.count);
    const struct up_override overrides[] = {
        { CONF_LOG_FORMAT, log_format_name(u) },
        { CONF_SCHEMA, "check" },
        { CONF_PORT, port },
        { CONF_GATEWAY_LOOPS, loops },
        { CONF_DATABASE_URL,
          u->site.has_cluster ? up_cluster_url(&u->site.cluster, UP_ROLE_GATEWAY) : NULL },
    };
    struct up_child_plan plan = {
        .name = "gateway",
        .spec = service_spec(u, args, CONF_FOR_GATEWAY, overrides,
                             u->site.has_cluster ? countof(overrides) : countof(overrides) - 1),
        .is_restarted = true,
    };
    plan.spec.listen_fds = u->site.sockets.fds;
    plan.spec.listen_count = u->site.sockets.count;
    u->gateway = up_child_create(u->loop, &plan, on_service, u);
    return up_child_start(u->gateway, &e) ? go(u, await_services) : up_fail(u, &e);
}

static void print_setup_link(struct up *u, const char *url)
{
    if (u->setup_token[0])
        printf("Set up the first user: %s/setup?token=%s\n", url, u->setup_token);
}

/* To standard output, for people: the log never holds the token. */
static void announce(struct up *u)
{
    char own[IO_URL_MAX];
    const char *url =
        conf_is_given(u->conf, CONF_PUBLIC_URL) ? conf_cstr(u->conf, CONF_PUBLIC_URL) : own;
    io_listen_set_url(&u->site.sockets, own);
    if (!u->is_announced) {
        log_info("up.ready", "url=%s took_ms=%lld", log_quote(str_of_c(url)),
                 (long long)((clock_mono_us() - u->born_us) / CLOCK_MS));
        up_tell_supervisor("READY=1\nSTATUS=serving\n");
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

static enum up_next await_services(struct up *u)
{
    struct err e;
    if (up_child_is_ready(u->gateway)) {
        announce(u);
        return go(u, up_serve);
    }
    if (is_hopeless(u->gateway)) {
        err_set(&e, ERR_INVALID, "the gateway refuses its settings, see above");
        return up_fail(u, &e);
    }
    up_tell_news(u, "up.services_awaited", "waiting for the services");
    return up_wait_ms(u, NEWS_MS);
}

enum up_next up_serve(struct up *u)
{
    (void)u;
    return UP_WAIT;
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

void up_take_notice(void *owner, pid_t sender, struct str lines)
{
    struct up *u = owner;
    struct str value = { 0 };
    if (!u->gateway || sender == 0 || sender != up_child_pid(u->gateway)) {
        log_debug("up.notify_ignored", "pid=%d", (int)sender);
        return;
    }
    take_setup_token(u, lines);
    if (io_notify_value(lines, STR("STATUS"), &value))
        log_debug("up.child_status", "child=gateway status=%s", log_quote(value));
    if (io_notify_value(lines, STR("READY"), &value) && str_eq_c(value, "1") &&
        !up_child_is_ready(u->gateway)) {
        up_child_set_ready(u->gateway);
        log_info("up.child_ready", "child=gateway pid=%d", (int)sender);
        up_run(u);
    }
}
