#include "gateway/cursor.h"

#include "test.h"

static const struct cursor_key KEY = { { 1, 2, 3 } }, OTHER_KEY = { { 3, 2, 1 } };

static void gives_the_row_back(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    struct uuid row = uuid_v7(), found;
    struct err e;
    (void)state;
    struct str text = cursor_make(&KEY, CURSOR_USERS, row, a);
    assert_true(cursor_read(&KEY, CURSOR_USERS, text, &found, &e));
    assert_true(uuid_eq(found, row));
    assert_true(str_eq(text, cursor_make(&KEY, CURSOR_USERS, row, a))); /* stable */
}

static void refuses(const struct cursor_key *key, int list, struct str text, const char *why)
{
    struct uuid found;
    struct err e;
    assert_false(cursor_read(key, (enum cursor_list)list, text, &found, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.message, why);
}

static void refuses_what_it_did_not_make(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    struct str text = cursor_make(&KEY, CURSOR_USERS, uuid_v7(), a);
    (void)state;
    refuses(&OTHER_KEY, CURSOR_USERS, text, "not a cursor of this installation");
    refuses(&KEY, CURSOR_USERS + 1, text, "a cursor of another list");
    refuses(&KEY, CURSOR_USERS, STR(""), "not a cursor");
    refuses(&KEY, CURSOR_USERS, str_first(text, text.len - 1), "not a cursor");
    for (size_t i = 0; i < text.len; i++) {
        char *changed = arena_cstr(a, text);
        struct uuid found;
        struct err e;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(cursor_read(&KEY, CURSOR_USERS, str_of(changed, text.len), &found, &e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_row_back),
        cmocka_unit_test(refuses_what_it_did_not_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
