#include "cmd/up_priv.h"

#include <signal.h>

enum {
    POLL_MS = 20,                /* how soon a change of postmaster.pid is seen */
    ORPHAN_PATIENCE_MS = 60'000, /* a left server finishes its checkpoint */
    SERVER_STARTS_MAX = 5,       /* failures in a row before the first success */
};

static up_step_fn make_cluster, await_initdb, start_server, await_server, provide, await_provided;

/* A program of PostgreSQL's failed at start: its own words, and the disk where that is the cause.
 */
static enum up_next fail_postgres(struct up *u, const struct up_child *child)
{
    struct err e;
    char how[IO_EXIT_TEXT_MAX], free_text[UP_FREE_TEXT_MAX];
    struct str complaint = up_child_complaint(child);
    io_exit_format(up_child_exit(child), how);
    if (str_is_empty(complaint))
        complaint = str_of_c(how);
    up_free_space(u->site.data, free_text);
    if (str_find(complaint, STR("No space left on device")) >= 0)
        err_set(&e, ERR_LIMIT, "%s failed: the disk is full (%s)", up_child_name(child), free_text);
    else
        err_set(&e, ERR_UNAVAILABLE, "%s failed: %.*s", up_child_name(child), STR_FMT(complaint));
    return up_fail(u, &e);
}

static struct io_child_spec postgres_spec(const char *const *args)
{
    return (struct io_child_spec){
        .path = args[0],
        .args = args,
        .env = up_env_postgres(),
        .folder = "/",
        .input_fd = -1,
        /* Fast shutdown. */
        .death_signal = SIGINT,
    };
}

/*
 * The server of a supervisor that was killed got its death signal; usually it is gone by now, else
 * it ends soon. One that somebody has started by hand on our data is asked to.
 */
enum up_next up_begin_database(struct up *u)
{
    struct err e;
    pid_t pid = up_cluster_orphan(&u->site.cluster);
    if (pid == 0)
        return go(u, make_cluster);
    if (up_step_age_ms(u) > ORPHAN_PATIENCE_MS) {
        err_set(&e, ERR_CONFLICT, "a PostgreSQL server, process %d, still runs on %.100s", (int)pid,
                u->site.cluster.data);
        return up_fail(u, &e);
    }
    if (!io_timer_is_running(u->step_timer) && up_step_age_ms(u) == 0) {
        log_warn("up.orphan_found", "pid=%d data=%s", (int)pid,
                 log_quote(str_of_c(u->site.cluster.data)));
        (void)kill(pid, SIGINT);
    }
    up_tell_news(u, "up.orphan_awaited", "waiting for the previous PostgreSQL to stop");
    return up_wait_ms(u, POLL_MS);
}

static enum up_next make_cluster(struct up *u)
{
    struct err e;
    if (u->site.cluster.is_made)
        return go(u, start_server);
    log_info("up.cluster_made", "data=%s version=%d", log_quote(str_of_c(u->site.cluster.data)),
             u->site.cluster.version);
    up_tell_supervisor("STATUS=making the database cluster\n");
    struct up_child_plan plan = { .name = "initdb",
                                  .spec = postgres_spec(up_cluster_initdb_args(&u->site.cluster)),
                                  .is_postgres = true };
    /* What it has made is thrown away. It would hear SIGINT between two of its phases only, and its
     * own child ends at the end of its input. */
    plan.spec.death_signal = SIGKILL;
    return up_helper_start(u, &plan, &e) ? go(u, await_initdb) : up_fail(u, &e);
}

static enum up_next await_initdb(struct up *u)
{
    struct err e;
    if (up_child_state(u->helper) != UP_CHILD_ENDED)
        return UP_WAIT;
    if (!up_helper_succeeded(u))
        return fail_postgres(u, u->helper);
    return up_cluster_accept(&u->site.cluster, &e) ? go(u, start_server) : up_fail(u, &e);
}

/* The server tells in postmaster.pid how far it is. Recovery takes as long as it takes: whoever
 * stopped it early would only have to begin again. */
static void on_server_timer(void *owner)
{
    struct up *u = owner;
    if (up_cluster_state(&u->site.cluster, up_child_pid(u->server)) != UP_SERVER_READY) {
        up_tell_news(u, "up.database_recovering", "PostgreSQL is recovering");
        return;
    }
    io_timer_stop(u->server_timer);
    up_child_set_ready(u->server);
    log_info("up.database_ready", "pid=%d", (int)up_child_pid(u->server));
    up_run(u);
}

static void on_server(void *owner, struct up_child *child)
{
    struct up *u = owner;
    if (up_child_state(child) == UP_CHILD_RUNNING) {
        io_timer_repeat(u->server_timer, POLL_MS);
        return;
    }
    io_timer_stop(u->server_timer);
    up_run(u);
}

static enum up_next start_server(struct up *u)
{
    struct err e;
    const struct up_child_plan plan = { .name = "postgres",
                                        .spec =
                                            postgres_spec(up_cluster_server_args(&u->site.cluster)),
                                        .is_postgres = true,
                                        .is_restarted = true };
    u->server_timer = io_timer_create(u->loop, on_server_timer, u);
    u->server = up_child_create(u->loop, &plan, on_server, u);
    return up_child_start(u->server, &e) ? go(u, await_server) : up_fail(u, &e);
}

static enum up_next await_server(struct up *u)
{
    if (up_child_is_ready(u->server))
        return go(u, provide);
    /* The shared memory of one that was killed may outlive it for a moment, so one failure is no
     * reason to give up. */
    return up_child_failures(u->server) < SERVER_STARTS_MAX ? UP_WAIT : fail_postgres(u, u->server);
}

static void provide_work(void *owner)
{
    struct up *u = owner;
    u->is_provided = up_cluster_provision(&u->site.cluster, &u->provide_error);
}

static void provide_done(void *owner)
{
    struct up *u = owner;
    u->is_providing = false;
    up_run(u);
}

static enum up_next provide(struct up *u)
{
    struct err e;
    u->is_providing = true;
    if (io_offload_submit(u->offload, provide_work, provide_done, u, &e))
        return go(u, await_provided);
    u->is_providing = false;
    return up_fail(u, &e);
}

static enum up_next await_provided(struct up *u)
{
    if (u->is_providing)
        return UP_WAIT;
    return u->is_provided ? go(u, up_begin_services) : up_fail(u, &u->provide_error);
}
