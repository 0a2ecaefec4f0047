#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/poll.h"

struct io_child {
    pid_t pid;
    int pidfd;
    bool has_ended;
    struct io_poll *poll;
    io_exit_fn *fn;
    void *owner;
};

enum { FIRST_LISTEN_FD = 3 };
enum spawn_step { SPAWN_FOLDER, SPAWN_FDS, SPAWN_EXEC };

/* What the forked child tells when it cannot become the program. */
struct spawn_failure {
    enum spawn_step step;
    int error;
};

/* Everything the child needs after the fork, where nothing may be allocated any more. */
struct spawn {
    const struct io_child_spec *spec;
    const char **env;
    char listen_count[32], listen_pid[32];
    pid_t parent;
    int failure_fd;
};

static _Noreturn void give_up(const struct spawn *s, enum spawn_step step)
{
    struct spawn_failure failure = { .step = step, .error = errno };
    (void)!write(s->failure_fd, &failure, sizeof failure);
    _exit(127);
}

/* A copy beyond the numbers that the child's own descriptors will take. */
static int move_up(const struct spawn *s, int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_LISTEN_FD + (int)s->spec->listen_count);
    if (moved < 0)
        give_up(s, SPAWN_FDS);
    return moved;
}

static void put_at(const struct spawn *s, int fd, int number)
{
    if (dup2(fd, number) != number)
        give_up(s, SPAWN_FDS);
}

/* Numbers are taken only after everything that must survive has moved beyond them. */
static void arrange_fds(struct spawn *s, int *ret_program_fd)
{
    const struct io_child_spec *spec = s->spec;
    int listen_fds[IO_CHILD_LISTEN_MAX], standard[3];
    const int wanted[3] = { spec->input_fd, spec->output_fd, spec->error_fd };
    s->failure_fd = move_up(s, s->failure_fd);
    *ret_program_fd = spec->path ? -1 : move_up(s, spec->program_fd);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < countof(standard); i++)
        standard[i] = move_up(s, wanted[i] >= 0 ? wanted[i] : null_fd);
    for (size_t i = 0; i < spec->listen_count; i++)
        listen_fds[i] = move_up(s, spec->listen_fds[i]);
    for (size_t i = 0; i < countof(standard); i++)
        put_at(s, standard[i], (int)i);
    for (size_t i = 0; i < spec->listen_count; i++)
        put_at(s, listen_fds[i], FIRST_LISTEN_FD + (int)i);
    /* Whatever else is open, also what we inherited ourselves, ends with the exec. */
    (void)close_range((unsigned)(FIRST_LISTEN_FD + (int)spec->listen_count), ~0U,
                      CLOSE_RANGE_CLOEXEC);
}

static void reset_signals(void)
{
    const struct sigaction as_usual = { .sa_handler = SIG_DFL };
    sigset_t none;
    for (int signum = 1; signum < NSIG; signum++)
        (void)sigaction(signum, &as_usual, NULL); /* refused for SIGKILL and the like */
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* "LISTEN_PID=" and the child's own number, without stdio, which a fork may leave locked. */
static void put_own_pid(char *text)
{
    char digits[16];
    size_t count = 0, at = strlen("LISTEN_PID=");
    for (pid_t rest = getpid(); rest > 0; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count > 0)
        text[at++] = digits[--count];
    text[at] = '\0';
}

/*
 * In the child. The death signal is set after every change of rights (which would clear it), then
 * the parent is checked: it may have ended in between.
 */
static _Noreturn void become_program(struct spawn *s)
{
    const struct io_child_spec *spec = s->spec;
    int program_fd = -1;
    (void)setsid();
    if (prctl(PR_SET_PDEATHSIG, spec->death_signal) != 0 || getppid() != s->parent)
        _exit(127);
    arrange_fds(s, &program_fd);
    if (spec->folder && chdir(spec->folder) != 0)
        give_up(s, SPAWN_FOLDER);
    put_own_pid(s->listen_pid);
    reset_signals();
    char *const *args = NULL, *const *env = NULL; /* exec's types lack the const that it keeps */
    memcpy(&args, &spec->args, sizeof args);
    memcpy(&env, &s->env, sizeof env);
    if (spec->path)
        execve(spec->path, args, env);
    else
        fexecve(program_fd, args, env);
    give_up(s, SPAWN_EXEC);
}

static void copy_env(struct spawn *s)
{
    size_t count = 0;
    while (s->spec->env[count])
        count++;
    s->env = mem_zalloc(count + 3, sizeof *s->env);
    memcpy(s->env, s->spec->env, count * sizeof *s->env);
    snprintf(s->listen_pid, sizeof s->listen_pid, "LISTEN_PID=");
    if (s->spec->listen_count == 0)
        return;
    snprintf(s->listen_count, sizeof s->listen_count, "LISTEN_FDS=%zu", s->spec->listen_count);
    s->env[count] = s->listen_count;
    s->env[count + 1] = s->listen_pid;
}

/* Signals wait during the fork: ours must not be handled by the copy of us in the child. */
static pid_t fork_blocked(struct spawn *s, int read_end)
{
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    s->parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(read_end);
        become_program(s);
    }
    int error = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

static const char *program_name(const struct io_child_spec *spec)
{
    return spec->path ? spec->path : spec->args[0];
}

static bool tell_failure(const struct io_child_spec *spec, struct spawn_failure failure,
                         struct err *e)
{
    enum err_code code = failure.error == ENOENT                             ? ERR_NOT_FOUND
                         : failure.error == EACCES || failure.error == EPERM ? ERR_DENIED
                                                                             : ERR_UNAVAILABLE;
    errno = failure.error;
    switch (failure.step) {
    case SPAWN_FOLDER:
        return err_set_errno(e, code, "%s cannot work in %s", program_name(spec), spec->folder);
    case SPAWN_FDS:
        return err_set_errno(e, code, "cannot hand descriptors to %s", program_name(spec));
    case SPAWN_EXEC:
        return err_set_errno(e, code, "cannot run %s", program_name(spec));
    }
    base_abort("unknown step of a spawn");
}

/* Forks and waits until the child runs its program or has said why it cannot. */
static bool spawn(struct spawn *s, pid_t *ret_pid, struct err *e)
{
    int ends[2];
    struct spawn_failure failure;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a pipe");
    s->failure_fd = ends[1];
    pid_t pid = fork_blocked(s, ends[0]);
    if (pid < 0)
        err_set_errno(e, ERR_UNAVAILABLE, "cannot start a process");
    close(ends[1]);
    ssize_t got = 0;
    do
        got = pid < 0 ? 0 : read(ends[0], &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    close(ends[0]);
    if (pid < 0)
        return false;
    if (got == (ssize_t)sizeof failure) {
        (void)waitpid(pid, NULL, 0);
        return tell_failure(s->spec, failure, e);
    }
    *ret_pid = pid;
    return true;
}

static void on_ended(void *owner, int events)
{
    struct io_child *child = owner;
    siginfo_t info = { 0 };
    (void)events;
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return;
    child->has_ended = true;
    io_poll_set(child->poll, 0);
    child->fn(child->owner,
              (struct io_exit){ .by_signal = info.si_code != CLD_EXITED, .code = info.si_status });
}

bool io_child_create(struct io_loop *loop, const struct io_child_spec *spec, io_exit_fn *fn,
                     void *owner, struct io_child **ret_child, struct err *e)
{
    struct spawn s = { .spec = spec };
    pid_t pid = -1;
    assert(spec->listen_count <= IO_CHILD_LISTEN_MAX);
    copy_env(&s);
    bool is_running = spawn(&s, &pid, e);
    mem_free(s.env);
    if (!is_running)
        return false;
    struct io_child *child = mem_new(struct io_child);
    *child = (struct io_child){ .pid = pid, .pidfd = pidfd_open(pid, 0), .fn = fn, .owner = owner };
    if (child->pidfd < 0)
        err_set_errno(e, ERR_UNAVAILABLE, "cannot watch a process (Linux 5.4 or newer is needed)");
    if (child->pidfd < 0 || !io_poll_create(loop, child->pidfd, on_ended, child, &child->poll, e)) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        io_child_destroy(child);
        return false;
    }
    io_poll_set(child->poll, IO_READABLE);
    *ret_child = child;
    return true;
}

pid_t io_child_pid(const struct io_child *child)
{
    return child->pid;
}

void io_child_signal(struct io_child *child, int signum)
{
    if (!child->has_ended)
        (void)pidfd_send_signal(child->pidfd, signum, NULL, 0);
}

void io_child_destroy(struct io_child *child)
{
    if (!child)
        return;
    io_poll_destroy(child->poll);
    if (child->pidfd >= 0)
        close(child->pidfd);
    mem_free(child);
}

void io_exit_format(struct io_exit how, char ret_text[IO_EXIT_TEXT_MAX])
{
    const char *name = how.by_signal ? sigabbrev_np(how.code) : NULL;
    if (name)
        snprintf(ret_text, IO_EXIT_TEXT_MAX, "killed by SIG%s", name);
    else
        snprintf(ret_text, IO_EXIT_TEXT_MAX, how.by_signal ? "killed by signal %d" : "exit code %d",
                 how.code);
}
