#include "io/listen_set.h"

#include "test.h"

static void each_loop_gets_a_socket_of_its_own(void **state)
{
    struct io_listen_set set;
    char url[IO_URL_MAX];
    struct err e;
    (void)state;
    assert_true(io_listen_set_open(&set, STR("127.0.0.1"), 0, 3, &e));
    assert_int_equal(set.count, 3);
    assert_true(set.port > 0);
    for (size_t i = 0; i < set.count; i++) {
        char name[IO_ADDRESS_MAX];
        io_listen_name(set.fds[i], name);
        assert_string_equal(name, set.address);
    }
    io_listen_set_url(&set, url);
    assert_true(str_starts_with(str_of_c(url), STR("http://127.0.0.1:")));
    io_listen_set_close(&set);
    assert_int_equal(set.count, 0);
}

static void a_port_that_somebody_has_is_refused(void **state)
{
    struct io_listen_set first, second;
    struct err e;
    (void)state;
    assert_true(io_listen_set_open(&first, STR("127.0.0.1"), 0, 2, &e));
    assert_false(io_listen_set_open(&second, STR("127.0.0.1"), first.port, 2, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    io_listen_set_close(&first);
    assert_true(io_listen_set_open(&second, STR("127.0.0.1"), 0, 1, &e));
    io_listen_set_close(&second);
}

static void every_address_is_told_as_one_that_a_browser_opens(void **state)
{
    static const struct {
        const char *address, *url;
        uint16_t port;
    } cases[] = {
        { "0.0.0.0:80", "http://127.0.0.1:80", 80 },
        { "[::]:81", "http://[::1]:81", 81 },
        { "10.0.0.1:82", "http://10.0.0.1:82", 82 },
        { "unix:/run/x", "http://localhost (unix:/run/x)", 0 },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct io_listen_set set = { .port = cases[i].port };
        char url[IO_URL_MAX];
        snprintf(set.address, sizeof set.address, "%s", cases[i].address);
        io_listen_set_url(&set, url);
        assert_string_equal(url, cases[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_loop_gets_a_socket_of_its_own),
        cmocka_unit_test(a_port_that_somebody_has_is_refused),
        cmocka_unit_test(every_address_is_told_as_one_that_a_browser_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
