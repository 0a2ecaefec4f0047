#include "cmd/spawner_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <unistd.h>

#include "base/log.h"

enum {
    GUARDS_MAX = 1000,
    BACKLOG = 200,
    LOOK_MS = 1'000, /* between looks at guards that have ended */
    ARENA_BYTES = 64 << 20,
};

static bool is_set(const struct spawner_user *user)
{
    return user->uid != (uid_t)-1;
}

/* ── its rights ── */

/* The user of the services, with no more of root's rights than to become another user and to end
 * that user's processes. */
static bool give_up_rights(const struct spawner_user *server, struct err *e)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = { 0 };
    kept[0].permitted = kept[0].effective = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_KILL;
    if (is_set(server) && (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 ||
                           setresgid(server->gid, server->gid, server->gid) != 0 ||
                           setresuid(server->uid, server->uid, server->uid) != 0 ||
                           syscall(SYS_capset, &header, kept) != 0))
        return err_set_errno(e, ERR_DENIED, "the spawner of commands cannot give up root");
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ||
           err_set_errno(e, ERR_UNAVAILABLE, "cannot give up gaining rights");
}

/* ── its life ── */

/* Only the services' own user may ask: the name of an abstract socket is no secret. */
static bool is_ours(int connection)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == geteuid();
}

static size_t bury(size_t guards)
{
    while (guards > 0 && waitpid(-1, NULL, WNOHANG) > 0)
        guards--;
    return guards;
}

static bool start_guard(const struct spawner_guard *guard, int listener)
{
    pid_t pid = is_ours(guard->connection) ? fork() : -1;
    if (pid == 0) {
        (void)close(listener);
        spawner_guard_run(guard);
    }
    return pid > 0;
}

static _Noreturn void serve(struct spawner_guard *guard, int listener)
{
    size_t guards = 0;
    for (;;) {
        struct pollfd fds[] = {
            { .fd = guards < GUARDS_MAX ? listener : -1, .events = POLLIN },
            { .fd = guard->lifeline },
        };
        (void)poll(fds, countof(fds), guards > 0 ? LOOK_MS : -1);
        guards = bury(guards);
        if (fds[1].revents)
            _exit(0);
        guard->connection = fds[0].revents ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (guard->connection < 0)
            continue;
        guards += start_guard(guard, listener);
        (void)close(guard->connection);
    }
}

/* Signals of the terminal, or to the whole unit, are for those whom it serves. */
static void be_deaf(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1 };
    (void)setsid();
    for (size_t i = 0; i < countof(signals); i++)
        (void)signal(signals[i], SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL); /* ignored by who started `up`, nobody could be waited for */
    (void)prctl(PR_SET_NAME, "spawner");
}

struct birth {
    int listener, lifeline, report;
};

/* How what a command has started is found. */
static bool can_see_children(struct err *e)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
    return access(path, R_OK) == 0 ||
           err_set_errno(e, ERR_UNAVAILABLE, "commands need %s (CONFIG_PROC_CHILDREN)", path);
}

/* It was forked, not executed: what `up` holds open, its listening sockets before all, is let go.
 */
static void close_others(const struct birth *birth)
{
    int kept[] = { birth->listener, birth->lifeline, birth->report };
    unsigned from = STDERR_FILENO + 1;
    for (;;) {
        unsigned next = UINT_MAX;
        for (size_t i = 0; i < countof(kept); i++)
            if ((unsigned)kept[i] >= from)
                next = min_of(next, (unsigned)kept[i]);
        if (next > from)
            (void)close_range(from, next == UINT_MAX ? UINT_MAX : next - 1, 0);
        if (next == UINT_MAX)
            return;
        from = next + 1;
    }
}

/* In the child. What fails is told once, as the error that the parent shows. */
static _Noreturn void be_spawner(const struct spawner_options *options, const struct birth *birth)
{
    struct err e = { 0 };
    struct spawner_list list;
    struct arena *a = arena_create(ARENA_BYTES);
    struct spawner_guard guard = { .list = &list,
                                   .user = options->user,
                                   .lifeline = birth->lifeline };
    close_others(birth);
    be_deaf();
    bool is_ready = spawner_list_read(a, options->path, is_set(&options->user), &list, &e) &&
                    give_up_rights(&options->server, &e) && can_see_children(&e);
    (void)!write(birth->report, &e, sizeof e);
    (void)close(birth->report);
    if (!is_ready)
        _exit(1);
    serve(&guard, birth->listener);
}

/* ── starting it ── */

/* The kernel gives it a name that nobody has; no file can be left behind. */
static bool open_listener(int *ret_fd, char ret_address[SPAWNER_ADDRESS_MAX], struct err *e)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t size = sizeof name.sun_family;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a socket for commands");
    bool is_open = bind(fd, (const struct sockaddr *)&name, size) == 0 && listen(fd, BACKLOG) == 0;
    size = sizeof name;
    is_open = is_open && getsockname(fd, (struct sockaddr *)&name, &size) == 0;
    if (!is_open) {
        err_set_errno(e, ERR_UNAVAILABLE, "cannot listen for commands");
        (void)close(fd);
        return false;
    }
    size_t len = size - offsetof(struct sockaddr_un, sun_path) - 1;
    (void)snprintf(ret_address, SPAWNER_ADDRESS_MAX, "@%.*s", (int)len, name.sun_path + 1);
    *ret_fd = fd;
    return true;
}

/* Waits until it serves, or has said why it cannot. */
static bool hear_report(int report, struct err *e)
{
    struct err told;
    ssize_t got = 0;
    do
        got = read(report, &told, sizeof told);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof told)
        return err_set(e, ERR_UNAVAILABLE, "the spawner of commands has ended at its start");
    if (told.code == ERR_NONE)
        return true;
    *e = told;
    return false;
}

bool spawner_start(const struct spawner_options *options, struct spawner *ret_spawner,
                   struct err *e)
{
    struct spawner spawner;
    struct birth birth;
    int lifeline[2], report[2];
    if (!open_listener(&birth.listener, spawner.address, e))
        return false;
    if (pipe2(lifeline, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
        (void)close(birth.listener);
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(lifeline[1]);
        (void)close(report[0]);
        birth.lifeline = lifeline[0];
        birth.report = report[1];
        be_spawner(options, &birth);
    }
    (void)close(birth.listener);
    (void)close(lifeline[0]);
    (void)close(report[1]);
    bool is_running = pid > 0 ? hear_report(report[0], e)
                              : err_set_errno(e, ERR_UNAVAILABLE, "cannot start a process");
    (void)close(report[0]);
    if (!is_running) {
        (void)close(lifeline[1]);
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        return false;
    }
    spawner.lifeline = lifeline[1];
    log_info("spawner.started", "pid=%d commands=%s", (int)pid, log_quote(str_of_c(options->path)));
    *ret_spawner = spawner;
    return true;
}
