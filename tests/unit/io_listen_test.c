#include "io/stream.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Runs `check` in a process of its own, where descriptors 3 and 4 can be chosen. */
static void in_child(bool (*check)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(check() ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void announce(const char *count, pid_t pid)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    (void)setenv("LISTEN_FDS", count, 1);
    (void)setenv("LISTEN_PID", text, 1);
}

static void place_listener(int number)
{
    struct err e;
    int fd = -1;
    if (!io_listen_open(STR("127.0.0.1:0"), false, &fd, &e) || dup2(fd, number) != number)
        abort();
}

static bool takes_both(void)
{
    struct err e;
    int fds[4] = { 0 };
    size_t count = 0;
    place_listener(3);
    place_listener(4);
    announce("2", getpid());
    return io_listen_inherited(fds, countof(fds), &count, &e) && count == 2 && fds[0] == 3 &&
           fds[1] == 4 && !getenv("LISTEN_FDS") && !getenv("LISTEN_PID") &&
           io_listen_inherited(fds, countof(fds), &count, &e) && count == 0;
}

static bool takes_none_meant_for_another(void)
{
    struct err e;
    int fds[4] = { 0 };
    size_t count = 9;
    announce("1", getppid());
    return io_listen_inherited(fds, countof(fds), &count, &e) && count == 0;
}

static bool refuses_what_does_not_listen(void)
{
    struct err e;
    int fds[4] = { 0 };
    size_t count = 9;
    if (dup2(socket(AF_INET, SOCK_STREAM, 0), 3) != 3)
        return false;
    announce("1", getpid());
    return !io_listen_inherited(fds, countof(fds), &count, &e) && e.code == ERR_INVALID &&
           count == 9;
}

static bool refuses_more_than_fit(void)
{
    struct err e;
    int fds[1] = { 0 };
    size_t count = 9;
    announce("2", getpid());
    return !io_listen_inherited(fds, countof(fds), &count, &e) && e.code == ERR_INVALID;
}

static void takes_the_sockets_passed_on_once(void **state)
{
    (void)state;
    in_child(takes_both);
}

static void takes_no_sockets_meant_for_another_process(void **state)
{
    (void)state;
    in_child(takes_none_meant_for_another);
}

static void refuses_descriptors_that_do_not_listen(void **state)
{
    (void)state;
    in_child(refuses_what_does_not_listen);
}

static void refuses_more_sockets_than_fit(void **state)
{
    (void)state;
    in_child(refuses_more_than_fit);
}

static void notices_a_taken_port_unless_all_share_it(void **state)
{
    (void)state;
    struct err e;
    int first = -1, second = -1, third = -1;
    char name[IO_ADDRESS_MAX];
    assert_true(io_listen_open(STR("127.0.0.1:0"), true, &first, &e));
    io_listen_name(first, name);
    assert_true(io_listen_open(str_of_c(name), true, &second, &e));
    assert_false(io_listen_open(str_of_c(name), false, &third, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.message, name));
    close(first);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_sockets_passed_on_once),
        cmocka_unit_test(takes_no_sockets_meant_for_another_process),
        cmocka_unit_test(refuses_descriptors_that_do_not_listen),
        cmocka_unit_test(refuses_more_sockets_than_fit),
        cmocka_unit_test(notices_a_taken_port_unless_all_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
