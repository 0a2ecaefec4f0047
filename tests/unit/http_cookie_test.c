#include "http/cookie.h"

#include "test.h"

static void cookies_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value; /* NULL: absent */
    } rows[] = {
        { "s=1", "1" },        { "a=0; s=1; b=2", "1" }, { "a=0;s=1", "1" },
        { "s=1; s=2", "1" },   { "s=\"1\"", "1" },       { "s=", "" },
        { "s=a=b", "a=b" },    { " s = 1 ", "1" },       { "", NULL },
        { "s", NULL },         { "S=1", NULL },          { "xs=1; sx=2", NULL },
        { "a=\"s=1\"", NULL },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct str value;
        bool found = http_cookie_find(str_of_c(rows[i].field), STR("s"), &value);
        if (found != (rows[i].value != NULL))
            fail_msg("\"%s\" is %s", rows[i].field, found ? "found" : "not found");
        if (found)
            assert_str(value, rows[i].value);
    }
}

static void cookies_are_written_with_what_they_ask_for(void **state)
{
    (void)state;
    static const struct {
        struct http_cookie cookie;
        const char *text; /* NULL: refused */
    } rows[] = {
        { { .name = STR("s"),
            .value = STR("abc"),
            .path = STR("/"),
            .max_age_s = 3600,
            .is_secure = true,
            .is_http_only = true },
          "s=abc; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict" },
        { { .name = STR("s"), .max_age_s = 0, .same_site = HTTP_SAME_SITE_LAX },
          "s=; Max-Age=0; SameSite=Lax" },
        { { .name = STR("s"),
            .value = STR("1"),
            .max_age_s = HTTP_COOKIE_SESSION,
            .same_site = HTTP_SAME_SITE_NONE },
          "s=1; SameSite=None" },
        { { .name = STR(""), .value = STR("1") }, NULL },
        { { .name = STR("a b"), .value = STR("1") }, NULL },
        { { .name = STR("s"), .value = STR("a;b") }, NULL },
        { { .name = STR("s"), .value = STR("a\r\nX: y") }, NULL },
        { { .name = STR("s"), .value = STR("1"), .path = STR("/;x") }, NULL },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        struct str text;
        bool is_good = http_cookie_format(a, &rows[i].cookie, &text);
        assert_int_equal(is_good, rows[i].text != NULL);
        if (is_good)
            assert_str(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_found),
        cmocka_unit_test(cookies_are_written_with_what_they_ask_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
