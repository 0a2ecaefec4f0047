#include "gateway/check.h"

#include "test.h"

static void addresses_are_trimmed_and_made_small(void **state)
{
    static const char *const cases[][2] = {
        { "ada@example.org", "ada@example.org" },
        { " Ada.Love+x@Example.ORG\n", "ada.love+x@example.org" },
        { "o'brien_-@a-b.c0", "o'brien_-@a-b.c0" },
        { "root@localhost", "root@localhost" },
        { "\xc3\xa4@\xc3\xb6.org", "\xc3\xa4@\xc3\xb6.org" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct str email;
        struct err e;
        assert_true(check_email("email", str_of_c(cases[i][0]), a, &email, &e));
        assert_str(email, cases[i][1]);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const struct str cases[] = {
        { "", 0 },
        { "ada", 3 },
        { "@b.c", 4 },
        { "a@", 2 },
        { "a@b@c", 5 },
        { ".a@b.c", 6 },
        { "a.@b.c", 6 },
        { "a..b@c.d", 8 },
        { "a b@c.d", 7 },
        { "a@b..c", 6 },
        { "a@.b", 4 },
        { "a@-b.c", 6 },
        { "a@b-.c", 6 },
        { "a\0b@c.d", 7 },
        { "a@b\x7f.c", 6 },
        { "\"a\"@b.c", 7 },
        { "a@[10.0.0.1]", 12 },
        { "a@b_c.d", 7 },
        { "a,b@c.d", 7 },
        { "a\xc2\x85@b.c", 7 },
        { "\xe2\x84\xaa@b.c", 7 }, /* U+212A, which lower() makes a k */
        { "a@\xc4\xb0.c", 6 },     /* U+0130, an i */
        { "a\xc2\xa0@b.c", 7 },
        { "a\xe2\x80\x8b@b.c", 8 },
        { "a@b\xe3\x80\x80.c", 8 },
        { "a\xe2\x80\xae@b.c", 8 }, /* NOLINT(misc-misleading-bidirectional): what is refused */
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    struct str email;
    struct err e;
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        if (check_email("input.email", cases[i], a, &email, &e))
            fail_msg("case %zu was accepted: %.*s", i, STR_FMT(cases[i]));
        assert_int_equal(e.code, ERR_INVALID);
        assert_true(str_starts_with(str_of_c(e.message), STR("input.email: ")));
    }
    char local[80] = { 0 };
    memset(local, 'a', 65);
    assert_false(check_email("x", arena_printf(a, "%s@b.c", local), a, &email, &e));
    local[64] = '\0';
    assert_true(check_email("x", arena_printf(a, "%s@b.c", local), a, &email, &e));
    assert_false(check_email("x", arena_printf(a, "a@%s.c", local), a, &email, &e));
}

static void names_count_characters_not_bytes(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    char *text = arena_alloc(a, 2 * CHECK_NAME_CHARS_MAX + 3);
    struct str name;
    struct err e;
    (void)state;
    for (size_t i = 0; i <= CHECK_NAME_CHARS_MAX; i++)
        memcpy(text + 2 * i, "\xc3\xb6", 2);
    assert_true(check_name("name", str_of(text, 2 * CHECK_NAME_CHARS_MAX), &name, &e));
    assert_false(check_name("name", str_of(text, 2 * CHECK_NAME_CHARS_MAX + 2), &name, &e));
    assert_true(check_name("name", STR("  Ada  "), &name, &e));
    assert_str(name, "Ada");
    assert_false(check_name("name", STR(" \t "), &name, &e));
    assert_false(check_name("name", STR("a\nb"), &name, &e));
    assert_string_equal(e.message, "name: must not hold control characters");
    /* NOLINTBEGIN(misc-misleading-bidirectional): what is refused */
    assert_false(check_name("name", STR("a\xe2\x80\xae."), &name, &e));
    assert_false(check_name("name", STR("a\xe2\x81\xa6."), &name, &e));
    /* NOLINTEND(misc-misleading-bidirectional) */
    assert_string_equal(e.message, "name: must not hold invisible or direction characters");
    assert_true(check_name("name", STR("\xe0\xa4\x95\xe2\x80\x8d \xf0\x9f\x98\x80"), &name, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_trimmed_and_made_small),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(names_count_characters_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
