/*
 * up: the supervisor, `windlass up`: the private PostgreSQL where no other is named, the schema,
 * then the services, all of them children that die with it.
 *
 *   begin --own cluster--> up_begin_database --> make_cluster --> await_initdb --> start_server
 *     |                                                                                 |
 *     | DATABASE_URL                  await_provided <-- provide <-- await_server <-----'
 *     v                                     |
 *   up_begin_services <---------------------'
 *     `--> await_migrated --> start_services --> await_services --> up_serve
 *
 *   any of them, on a signal or a failure -->
 *      stop_services --> await_services_stopped --> stop_server --> await_server_stopped
 *
 * Callbacks record what came and run the driver, up_run. A child that dies later is restarted by
 * up_children.c and does not change the step.
 */
#include "cmd/up_priv.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NEWS_MS = 5'000,             /* between words about something slow */
    HELPER_PATIENCE_MS = 5'000,  /* initdb and migrate, when we are stopped */
    DRAIN_EXTRA_MS = 5'000,      /* what services may take beyond their own drain time-out */
    SERVER_PATIENCE_MS = 60'000, /* a fast shutdown's checkpoint; then an immediate one */
    SERVER_GIVE_UP_MS = 120'000,
    ARENA_BYTES = 4 << 20, /* of which the environments of all services take most */
};

static up_step_fn begin, stop_services, await_services_stopped, stop_server, await_server_stopped;

/* The driver. */

enum up_next up_go(struct up *u, up_step_fn *step, const char *name)
{
    u->step = step;
    u->step_name = name;
    u->step_since_us = u->news_at_us = io_loop_now_us(u->loop);
    io_timer_stop(u->step_timer);
    log_debug("up.step", "step=%s", name);
    return UP_MORE;
}

static void run_steps(struct up *u)
{
    enum up_next next = UP_MORE;
    while (next == UP_MORE || (next == UP_WAIT && u->is_woken)) {
        u->is_woken = false;
        if (u->stop != UP_STOP_NONE && !u->is_stopping) {
            u->is_stopping = true;
            (void)go(u, stop_services);
        }
        next = u->step(u);
    }
    if (next == UP_END)
        io_loop_stop(u->loop);
}

static bool is_ours(const struct up *u, pid_t pid)
{
    if ((u->server && up_child_pid(u->server) == pid) ||
        (u->helper && up_child_pid(u->helper) == pid))
        return true;
    for (size_t i = 0; i < countof(u->services); i++)
        if (u->services[i] && up_child_pid(u->services[i]) == pid)
            return true;
    return false;
}

/*
 * As process 1 of a container we are also the parent of whoever has lost his: a killed server's
 * backends, say. Our own children are waited for where they are watched, and the driver runs after
 * each of their ends, so one that hides strays behind it does so for a moment only.
 */
static void bury_strays(const struct up *u)
{
    siginfo_t info = { 0 };
    while (getpid() == 1 && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0 && !is_ours(u, info.si_pid)) {
        log_debug("up.stray_ended", "pid=%d", (int)info.si_pid);
        (void)waitpid(info.si_pid, NULL, WNOHANG);
        info.si_pid = 0;
    }
}

static void on_sigchld(void *owner)
{
    bury_strays(owner);
}

void up_run(struct up *u)
{
    bury_strays(u);
    u->is_woken = true;
    if (u->is_running)
        return;
    u->is_running = true;
    run_steps(u);
    u->is_running = false;
}

static void on_wake(void *owner)
{
    up_run(owner);
}

enum up_next up_wait_ms(struct up *u, int64_t delay_ms)
{
    io_timer_start(u->step_timer, delay_ms);
    return UP_WAIT;
}

int64_t up_step_age_ms(const struct up *u)
{
    return (io_loop_now_us(u->loop) - u->step_since_us) / CLOCK_MS;
}

/* What systemd and the log hear of a long wait, not too often. */
void up_tell_news(struct up *u, const char *event, const char *status)
{
    char text[128];
    struct err e;
    if (io_loop_now_us(u->loop) - u->news_at_us < NEWS_MS * INT64_C(1000))
        return;
    u->news_at_us = io_loop_now_us(u->loop);
    log_info(event, "since_ms=%lld", (long long)up_step_age_ms(u));
    int len = snprintf(text, sizeof text, "STATUS=%s\n", status);
    if (!io_notify_send(str_of(text, (size_t)len), &e))
        log_debug("up.notify_failed", "error=%s", log_quote(str_of_c(err_text(&e))));
}

void up_tell_supervisor(const char *lines)
{
    struct err e;
    if (!io_notify_send(str_of_c(lines), &e))
        log_warn("up.notify_failed", "error=%s", log_quote(str_of_c(err_text(&e))));
}

/* Failing. */

static int exit_code_for(const struct err *e)
{
    switch (e->code) {
    case ERR_INVALID:
        return CMD_BAD_SETTINGS;
    case ERR_DENIED:
    case ERR_LIMIT:
        return CMD_CANNOT_CREATE;
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return CMD_UNAVAILABLE;
    case ERR_NONE:
    case ERR_UNAUTHENTICATED:
    case ERR_RATE:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
    case ERR_MISDIRECTED:
    case ERR_CODE_COUNT:
        break;
    }
    return CMD_FAILURE;
}

static int tell_failure(const struct err *e)
{
    log_error("up.failed", "error=%s%s%s", log_quote(str_of_c(e->message)),
              e->context[0] ? " while=" : "", e->context[0] ? log_quote(str_of_c(e->context)) : "");
    return exit_code_for(e);
}

/* Ends the start: what runs is stopped, then the process exits with the error's code. */
enum up_next up_fail(struct up *u, const struct err *e)
{
    u->exit_code = tell_failure(e);
    u->stop = u->stop == UP_STOP_NONE ? UP_STOP_DRAIN : u->stop;
    return UP_MORE;
}

/* Children that do their work and end. */

static void on_helper(void *owner, struct up_child *child)
{
    if (up_child_state(child) == UP_CHILD_ENDED)
        up_run(owner);
}

bool up_helper_start(struct up *u, const struct up_child_plan *plan, struct err *e)
{
    up_child_destroy(u->helper);
    u->helper = up_child_create(u->loop, plan, on_helper, u);
    return up_child_start(u->helper, e);
}

bool up_helper_succeeded(const struct up *u)
{
    struct io_exit how = up_child_exit(u->helper);
    return !how.by_signal && how.code == 0;
}

static enum up_next begin(struct up *u)
{
    return u->site.has_cluster ? go(u, up_begin_database) : go(u, up_begin_services);
}

/* Stop. */

static bool has_ended(const struct up_child *child)
{
    enum up_child_state state = child ? up_child_state(child) : UP_CHILD_ENDED;
    return state == UP_CHILD_ENDED || state == UP_CHILD_IDLE;
}

static void end_child(struct up_child *child, bool now, int signum, int64_t patience_ms,
                      int last_signum)
{
    if (!has_ended(child))
        up_child_stop(child, now ? last_signum : signum, patience_ms, last_signum);
}

static enum up_next stop_services(struct up *u)
{
    bool now = u->stop == UP_STOP_NOW;
    log_info("up.stopping", "now=%s", now ? "yes" : "no");
    up_tell_supervisor("STOPPING=1\nSTATUS=stopping\n");
    io_listen_set_close(&u->site.sockets[UP_GATEWAY]); /* the gateway's copies are the last: who
                                                          comes now is refused */
    end_child(u->helper, now, SIGTERM, HELPER_PATIENCE_MS, SIGKILL);
    return go(u, await_services_stopped);
}

/* Each wave has what the ones before have left of the drain time-out, and a moment in any case. */
static void tell_wave(struct up *u, enum up_wave wave)
{
    int64_t drain_ms = conf_duration_us(u->conf, CONF_DRAIN_TIMEOUT) / CLOCK_MS;
    int64_t left_ms = max_of(drain_ms - up_step_age_ms(u), (int64_t)0) + DRAIN_EXTRA_MS;
    for (size_t i = 0; i < countof(u->services); i++)
        if (up_roster[i].wave == wave)
            end_child(u->services[i], u->stop == UP_STOP_NOW, SIGTERM, left_ms, SIGKILL);
    u->waves_told = (int)wave + 1;
}

static bool wave_has_ended(const struct up *u, enum up_wave wave)
{
    for (size_t i = 0; i < countof(u->services); i++)
        if (up_roster[i].wave == wave && !has_ended(u->services[i]))
            return false;
    return true;
}

static enum up_next await_services_stopped(struct up *u)
{
    for (enum up_wave wave = 0; wave < UP_WAVE_COUNT; wave++) {
        if (u->waves_told == (int)wave)
            tell_wave(u, wave);
        if (!wave_has_ended(u, wave))
            return UP_WAIT;
    }
    return has_ended(u->helper) ? go(u, stop_server) : UP_WAIT;
}

/* SIGINT is the fast shutdown, SIGQUIT the immediate one. Never SIGKILL: its processes and its
 * shared memory would stay. */
static enum up_next stop_server(struct up *u)
{
    end_child(u->server, u->stop == UP_STOP_NOW, SIGINT, SERVER_PATIENCE_MS, SIGQUIT);
    return go(u, await_server_stopped);
}

static enum up_next await_server_stopped(struct up *u)
{
    if (has_ended(u->server) && !u->is_providing)
        return UP_END;
    if (up_step_age_ms(u) < SERVER_GIVE_UP_MS)
        return up_wait_ms(u, SERVER_GIVE_UP_MS - up_step_age_ms(u));
    log_error("up.database_stuck", "pid=%d", (int)up_child_pid(u->server));
    _exit(CMD_FAILURE);
}

/* The second signal: whoever still runs ends now. */
static void hurry(struct up *u)
{
    up_step_fn *step = u->step;
    end_child(u->helper, true, SIGTERM, HELPER_PATIENCE_MS, SIGKILL);
    for (size_t i = 0; i < countof(u->services); i++)
        end_child(u->services[i], true, SIGTERM, HELPER_PATIENCE_MS, SIGKILL);
    if (step == await_server_stopped)
        end_child(u->server, true, SIGINT, SERVER_PATIENCE_MS, SIGQUIT);
}

static void stop_by_signal(struct up *u, int signum)
{
    log_info("up.signal", "signal=SIG%s", sigabbrev_np(signum));
    if (u->stop == UP_STOP_NONE) {
        u->stop = UP_STOP_DRAIN;
    } else {
        u->stop = UP_STOP_NOW;
        u->exit_code = 128 + signum;
        hurry(u);
    }
    up_run(u);
}

static void on_sigterm(void *owner)
{
    stop_by_signal(owner, SIGTERM);
}

static void on_sigint(void *owner)
{
    stop_by_signal(owner, SIGINT);
}

/* The terminal was closed: stop. Sent by somebody: settings are read at the start only, and saying
 * so is better than seeming to have read them. */
static void on_sighup(void *owner)
{
    struct up *u = owner;
    if (u->site.has_terminal && !up_has_terminal())
        stop_by_signal(u, SIGHUP);
    else
        log_warn("up.not_reloaded",
                 "signal=SIGHUP reason=\"settings are read at the start: restart to change them\"");
}

static void log_child(const struct up_child *child)
{
    static const char *const states[] = { [UP_CHILD_IDLE] = "idle",
                                          [UP_CHILD_RUNNING] = "running",
                                          [UP_CHILD_RESTING] = "resting",
                                          [UP_CHILD_ENDED] = "ended" };
    if (child)
        log_info("up.child", "child=%s state=%s pid=%d ready=%s failures=%u", up_child_name(child),
                 states[up_child_state(child)], (int)up_child_pid(child),
                 up_child_is_ready(child) ? "yes" : "no", up_child_failures(child));
}

static void on_sigusr1(void *owner)
{
    const struct up *u = owner;
    log_info("up.state", "step=%s address=%s run=%s", u->step_name,
             u->site.sockets[UP_GATEWAY].address, log_quote(str_of_c(u->site.run)));
    log_child(u->server);
    for (size_t i = 0; i < countof(u->services); i++)
        log_child(u->services[i]);
    log_child(u->helper);
}

static bool open_loop(struct up *u, struct err *e)
{
    static const struct {
        int signum;
        io_fn *fn;
    } signals[] = { { SIGTERM, on_sigterm },
                    { SIGINT, on_sigint },
                    { SIGHUP, on_sighup },
                    { SIGUSR1, on_sigusr1 },
                    { SIGCHLD, on_sigchld } };
    bool is_first = getpid() == 1;
    (void)signal(SIGPIPE, SIG_IGN);
    u->loop = io_loop_create();
    u->step_timer = io_timer_create(u->loop, on_wake, u);
    u->offload = io_offload_create(u->loop, 1, 1);
    static_assert(countof(signals) <= countof(u->signals), "each has its place");
    for (size_t i = 0; i < countof(signals); i++)
        if (signals[i].signum != SIGCHLD || is_first)
            u->signals[i] = io_signal_create(u->loop, signals[i].signum, signals[i].fn, u);
    u->notify_path = arena_printf(u->arena, "%s/notify", u->site.run).ptr;
    (void)unlink(u->notify_path); /* of one that was killed: we hold the folder's lock */
    return io_notify_create(u->loop, u->notify_path, up_take_notice, u, &u->notify, e);
}

static void close_all(struct up *u)
{
    up_child_destroy(u->helper);
    for (size_t i = 0; i < countof(u->services); i++)
        up_child_destroy(u->services[i]);
    up_child_destroy(u->server);
    io_notify_destroy(u->notify);
    for (size_t i = 0; i < countof(u->signals); i++)
        io_signal_destroy(u->signals[i]);
    io_offload_destroy(u->offload);
    io_timer_destroy(u->server_timer);
    io_timer_destroy(u->step_timer);
    io_loop_destroy(u->loop);
    up_site_clear(&u->site);
}

int cmd_up(const struct conf *conf)
{
    struct err e;
    scoped(arena_destroyp) struct arena *arena = arena_create(ARENA_BYTES);
    struct up u = { .conf = conf, .arena = arena, .born_us = clock_mono_us() };
    cmd_log_setup(conf, "up");
    bool is_ready = up_site_prepare(conf, arena, &u.site, &e) && open_loop(&u, &e);
    if (is_ready) {
        (void)go(&u, begin);
        /* From the loop, so that its clock and its posts work as they do later. */
        io_loop_post(u.loop, on_wake, &u);
        io_loop_run(u.loop);
        log_info("up.stopped", "exit_code=%d", u.exit_code);
    } else {
        u.exit_code = tell_failure(&e);
    }
    close_all(&u);
    return u.exit_code;
}
