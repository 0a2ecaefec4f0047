/*
 * The guard: one connection, one command. It limits the command, forwards what it writes, and ends
 * all that came of it: as the subreaper it becomes the parent of whoever has lost his, in whatever
 * session he is.
 *
 *   request --wrong--> refused
 *      `--> started --output, time, stop, its end--> SIGTERM --grace--> SIGKILL to all --> told
 */
#include "cmd/spawner_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/writer.h"
#include "runner/spawner_wire.h"

enum {
    REQUEST_ARENA_BYTES = 16 << 20,
    REQUEST_WAIT_MS = 5'000,
    LIST_BYTES = 32 << 10, /* of the kernel's list of a process's children */
    FAMILY_MAX = 4096,     /* processes that are stopped together, before they are killed */
    BURIAL_PAUSE_MS = 1,
    DRAIN_MS = 10'000, /* for what is left in the pipes, when the runner is slow to take it */
    DRAIN_LOOK_MS = 100,
    LOOK_MS = 60'000, /* longest wait of poll */
};

/* Why it is being ended. */
enum cause { CAUSE_NONE, CAUSE_TIMEOUT, CAUSE_OUTPUT, CAUSE_STOPPED };

struct guarded {
    const struct spawner_guard *guard;
    const struct spawner_entry *entry;
    pid_t pid;
    int pidfd;
    int outputs[2]; /* pipes of its standard output and error; -1: ended */
    bool has_ended, is_unheard;
    siginfo_t end;
    enum cause cause;
    int64_t deadline_us; /* monotonic: of its time, then of its grace */
    int64_t output_bytes;
    /* A packet that the runner has not taken yet: nothing more is read meanwhile. */
    size_t unsent;
    char packet[1 + SPAWNER_PIECE_BYTES];
};

/* ── the child, before it is the command ── */

static bool give_up_rights(const struct spawner_user *user)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
    if (user->uid != (uid_t)-1 &&
        (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
         setresuid(user->uid, user->uid, user->uid) != 0))
        return false;
    return syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool set_limits(const struct spawner_entry *entry)
{
    for (size_t i = 0; i < entry->limit_count; i++) {
        struct rlimit now;
        rlim_t value = entry->limits[i].value;
        if (getrlimit((__rlimit_resource_t)entry->limits[i].resource, &now) != 0)
            return false;
        value = min_of(value, now.rlim_max);
        /* At the soft bound of processor time a signal tells it, a second later nothing does. */
        rlim_t hard =
            entry->limits[i].resource == RLIMIT_CPU ? min_of(value + 1, now.rlim_max) : value;
        const struct rlimit limit = { .rlim_cur = value, .rlim_max = hard };
        if (setrlimit((__rlimit_resource_t)entry->limits[i].resource, &limit) != 0)
            return false;
    }
    return true;
}

static void reset_signals(void)
{
    const struct sigaction as_usual = { .sa_handler = SIG_DFL };
    sigset_t none;
    for (int signum = 1; signum < NSIG; signum++)
        (void)sigaction(signum, &as_usual, NULL); /* refused for SIGKILL and the like */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The death signal comes after all changes of rights, which clear it; then the parent is looked at,
 * which may have ended in between. */
static _Noreturn void become_command(const struct spawner_guard *guard,
                                     const struct spawner_order *order, const int outputs[2],
                                     int failure_fd, pid_t parent)
{
    char *const *argv = NULL, *const *env = NULL; /* exec's types lack the const that it keeps */
    memcpy(&argv, &order->argv, sizeof argv);
    memcpy(&env, &order->env, sizeof env);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)setsid();
    (void)umask(022);
    reset_signals();
    bool is_ready = null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(outputs[0], 1) == 1 &&
                    dup2(outputs[1], 2) == 2 && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
                    set_limits(order->entry) && give_up_rights(&guard->user) &&
                    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
                    chdir(order->entry->folder) == 0;
    if (is_ready)
        (void)execve(argv[0], argv, env);
    int error = errno;
    (void)!write(failure_fd, &error, sizeof error);
    _exit(127);
}

/* ── packets ── */

static void send_packet(int connection, char kind, const struct buf *json)
{
    struct buf packet;
    buf_init(&packet, 0);
    buf_put_char(&packet, kind);
    buf_put_str(&packet, buf_str(json));
    (void)fcntl(connection, F_SETFL, 0); /* the last word may wait for the runner */
    (void)send(connection, packet.ptr, packet.len, MSG_NOSIGNAL);
    buf_clear(&packet);
}

static _Noreturn void refuse(int connection, const struct err *e, bool is_fatal)
{
    struct buf json;
    buf_init(&json, 0);
    struct json_writer w = json_writer_to(&json);
    json_begin_object(&w);
    json_key_c(&w, "error");
    json_write_string(&w, str_is_utf8(str_of_c(e->message)) ? str_of_c(e->message) : STR("?"));
    json_key_c(&w, "is_fatal");
    json_write_bool(&w, is_fatal);
    json_end_object(&w);
    send_packet(connection, 'r', &json);
    buf_clear(&json);
    _exit(0);
}

static bool is_success(const struct guarded *g)
{
    if (g->cause != CAUSE_NONE || g->end.si_code != CLD_EXITED)
        return false;
    for (size_t i = 0; i < g->entry->success_count; i++)
        if (g->entry->success_codes[i] == g->end.si_status)
            return true;
    return false;
}

static void tell_end(const struct guarded *g)
{
    static const struct str causes[] = { [CAUSE_TIMEOUT] = STR("timeout"),
                                         [CAUSE_OUTPUT] = STR("output"),
                                         [CAUSE_STOPPED] = STR("stopped") };
    struct buf json;
    buf_init(&json, 0);
    struct json_writer w = json_writer_to(&json);
    json_begin_object(&w);
    json_key_c(&w, "how");
    json_write_string(&w, g->cause != CAUSE_NONE         ? causes[g->cause]
                          : g->end.si_code == CLD_EXITED ? STR("exit")
                                                         : STR("signal"));
    json_key_c(&w, "code");
    json_write_i64(&w, g->end.si_status);
    json_key_c(&w, "is_success");
    json_write_bool(&w, is_success(g));
    json_end_object(&w);
    send_packet(g->guard->connection, 'x', &json);
    buf_clear(&json);
}

/* ── ending all that came of it ── */

static bool is_known(const pid_t *family, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (family[i] == pid)
            return true;
    return false;
}

/* The kernel's list of a process's children, "12 345 "; `room` bounds how many are seen at once. */
static struct str read_children(pid_t parent, char *room, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    for (ssize_t got = fd >= 0 ? 1 : 0; got > 0 && len < size; len += (size_t)max_of(got, 0L))
        got = read(fd, room + len, size - len);
    if (fd >= 0)
        (void)close(fd);
    return str_of(room, len);
}

/* Stops the children of `parent` that are not in the family yet, and adds them. */
static size_t stop_children(pid_t parent, pid_t *family, size_t count)
{
    static char room[LIST_BYTES];
    struct str rest = read_children(parent, room, sizeof room), word;
    while (count < FAMILY_MAX && str_cut(rest, ' ', &word, &rest)) {
        int64_t child;
        if (!str_to_i64(word, &child) || child <= 1 || is_known(family, count, (pid_t)child))
            continue;
        (void)kill((pid_t)child, SIGSTOP);
        family[count++] = (pid_t)child;
    }
    return count;
}

/*
 * Who is stopped cannot fork and keeps his place in the count of processes: so one that forks as
 * fast as it can comes to an end as well. They are killed when no new one is found.
 */
static void kill_family(void)
{
    static pid_t family[FAMILY_MAX];
    size_t count = 0, before;
    do {
        before = count;
        count = stop_children(getpid(), family, count);
        for (size_t i = 0; i < count; i++)
            count = stop_children(family[i], family, count);
    } while (count > before);
    for (size_t i = 0; i < count; i++)
        (void)kill(family[i], SIGKILL);
}

/* Until nobody is left. The command's own end is kept. */
static void end_all(struct guarded *g)
{
    for (;;) {
        siginfo_t info = { 0 };
        kill_family();
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 && errno == ECHILD)
            return;
        if (info.si_pid == g->pid && !g->has_ended) {
            g->has_ended = true;
            g->end = info;
        }
        if (info.si_pid == 0)
            (void)poll(NULL, 0, BURIAL_PAUSE_MS);
    }
}

/* ── watching it ── */

static void stop(struct guarded *g, enum cause cause)
{
    if (g->cause != CAUSE_NONE || g->has_ended)
        return;
    g->cause = cause;
    g->deadline_us = clock_mono_us() + g->entry->grace_ms * CLOCK_MS;
    (void)kill(-g->pid, SIGTERM);
}

static void flush(struct guarded *g)
{
    ssize_t sent = send(g->guard->connection, g->packet, g->unsent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0 || (errno != EAGAIN && errno != EINTR))
        g->unsent = 0; /* a broken connection is told as its end */
}

static void forward(struct guarded *g, size_t which)
{
    ssize_t got = read(g->outputs[which], g->packet + 1, SPAWNER_PIECE_BYTES);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        (void)close(g->outputs[which]);
        g->outputs[which] = -1;
    }
    if (got <= 0)
        return;
    g->output_bytes += got;
    if (g->output_bytes > g->entry->output_bytes_max)
        stop(g, CAUSE_OUTPUT);
    if (g->is_unheard || g->output_bytes > g->entry->output_bytes_max)
        return; /* thrown away, so that it does not hang in a write meanwhile */
    g->packet[0] = which == 0 ? 'o' : 'e';
    g->unsent = 1 + (size_t)got;
    flush(g);
}

/* "stop", or the end of the connection. */
static void hear(struct guarded *g)
{
    char word[16];
    ssize_t got = recv(g->guard->connection, word, sizeof word, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        g->is_unheard = true;
        g->unsent = 0;
    }
    stop(g, CAUSE_STOPPED);
}

static int wait_ms(const struct guarded *g)
{
    int64_t left_ms = (g->deadline_us - clock_mono_us()) / CLOCK_MS + 1;
    int64_t until_ms = max_of(left_ms, INT64_C(0));
    return (int)min_of(until_ms, (int64_t)(g->has_ended ? DRAIN_LOOK_MS : LOOK_MS));
}

static void note_end(struct guarded *g)
{
    siginfo_t info = { 0 };
    if (g->has_ended || waitid(P_PIDFD, (id_t)g->pidfd, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
        return;
    g->has_ended = true;
    g->end = info;
}

static void turn(struct guarded *g)
{
    enum { CONNECTION, OUTPUT, ERROR, END, LIFELINE, COUNT };
    bool reads = g->unsent == 0;
    struct pollfd fds[COUNT] = {
        [CONNECTION] = { .fd = g->is_unheard ? -1 : g->guard->connection,
                         .events = (short)(POLLIN | (reads ? 0 : POLLOUT)) },
        [OUTPUT] = { .fd = reads ? g->outputs[0] : -1, .events = POLLIN },
        [ERROR] = { .fd = reads ? g->outputs[1] : -1, .events = POLLIN },
        [END] = { .fd = g->has_ended ? -1 : g->pidfd, .events = POLLIN },
        [LIFELINE] = { .fd = g->guard->lifeline },
    };
    (void)poll(fds, COUNT, wait_ms(g));
    if (fds[LIFELINE].revents) {
        end_all(g);
        _exit(0);
    }
    if (fds[CONNECTION].revents & POLLOUT)
        flush(g);
    if (fds[CONNECTION].revents & (POLLIN | POLLHUP | POLLERR))
        hear(g);
    for (size_t i = 0; i < 2; i++)
        if (fds[OUTPUT + i].revents && g->unsent == 0)
            forward(g, i);
    note_end(g);
}

/* What was written before the end is in the pipes yet; who could write more is gone. */
static void drain(struct guarded *g)
{
    g->deadline_us = clock_mono_us() + DRAIN_MS * CLOCK_MS;
    while (!g->is_unheard && clock_mono_us() < g->deadline_us &&
           (g->unsent > 0 || g->outputs[0] >= 0 || g->outputs[1] >= 0))
        turn(g);
}

static void watch(struct guarded *g)
{
    g->deadline_us = clock_mono_us() + g->entry->timeout_ms * CLOCK_MS;
    while (!g->has_ended) {
        turn(g);
        if (g->has_ended || clock_mono_us() < g->deadline_us)
            continue;
        if (g->cause != CAUSE_NONE)
            break;
        stop(g, CAUSE_TIMEOUT);
    }
    end_all(g);
    drain(g);
    if (!g->is_unheard)
        tell_end(g);
}

/* ── starting it ── */

static _Noreturn void refuse_errno(int connection, const char *what, int error)
{
    struct err e;
    bool is_passing = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
    errno = error;
    err_set_errno(&e, ERR_UNAVAILABLE, "cannot run %.100s", what);
    refuse(connection, &e, !is_passing);
}

static void start(struct guarded *g, const struct spawner_order *order)
{
    int output[2], error_output[2], failure[2], failed = 0;
    pid_t self = getpid();
    if (pipe2(output, O_CLOEXEC) != 0 || pipe2(error_output, O_CLOEXEC) != 0 ||
        pipe2(failure, O_CLOEXEC) != 0)
        refuse_errno(g->guard->connection, order->argv[0], errno);
    g->pid = fork();
    if (g->pid == 0)
        become_command(g->guard, order, (const int[2]){ output[1], error_output[1] }, failure[1],
                       self);
    if (g->pid < 0)
        refuse_errno(g->guard->connection, order->argv[0], errno);
    (void)close(output[1]);
    (void)close(error_output[1]);
    (void)close(failure[1]);
    ssize_t got = 0;
    do
        got = read(failure[0], &failed, sizeof failed);
    while (got < 0 && errno == EINTR);
    (void)close(failure[0]);
    if (got == (ssize_t)sizeof failed)
        refuse_errno(g->guard->connection, order->argv[0], failed);
    g->pidfd = pidfd_open(g->pid, 0);
    if (g->pidfd < 0)
        refuse_errno(g->guard->connection, order->argv[0], errno);
    g->outputs[0] = output[0];
    g->outputs[1] = error_output[0];
    (void)fcntl(g->outputs[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(g->outputs[1], F_SETFL, O_NONBLOCK);
}

static struct str receive_request(int connection, struct arena *a)
{
    struct pollfd fd = { .fd = connection, .events = POLLIN };
    char *bytes = arena_alloc(a, SPAWNER_REQUEST_BYTES_MAX);
    if (poll(&fd, 1, REQUEST_WAIT_MS) <= 0)
        _exit(0);
    ssize_t got = recv(connection, bytes, SPAWNER_REQUEST_BYTES_MAX, MSG_DONTWAIT);
    if (got <= 0)
        _exit(0);
    return str_of(bytes, (size_t)got);
}

void spawner_guard_run(const struct spawner_guard *guard)
{
    struct err e = { 0 };
    struct spawner_order order;
    struct arena *a = arena_create(REQUEST_ARENA_BYTES);
    static struct guarded g;
    g = (struct guarded){ .guard = guard, .outputs = { -1, -1 } };
    (void)signal(SIGCHLD, SIG_DFL);
    struct str request = receive_request(guard->connection, a);
    if (!spawner_order_read(a, guard->list, request, &order, &e))
        refuse(guard->connection, &e, true);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        refuse_errno(guard->connection, order.argv[0], errno);
    g.entry = order.entry;
    start(&g, &order);
    watch(&g);
    _exit(0);
}
