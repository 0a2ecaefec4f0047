#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/stream.h"
#include "io/timer.h"
#include "test.h"

enum { GUARD_MS = 20000, OUTPUT_MAX = 4096 };

struct run {
    struct io_loop *loop;
    struct io_timer *guard;
    struct io_child *child;
    struct io_exit how;
    char output[OUTPUT_MAX];
};

static void guard_hit(void *owner)
{
    (void)owner;
    fail_msg("%s", "the child does not end");
}

static void on_exit_seen(void *owner, struct io_exit how)
{
    struct run *r = owner;
    r->how = how;
    io_loop_stop(r->loop);
}

static int set_up(void **state)
{
    struct run *r = test_calloc(1, sizeof *r);
    r->loop = io_loop_create();
    r->guard = io_timer_create(r->loop, guard_hit, NULL);
    io_timer_start(r->guard, GUARD_MS);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct run *r = *state;
    io_child_destroy(r->child);
    io_timer_destroy(r->guard);
    io_loop_destroy(r->loop);
    test_free(r);
    return 0;
}

static const char *const no_env[] = { "PATH=/usr/bin:/bin", NULL };

/* Runs it to its end with its output in `r->output`. */
static void run(struct run *r, struct io_child_spec spec)
{
    int ends[2];
    struct err e;
    assert_int_equal(pipe(ends), 0);
    spec.env = spec.env ? spec.env : no_env;
    spec.input_fd = -1;
    spec.output_fd = spec.error_fd = ends[1];
    spec.death_signal = SIGKILL;
    if (!io_child_create(r->loop, &spec, on_exit_seen, r, &r->child, &e))
        fail_msg("%s", err_text(&e));
    close(ends[1]);
    io_loop_run(r->loop);
    size_t len = 0;
    for (ssize_t n = 1; n > 0; len += n > 0 ? (size_t)n : 0)
        n = read(ends[0], r->output + len, sizeof r->output - 1 - len);
    r->output[len] = '\0';
    close(ends[0]);
}

static void run_shell(struct run *r, const char *script)
{
    const char *const args[] = { "sh", "-c", script, NULL };
    run(r, (struct io_child_spec){ .path = "/bin/sh", .args = args });
}

static void tells_the_exit_code(void **state)
{
    struct run *r = *state;
    run_shell(r, "exit 3");
    char text[IO_EXIT_TEXT_MAX];
    io_exit_format(r->how, text);
    assert_string_equal(text, "exit code 3");
}

static void tells_the_signal(void **state)
{
    struct run *r = *state;
    run_shell(r, "kill -SEGV $$");
    char text[IO_EXIT_TEXT_MAX];
    io_exit_format(r->how, text);
    assert_string_equal(text, "killed by SIGSEGV");
}

static void gives_only_the_environment_named(void **state)
{
    struct run *r = *state;
    const char *const args[] = { "env", NULL };
    const char *const env[] = { "A=1", "B=two words", NULL };
    run(r, (struct io_child_spec){ .path = "/usr/bin/env", .args = args, .env = env });
    assert_string_equal(r->output, "A=1\nB=two words\n");
}

static void works_in_the_folder_named(void **state)
{
    struct run *r = *state;
    const char *const args[] = { "pwd", NULL };
    run(r, (struct io_child_spec){ .path = "/bin/pwd", .args = args, .folder = "/usr" });
    assert_string_equal(r->output, "/usr\n");
}

static void runs_a_program_by_descriptor(void **state)
{
    struct run *r = *state;
    const char *const args[] = { "echo", "by descriptor", NULL };
    int fd = open("/bin/echo", O_RDONLY | O_CLOEXEC);
    run(r, (struct io_child_spec){ .program_fd = fd, .args = args });
    assert_string_equal(r->output, "by descriptor\n");
    close(fd);
}

static void passes_listening_sockets_and_nothing_else(void **state)
{
    struct run *r = *state;
    struct err e;
    int listen_fds[2];
    /* Not close-on-exec, as a careless shell may have left it to us. (The shell below keeps a
     * descriptor of its own from 10 on.) */
    int inherited = dup2(0, 9);
    assert_true(io_listen_open(STR("127.0.0.1:0"), false, &listen_fds[0], &e));
    assert_true(io_listen_open(STR("127.0.0.1:0"), false, &listen_fds[1], &e));
    const char *const args[] = { "bash", "-c",
                                 "test $LISTEN_PID = $$ && echo $LISTEN_FDS && "
                                 "for fd in {0..9}; do "
                                 "  if { true >&$fd; } 2>/dev/null; then echo -n $fd,; fi; done",
                                 NULL };
    run(r, (struct io_child_spec){ .path = "/bin/bash",
                                   .args = args,
                                   .listen_fds = listen_fds,
                                   .listen_count = countof(listen_fds) });
    assert_string_equal(r->output, "2\n0,1,2,3,4,");
    close(inherited);
    close(listen_fds[0]);
    close(listen_fds[1]);
}

static void leaves_the_terminals_group_and_blocks_no_signal(void **state)
{
    struct run *r = *state;
    (void)signal(SIGPIPE, SIG_IGN); /* which an exec would hand on */
    /* 32 and 33 are the C library's own; its posix_spawn (make, a shell) leaves them ignored. */
    run_shell(r, "read -r _ _ _ _ group session _ </proc/self/stat; "
                 "test $group = $$ && test $session = $$ && echo own; "
                 "grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -vcE '0000000[01][08]0000000$'");
    (void)signal(SIGPIPE, SIG_DFL);
    assert_string_equal(r->output, "own\n0\n");
}

static void a_missing_program_is_an_error_of_the_start(void **state)
{
    struct run *r = *state;
    const char *const args[] = { "none", NULL };
    struct err e;
    struct io_child_spec spec = { .path = "/nowhere/none",
                                  .args = args,
                                  .env = no_env,
                                  .input_fd = -1,
                                  .output_fd = -1,
                                  .error_fd = -1 };
    assert_false(io_child_create(r->loop, &spec, on_exit_seen, r, &r->child, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.message, "cannot run /nowhere/none: No such file or directory");
    spec.path = "/etc/passwd";
    assert_false(io_child_create(r->loop, &spec, on_exit_seen, r, &r->child, &e));
    assert_int_equal(e.code, ERR_DENIED);
    spec.path = "/bin/true";
    spec.folder = "/nowhere";
    assert_false(io_child_create(r->loop, &spec, on_exit_seen, r, &r->child, &e));
    assert_string_equal(e.message, "/bin/true cannot work in /nowhere: No such file or directory");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left unwaited for */
    assert_int_equal(errno, ECHILD);
}

static void a_signal_reaches_the_child_alone(void **state)
{
    struct run *r = *state;
    struct err e;
    const char *const args[] = { "sleep", "60", NULL };
    const struct io_child_spec spec = { .path = "/bin/sleep",
                                        .args = args,
                                        .env = no_env,
                                        .input_fd = -1,
                                        .output_fd = -1,
                                        .error_fd = -1,
                                        .death_signal = SIGKILL };
    assert_true(io_child_create(r->loop, &spec, on_exit_seen, r, &r->child, &e));
    io_child_signal(r->child, SIGTERM);
    io_loop_run(r->loop);
    assert_true(r->how.by_signal);
    assert_int_equal(r->how.code, SIGTERM);
    io_child_signal(r->child, SIGKILL); /* it has ended: nobody is hit */
}

/* A middle process starts a child and is killed; the child's end of a pipe tells of its death. */
static void dies_with_its_parent(void **state)
{
    (void)state;
    int alive[2];
    assert_int_equal(pipe(alive), 0);
    pid_t middle = fork();
    if (middle == 0) {
        struct err e;
        struct io_child *child = NULL;
        const char *const args[] = { "sleep", "60", NULL };
        const struct io_child_spec spec = { .path = "/bin/sleep",
                                            .args = args,
                                            .env = no_env,
                                            .input_fd = -1,
                                            .output_fd = alive[1],
                                            .error_fd = -1,
                                            .death_signal = SIGINT };
        struct io_loop *loop = io_loop_create();
        bool is_running = io_child_create(loop, &spec, on_exit_seen, NULL, &child, &e);
        (void)raise(is_running ? SIGKILL : SIGABRT);
    }
    close(alive[1]);
    int status = 0;
    char byte;
    assert_int_equal(waitpid(middle, &status, 0), middle);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(read(alive[0], &byte, 1), 0);
    close(alive[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_the_exit_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_the_signal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_only_the_environment_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(works_in_the_folder_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_a_program_by_descriptor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passes_listening_sockets_and_nothing_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(leaves_the_terminals_group_and_blocks_no_signal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_missing_program_is_an_error_of_the_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_signal_reaches_the_child_alone, set_up, tear_down),
        cmocka_unit_test(dies_with_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
