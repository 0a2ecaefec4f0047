#include "http/guard.h"

#include "test.h"

static const char *judge(const char *allowed, const char *text)
{
    scoped(http_guard_destroyp) struct http_guard *guard = NULL;
    struct http_address address;
    struct err e;
    assert_true(http_guard_create(str_of_c(allowed), &guard, &e));
    assert_true(http_address_parse(str_of_c(text), &address));
    return http_guard_refuses(guard, &address);
}

static void only_what_is_globally_routable_may_be_reached(void **state)
{
    (void)state;
    static const struct {
        const char *address, *refused_as; /* NULL: it may */
    } rows[] = {
        { "8.8.8.8", NULL },
        { "1.0.0.0", NULL },
        { "0.0.0.0", "this host" },
        { "0.255.255.255", "this host" },
        { "9.255.255.255", NULL },
        { "10.0.0.0", "a private network" },
        { "10.255.255.255", "a private network" },
        { "11.0.0.0", NULL },
        { "100.63.255.255", NULL },
        { "100.64.0.0", "a carrier's shared network" },
        { "100.127.255.255", "a carrier's shared network" },
        { "100.128.0.0", NULL },
        { "126.255.255.255", NULL },
        { "127.0.0.1", "loopback" },
        { "127.255.255.255", "loopback" },
        { "128.0.0.0", NULL },
        { "169.253.255.255", NULL },
        { "169.254.169.254", "link-local" },
        { "169.255.0.0", NULL },
        { "172.15.255.255", NULL },
        { "172.16.0.0", "a private network" },
        { "172.31.255.255", "a private network" },
        { "172.32.0.0", NULL },
        { "192.0.0.1", "for protocols" },
        { "192.0.1.0", NULL },
        { "192.0.2.1", "for documentation" },
        { "192.88.99.1", "a former relay" },
        { "192.167.255.255", NULL },
        { "192.168.0.1", "a private network" },
        { "192.169.0.0", NULL },
        { "198.17.255.255", NULL },
        { "198.18.0.0", "for benchmarks" },
        { "198.19.255.255", "for benchmarks" },
        { "198.20.0.0", NULL },
        { "198.51.100.7", "for documentation" },
        { "203.0.113.7", "for documentation" },
        { "223.255.255.255", NULL },
        { "224.0.0.1", "multicast" },
        { "240.0.0.0", "reserved" },
        { "255.255.255.255", "reserved" },
        { "2606:4700:4700::1111", NULL },
        { "2a00:1450:4001:810::200e", NULL },
        { "::", "this host" },
        { "::1", "loopback" },
        { "::2", "reserved" },
        { "::10.0.0.1", "reserved" }, /* IPv4-compatible, long gone */
        { "100::1", "for discarding" },
        { "2001::1", "for protocols" },
        { "2001:0:7f00:1::f5ff:fffe", "for protocols" }, /* Teredo */
        { "2001:200::1", NULL },
        { "2001:db8::1", "for documentation" },
        { "3fff:fff::1", "for documentation" },
        { "4000::1", "reserved" },
        { "fbff::1", "reserved" },
        { "fc00::1", "a private network" },
        { "fdff:ffff::1", "a private network" },
        { "fe80::1", "link-local" },
        { "febf::1", "link-local" },
        { "fec0::1", "a private network" },
        { "ff02::1", "multicast" },
        /* Other spellings of IPv4. */
        { "::ffff:8.8.8.8", NULL },
        { "::ffff:127.0.0.1", "loopback" },
        { "::ffff:a9fe:a9fe", "link-local" },
        { "64:ff9b::8.8.8.8", NULL },
        { "64:ff9b::127.0.0.1", "loopback" },
        { "64:ff9b::a9fe:a9fe", "link-local" },
        { "64:ff9b:1::8.8.8.8", "a local translation to IPv4" },
        { "2002:808:808::1", NULL },
        { "2002:7f00:1::1", "loopback" },
        { "2002:c0a8:101::1", "a private network" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        const char *refused_as = judge("", rows[i].address);
        const char *expected = rows[i].refused_as;
        if (!str_eq_c(str_of_c(refused_as), expected ? expected : ""))
            fail_msg("%s is %s, expected %s", rows[i].address, refused_as ? refused_as : "public",
                     expected ? expected : "public");
    }
}

static void the_setting_opens_what_it_names_and_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *allowed, *address;
        bool may;
    } rows[] = {
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "::ffff:127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "127.0.0.1", "::1", false },
        { "10.1.0.0/16, ::1", "10.1.255.1", true },
        { "10.1.0.0/16, ::1", "10.2.0.1", false },
        { "10.1.0.0/16, ::1", "::1", true },
        { "fd00::/8", "fd12::1", true },
        { "fd00::/8", "fc12::1", false },
        /* All of IPv4 is not all of IPv6, nor the other way round. */
        { "0.0.0.0/0", "127.0.0.1", true },
        { "0.0.0.0/0", "::1", false },
        { "::/0", "::1", true },
        { "::/0", "127.0.0.1", false },
        { "::ffff:0:0/96", "127.0.0.1", true },
        /* An address inside another is not the address that is named. */
        { "127.0.0.1", "64:ff9b::127.0.0.1", false },
    };
    for (size_t i = 0; i < countof(rows); i++)
        if ((judge(rows[i].allowed, rows[i].address) == NULL) != rows[i].may)
            fail_msg("%s with \"%s\"", rows[i].address, rows[i].allowed);
}

static void a_setting_that_cannot_be_read_is_refused_by_name(void **state)
{
    (void)state;
    struct http_guard *guard = NULL;
    struct err e;
    assert_false(http_guard_create(STR("10.0.0.0/8, example.org"), &guard, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.message, "\"example.org\""));
    assert_null(guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_globally_routable_may_be_reached),
        cmocka_unit_test(the_setting_opens_what_it_names_and_no_more),
        cmocka_unit_test(a_setting_that_cannot_be_read_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
