#include "cmd/up_children_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "io/poll.h"
#include "io/timer.h"

enum {
    RESTART_MIN_MS = 100,
    RESTART_MAX_MS = 10'000,
    STEADY_MS = 10'000, /* who ran that long has recovered: its next restart is quick again */
    COMPLAINT_MAX = 256,
};

struct up_child {
    struct io_loop *loop;
    struct up_child_plan plan;
    up_child_fn *fn;
    void *owner;

    enum up_child_state state;
    struct io_child *process; /* while RUNNING */
    bool is_ready, is_stopping;
    int last_signum; /* for the timer, while is_stopping */
    int64_t started_at_us;
    unsigned failures;
    struct backoff backoff;
    struct io_timer *timer; /* RESTING: the restart; stopping: the last signal */
    struct io_exit exit;

    int output_fd; /* the reading end of its outputs; -1: none */
    struct io_poll *output;
    struct up_lines lines;
    char complaint[COMPLAINT_MAX];
};

static void on_timer(void *owner);

struct up_child *up_child_create(struct io_loop *loop, const struct up_child_plan *plan,
                                 up_child_fn *fn, void *owner)
{
    struct up_child *child = mem_new(struct up_child);
    *child = (struct up_child){
        .loop = loop,
        .plan = *plan,
        .fn = fn,
        .owner = owner,
        .backoff = { .min_ms = RESTART_MIN_MS, .max_ms = RESTART_MAX_MS },
        .output_fd = -1,
    };
    child->timer = io_timer_create(loop, on_timer, child);
    up_lines_init(&child->lines);
    return child;
}

/* Output. */

static void note_complaint(struct up_child *child, struct str text)
{
    snprintf(child->complaint, sizeof child->complaint, "%.*s", STR_FMT(text));
}

/* What initdb says, and what a server says before or beside its log. */
static void log_plain(struct up_child *child, struct str line)
{
    static const char *const troubles[] = { "error:", "FATAL:", "PANIC:", "could not",
                                            "No space left on device" };
    bool is_trouble = false;
    for (size_t i = 0; i < countof(troubles); i++)
        is_trouble = is_trouble || str_find(line, str_of_c(troubles[i])) >= 0;
    if (is_trouble)
        note_complaint(child, line);
    if (log_is_on(is_trouble ? LOG_WARN : LOG_DEBUG))
        log_line_for(child->plan.name, is_trouble ? LOG_WARN : LOG_DEBUG, "output", "text=%s",
                     log_quote(str_trim(line)));
}

static void log_postgres(struct up_child *child, struct str line)
{
    struct up_postgres_line message;
    if (!up_postgres_parse(line, &message)) {
        log_plain(child, line);
        return;
    }
    enum log_level level = up_postgres_level(&message);
    if (level == LOG_ERROR)
        note_complaint(child, message.text);
    if (log_is_on(level))
        log_line_for(child->plan.name, level, "postgres.message",
                     "pid=%.*s sqlstate=%.*s severity=%.*s text=%s", STR_FMT(message.pid),
                     STR_FMT(message.sqlstate), STR_FMT(message.severity), log_quote(message.text));
}

static void on_line(void *owner, struct str line)
{
    struct up_child *child = owner;
    if (child->plan.is_postgres)
        log_postgres(child, line);
    else
        up_log_relay(child->plan.name, line);
}

/* False when nothing more waits. */
static bool read_output(struct up_child *child)
{
    char bytes[8 * 1024];
    ssize_t got = read(child->output_fd, bytes, sizeof bytes);
    if (got > 0)
        up_lines_feed(&child->lines, str_of(bytes, (size_t)got), on_line, child);
    if (got == 0) /* all have closed it, perhaps long before they end */
        io_poll_set(child->output, 0);
    return got > 0 || (got < 0 && errno == EINTR);
}

static void on_output(void *owner, int events)
{
    (void)events;
    (void)read_output(owner);
}

static void close_output(struct up_child *child)
{
    if (child->output_fd < 0)
        return;
    io_poll_destroy(child->output);
    child->output = NULL;
    close(child->output_fd);
    child->output_fd = -1;
}

/* What the child had said before it ended stands before the line that tells of its end. */
static void finish_output(struct up_child *child)
{
    enum { READS_MAX = 1000 }; /* a grandchild may go on writing */
    for (int i = 0; i < READS_MAX && read_output(child); i++)
        ;
    up_lines_end(&child->lines, on_line, child);
    close_output(child);
}

static bool open_output(struct up_child *child, int *ret_write_end, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a pipe");
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    if (!io_poll_create(child->loop, ends[0], on_output, child, &child->output, e)) {
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    io_poll_set(child->output, IO_READABLE);
    child->output_fd = ends[0];
    *ret_write_end = ends[1];
    return true;
}

/* Life. */

static void change(struct up_child *child, enum up_child_state state)
{
    child->state = state;
    child->fn(child->owner, child);
}

/* Waits before the next start, longer each time, unless it ran well for a while. */
static void rest(struct up_child *child, const char *how)
{
    if (io_loop_now_us(child->loop) - child->started_at_us >= STEADY_MS * INT64_C(1000))
        backoff_reset(&child->backoff);
    int64_t wait_ms = backoff_next_ms(&child->backoff);
    log_warn("up.child_died", "child=%s how=%s restart_in_ms=%lld", child->plan.name,
             log_quote(str_of_c(how)), (long long)wait_ms);
    io_timer_start(child->timer, wait_ms);
    change(child, UP_CHILD_RESTING);
}

static void on_exit_seen(void *owner, struct io_exit how)
{
    struct up_child *child = owner;
    char text[IO_EXIT_TEXT_MAX];
    finish_output(child);
    io_child_destroy(child->process);
    child->process = NULL;
    child->exit = how;
    child->failures = child->is_ready ? 0 : child->failures + 1;
    child->is_ready = false;
    io_timer_stop(child->timer);
    io_exit_format(how, text);
    if (child->plan.is_restarted && !child->is_stopping) {
        rest(child, text);
        return;
    }
    bool is_clean = !how.by_signal && how.code == 0;
    log_at(is_clean ? LOG_INFO : LOG_WARN, "up.child_ended", "child=%s how=%s", child->plan.name,
           log_quote(str_of_c(text)));
    change(child, UP_CHILD_ENDED);
}

bool up_child_start(struct up_child *child, struct err *e)
{
    int output = -1;
    struct io_child_spec spec = child->plan.spec;
    assert(child->state == UP_CHILD_IDLE || child->state == UP_CHILD_RESTING);
    if (!open_output(child, &output, e))
        return err_in(e, "start %s", child->plan.name);
    spec.output_fd = spec.error_fd = output;
    child->complaint[0] = '\0';
    bool is_running = io_child_create(child->loop, &spec, on_exit_seen, child, &child->process, e);
    close(output);
    if (!is_running) {
        close_output(child);
        return err_in(e, "start %s", child->plan.name);
    }
    child->started_at_us = io_loop_now_us(child->loop);
    log_info("up.child_started", "child=%s pid=%d", child->plan.name,
             (int)io_child_pid(child->process));
    change(child, UP_CHILD_RUNNING);
    return true;
}

static void on_timer(void *owner)
{
    struct up_child *child = owner;
    struct err e;
    if (child->state == UP_CHILD_RUNNING) { /* stopping, and patience has ended */
        log_warn("up.child_slow", "child=%s signal=SIG%s", child->plan.name,
                 sigabbrev_np(child->last_signum));
        io_child_signal(child->process, child->last_signum);
        return;
    }
    if (child->state == UP_CHILD_RESTING && !up_child_start(child, &e)) {
        log_error("up.child_not_started", "child=%s error=%s", child->plan.name,
                  log_quote(str_of_c(err_text(&e))));
        io_timer_start(child->timer, backoff_next_ms(&child->backoff));
    }
}

void up_child_stop(struct up_child *child, int signum, int64_t patience_ms, int last_signum)
{
    child->is_stopping = true;
    if (child->state == UP_CHILD_RUNNING) {
        child->last_signum = last_signum;
        io_child_signal(child->process, signum);
        io_timer_start(child->timer, patience_ms);
        return;
    }
    io_timer_stop(child->timer);
    if (child->state == UP_CHILD_RESTING)
        change(child, UP_CHILD_ENDED);
    else
        child->state = UP_CHILD_ENDED;
}

void up_child_destroy(struct up_child *child)
{
    if (!child)
        return;
    assert(child->state != UP_CHILD_RUNNING);
    io_timer_destroy(child->timer);
    close_output(child);
    up_lines_clear(&child->lines);
    mem_free(child);
}

enum up_child_state up_child_state(const struct up_child *child)
{
    return child->state;
}

const char *up_child_name(const struct up_child *child)
{
    return child->plan.name;
}

pid_t up_child_pid(const struct up_child *child)
{
    return child->process ? io_child_pid(child->process) : 0;
}

bool up_child_is_ready(const struct up_child *child)
{
    return child->is_ready;
}

void up_child_set_ready(struct up_child *child)
{
    child->is_ready = true;
}

unsigned up_child_failures(const struct up_child *child)
{
    return child->failures;
}

struct io_exit up_child_exit(const struct up_child *child)
{
    return child->exit;
}

struct str up_child_complaint(const struct up_child *child)
{
    return str_of_c(child->complaint);
}
