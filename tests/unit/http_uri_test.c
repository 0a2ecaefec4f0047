#include "http/uri.h"

#include "test.h"

static void paths_are_decoded_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *path; /* NULL: refused */
    } rows[] = {
        { "/", "/" },
        { "/a/b", "/a/b" },
        { "/a%20b", "/a b" },
        { "/%41%5a%7e", "/AZ~" },
        { "/%c3%a4", "/\xc3\xa4" },
        { "/a/", "/a/" },
        { "//a", "//a" },
        { "/...", "/..." },
        { "/.a/..b/c.", "/.a/..b/c." },
        { "/a%25", "/a%" },
        { "/a%252e", "/a%2e" },
        { "", NULL },
        { "a", NULL },
        { "/.", NULL },
        { "/..", NULL },
        { "/../a", NULL },
        { "/a/./b", NULL },
        { "/a/..", NULL },
        { "/%2e", NULL },
        { "/a/%2E%2e/b", NULL },
        { "/a%2fb", NULL },
        { "/a%5Cb", NULL },
        { "/a\\b", NULL },
        { "/a%00", NULL },
        { "/a%0a", NULL },
        { "/a%7f", NULL },
        { "/a%", NULL },
        { "/a%4", NULL },
        { "/a%4g", NULL },
        { "/%ff", NULL },
        { "/a b", NULL },
        { "/\xc3\xa4", NULL },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        struct str path = { 0 };
        bool is_good = http_path_decode(a, str_of_c(rows[i].raw), &path);
        if (is_good != (rows[i].path != NULL))
            fail_msg("\"%s\" is %s", rows[i].raw, is_good ? "taken" : "refused");
        if (is_good)
            assert_str(path, rows[i].path);
    }
}

static void queries_are_searched(void **state)
{
    (void)state;
    static const struct {
        const char *query, *name, *value;
    } rows[] = {
        { "a=1&b=2", "b", "2" },
        { "a=1&a=2", "a", "1" },
        { "a", "a", "" },
        { "a=", "a", "" },
        { "a=b=c", "a", "b=c" },
        { "x+y=1", "x y", "1" },
        { "a=1+2%2B3", "a", "1 2+3" },
        { "%61=1", "a", "1" },
        { "&&a=1", "a", "1" },
        { "", "a", NULL },
        { "ab=1", "a", NULL },
        { "a=%zz", "a", NULL },
        { "b=1", "a", NULL },
        { "&", "", NULL },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        struct str value = { 0 };
        bool found = http_query_find(a, str_of_c(rows[i].query), str_of_c(rows[i].name), &value);
        if (found != (rows[i].value != NULL))
            fail_msg("%s in \"%s\"", rows[i].name, rows[i].query);
        if (found)
            assert_str(value, rows[i].value);
    }
}

static void hosts_are_told_from_other_text(void **state)
{
    (void)state;
    static const char *const good[] = { "a",     "a.example", "a.example:80",     "10.0.0.1:8080",
                                        "[::1]", "[::1]:80",  "[::ffff:1.2.3.4]", "a:",
                                        "_a-b.c" };
    static const char *const bad[] = { "",       ":80",   "a:b",     "a:123456", "a:65536", "a:-1",
                                       "a b",    "a/b",   "u@a",     "[::1",     "::1",     "[]",
                                       "[::1]x", "[g::]", "a:80:80", "a\xc3\xa4" };
    for (size_t i = 0; i < countof(good); i++)
        if (!http_host_is_valid(str_of_c(good[i])))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        if (http_host_is_valid(str_of_c(bad[i])))
            fail_msg("\"%s\" is taken", bad[i]);
}

static void targets_are_split(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *query; /* path NULL: refused; for host "a:80" */
    } rows[] = {
        { "/", "/", "" },
        { "/a?b", "/a", "b" },
        { "/a?b?c", "/a", "b?c" },
        { "/?", "/", "" },
        { "*", "*", "" },
        { "http://a:80", "/", "" },
        { "HTTPS://A:80/x?y", "/x", "y" },
        { "http://a:80?y", "/", "y" },
        { "//a", "//a", "" },
        { "http://b/", NULL, NULL },
        { "http://a:81/", NULL, NULL },
        { "ftp://a:80/", NULL, NULL },
        { "a:80", NULL, NULL },
        { "", NULL, NULL },
        { "/a#b", NULL, NULL },
        { "/%", NULL, NULL },
        { "/?%", NULL, NULL },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct str path = { 0 }, query = { 0 };
        bool is_good = http_target_split(str_of_c(rows[i].target), STR("a:80"), &path, &query);
        if (is_good != (rows[i].path != NULL))
            fail_msg("\"%s\" is %s", rows[i].target, is_good ? "taken" : "refused");
        if (!is_good)
            continue;
        assert_str(path, rows[i].path);
        assert_str(query, rows[i].query);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_decoded_or_refused),
        cmocka_unit_test(queries_are_searched),
        cmocka_unit_test(hosts_are_told_from_other_text),
        cmocka_unit_test(targets_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
