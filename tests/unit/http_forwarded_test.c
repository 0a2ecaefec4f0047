#include "http/forwarded.h"

#include "test.h"

static void proxies_are_trusted_by_network(void **state)
{
    (void)state;
    static const struct {
        const char *list, *address;
        bool is_trusted;
    } rows[] = {
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "192.168.4.0/22", "192.168.7.255", true },
        { "192.168.4.0/22", "192.168.8.0", false },
        { "0.0.0.0/0", "203.0.113.7", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "::1", "::1", true },
        { "10.0.0.1", "::ffff:10.0.0.1", true },
        { "unix", "unix", true },
        { "10.0.0.1", "unix", false },
        { " 10.0.0.1,, ::1\t10.0.0.2 ", "10.0.0.2", true },
        { "", "127.0.0.1", false },
        { "127.0.0.1", "nonsense", false },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        scoped(http_proxies_destroyp) struct http_proxies *p = NULL;
        struct err e;
        assert_true(http_proxies_create(str_of_c(rows[i].list), &p, &e));
        if (http_proxies_trust(p, str_of_c(rows[i].address)) != rows[i].is_trusted)
            fail_msg("%s within \"%s\"", rows[i].address, rows[i].list);
    }
}

static void lists_that_cannot_be_read_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const rows[] = { "10.0.0.0/33", "::/129", "10.0.0.0/",   "10.0.0.0/-1",
                                        "10.0.0",      "proxy",  "10.0.0.1/8/8" };
    for (size_t i = 0; i < countof(rows); i++) {
        struct http_proxies *p = NULL;
        struct err e;
        char list[64];
        snprintf(list, sizeof list, "127.0.0.1, %s", rows[i]);
        assert_false(http_proxies_create(str_of_c(list), &p, &e));
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.message, rows[i]));
        assert_null(p);
    }
}

static void the_client_is_the_rightmost_that_is_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *forwarded_for, *proto, *host;
        const char *client, *told_host;
        bool is_https;
    } rows[] = {
        { "10.0.0.1", "203.0.113.7", "https", "a.example", "203.0.113.7", "a.example", true },
        { "10.0.0.1", "1.1.1.1, 203.0.113.7, 10.0.0.2", "https", "", "203.0.113.7", "", true },
        { "10.0.0.1", "10.0.0.3,10.0.0.2", "http", "", "10.0.0.3", "", false },
        { "10.0.0.1", "203.0.113.7:4711", "", "", "203.0.113.7", "", false },
        { "10.0.0.1", "[2001:db8::1]:4711", "", "", "2001:db8::1", "", false },
        { "10.0.0.1", "2001:db8::1", "", "", "2001:db8::1", "", false },
        { "10.0.0.1", "203.0.113.7, unknown", "", "", "10.0.0.1", "", false },
        { "10.0.0.1", "", "https", "a/b", "10.0.0.1", "", true },
        { "10.0.0.1", "203.0.113.7", "http, https", "x, a", "203.0.113.7", "a", true },
        { "unix", "203.0.113.7", "https", "", "203.0.113.7", "", true },
        /* Nobody we trust: whatever it says is left out. */
        { "203.0.113.9", "1.1.1.1", "https", "a", "203.0.113.9", "", false },
    };
    scoped(http_proxies_destroyp) struct http_proxies *p = NULL;
    struct err e;
    assert_true(http_proxies_create(STR("10.0.0.0/8, unix"), &p, &e));
    for (size_t i = 0; i < countof(rows); i++) {
        struct http_forwarded forwarded;
        http_forwarded(p, str_of_c(rows[i].peer), str_of_c(rows[i].forwarded_for),
                       str_of_c(rows[i].proto), str_of_c(rows[i].host), &forwarded);
        assert_str(forwarded.client, rows[i].client);
        assert_str(forwarded.host, rows[i].told_host);
        assert_int_equal(forwarded.is_https, rows[i].is_https);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxies_are_trusted_by_network),
        cmocka_unit_test(lists_that_cannot_be_read_are_refused_by_name),
        cmocka_unit_test(the_client_is_the_rightmost_that_is_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
