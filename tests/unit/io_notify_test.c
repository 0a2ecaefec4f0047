#include "io/notify.h"

#include <sys/stat.h>
#include <unistd.h>

#include "io/timer.h"
#include "test.h"

enum { GUARD_MS = 20000 };

struct inbox {
    struct io_loop *loop;
    struct io_timer *guard;
    struct io_notify *notify;
    char path[64];
    pid_t sender;
    char lines[IO_NOTIFY_BYTES_MAX + 1];
    size_t len;
};

static void guard_hit(void *owner)
{
    (void)owner;
    fail_msg("%s", "no datagram comes");
}

static void on_notify(void *owner, pid_t sender, struct str lines)
{
    struct inbox *in = owner;
    in->sender = sender;
    in->len = lines.len;
    memcpy(in->lines, lines.ptr, lines.len);
    in->lines[lines.len] = '\0';
    io_loop_stop(in->loop);
}

static int set_up(void **state)
{
    struct inbox *in = test_calloc(1, sizeof *in);
    struct err e;
    in->loop = io_loop_create();
    in->guard = io_timer_create(in->loop, guard_hit, NULL);
    io_timer_start(in->guard, GUARD_MS);
    snprintf(in->path, sizeof in->path, "/tmp/windlass-notify-%d.sock", (int)getpid());
    assert_true(io_notify_create(in->loop, in->path, on_notify, in, &in->notify, &e));
    *state = in;
    return 0;
}

static int tear_down(void **state)
{
    struct inbox *in = *state;
    struct stat file;
    io_notify_destroy(in->notify);
    assert_int_not_equal(stat(in->path, &file), 0);
    io_timer_destroy(in->guard);
    io_loop_destroy(in->loop);
    test_free(in);
    (void)unsetenv("NOTIFY_SOCKET");
    return 0;
}

static void a_datagram_comes_with_its_senders_number(void **state)
{
    struct inbox *in = *state;
    struct err e;
    assert_false(io_notify_is_wanted());
    (void)setenv("NOTIFY_SOCKET", in->path, 1);
    assert_true(io_notify_is_wanted());
    assert_true(io_notify_send(STR("READY=1\nSTATUS=serving\n"), &e));
    io_loop_run(in->loop);
    assert_int_equal(in->sender, getpid());
    assert_string_equal(in->lines, "READY=1\nSTATUS=serving\n");
}

static void a_datagram_that_is_too_long_is_cut(void **state)
{
    struct inbox *in = *state;
    struct err e;
    static char bytes[IO_NOTIFY_BYTES_MAX * 2];
    memset(bytes, 'x', sizeof bytes);
    (void)setenv("NOTIFY_SOCKET", in->path, 1);
    assert_true(io_notify_send(str_of(bytes, sizeof bytes), &e));
    io_loop_run(in->loop);
    assert_int_equal(in->len, IO_NOTIFY_BYTES_MAX);
}

static void nothing_is_sent_when_nobody_listens(void **state)
{
    (void)state;
    struct err e;
    (void)unsetenv("NOTIFY_SOCKET");
    assert_true(io_notify_send(STR("READY=1\n"), &e));
    (void)setenv("NOTIFY_SOCKET", "/tmp/windlass-nobody.sock", 1);
    assert_false(io_notify_send(STR("READY=1\n"), &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    char path[200];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    (void)setenv("NOTIFY_SOCKET", path, 1);
    assert_false(io_notify_send(STR("READY=1\n"), &e));
    assert_int_equal(e.code, ERR_INVALID);
    (void)unsetenv("NOTIFY_SOCKET");
}

static void a_value_is_found_by_its_whole_key(void **state)
{
    (void)state;
    struct str value = { 0 };
    struct str lines = STR("X_READY=0\nREADY=1\nSTATUS=a=b c\nEMPTY=\nLAST=9");
    assert_true(io_notify_value(lines, STR("READY"), &value));
    assert_true(str_eq_c(value, "1"));
    assert_true(io_notify_value(lines, STR("STATUS"), &value));
    assert_true(str_eq_c(value, "a=b c"));
    assert_true(io_notify_value(lines, STR("EMPTY"), &value));
    assert_true(str_is_empty(value));
    assert_true(io_notify_value(lines, STR("LAST"), &value));
    assert_true(str_eq_c(value, "9"));
    assert_false(io_notify_value(lines, STR("NONE"), &value));
    assert_false(io_notify_value(STR(""), STR("READY"), &value));
    assert_false(io_notify_value(STR("READY\n"), STR("READY"), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_datagram_comes_with_its_senders_number, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_datagram_that_is_too_long_is_cut, set_up, tear_down),
        cmocka_unit_test(nothing_is_sent_when_nobody_listens),
        cmocka_unit_test(a_value_is_found_by_its_whole_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
