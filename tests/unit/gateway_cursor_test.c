#include "gateway/cursor.h"

#include "test.h"

static const struct cursor_key KEY = { { 1, 2, 3 } }, OTHER_KEY = { { 3, 2, 1 } };
static const struct cursor_scope SCOPE = { CURSOR_TASKS, 3, 0xdeadbeef };

static void gives_the_row_back(void **state)
{
    static const int64_t keys[] = { 0, 1, -1, INT64_MIN, INT64_MAX, 1'764'000'000'123'456 };
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    (void)state;
    for (size_t i = 0; i < countof(keys); i++) {
        const struct cursor_row row = { .key = keys[i], .id = uuid_v7() };
        struct cursor_row found;
        struct err e;
        struct str text = cursor_make(&KEY, &SCOPE, row, a);
        assert_true(cursor_read(&KEY, &SCOPE, text, &found, &e));
        assert_true(found.key == row.key && uuid_eq(found.id, row.id));
        assert_true(str_eq(text, cursor_make(&KEY, &SCOPE, row, a))); /* stable */
    }
}

/* Whatever the machine: cursors outlive programs. */
static void is_of_these_bytes(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    struct cursor_row row = { .key = 0x0102030405060708 };
    (void)state;
    assert_true(uuid_parse(STR("01a20a5b-5f81-77cf-a575-000000000001"), &row.id));
    assert_str(cursor_make(&KEY, &SCOPE, row, a),
               "AgID3q2-7wECAwQFBgcIAaIKW1-Bd8-ldQAAAAAAAS1XI2aE5r3N");
}

static void refuses(const struct cursor_key *key, const struct cursor_scope *scope, struct str text,
                    const char *why)
{
    struct cursor_row found;
    struct err e;
    assert_false(cursor_read(key, scope, text, &found, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.message, why);
}

static void refuses_what_is_of_another_list_order_or_filter(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    const struct cursor_row row = { .id = uuid_v7() };
    struct str text = cursor_make(&KEY, &SCOPE, row, a);
    struct cursor_scope other = SCOPE;
    (void)state;
    refuses(&OTHER_KEY, &SCOPE, text, "not a cursor of this installation");
    other.list = CURSOR_USERS;
    refuses(&KEY, &other, text, "a cursor of another list");
    other = SCOPE;
    other.order++;
    refuses(&KEY, &other, text, "a cursor of another order of this list");
    other = SCOPE;
    other.filter++;
    refuses(&KEY, &other, text,
            "a cursor of this list under another filter; start from the first page");
    /* Of the first version: 26 bytes, a 1 before all. */
    refuses(&KEY, &SCOPE, STR("AQIBogpbX4F3z6V1AAAAAAABAAAAAAAAAAA"),
            "a cursor of an older version; start from the first page");
}

static void refuses_what_it_did_not_make(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const struct cursor_row row = { .key = 7, .id = uuid_v7() };
    struct str text = cursor_make(&KEY, &SCOPE, row, a);
    struct cursor_row found;
    struct err e;
    (void)state;
    refuses(&KEY, &SCOPE, STR(""), "not a cursor");
    refuses(&KEY, &SCOPE, str_first(text, text.len - 1), "not a cursor");
    refuses(&KEY, &SCOPE, arena_printf(a, "%.*sA", STR_FMT(text)), "not a cursor");
    refuses(&KEY, &SCOPE, arena_printf(a, "%0*d", 1000, 0), "not a cursor");
    for (size_t i = 0; i < text.len; i++) /* every character, by every other byte */
        for (int byte = 0; byte < 256; byte++) {
            char *changed = arena_cstr(a, text);
            changed[i] = (char)byte;
            assert_int_equal(cursor_read(&KEY, &SCOPE, str_of(changed, text.len), &found, &e),
                             changed[i] == text.ptr[i]);
        }
}

static void filters_differ_in_every_part(void **state)
{
    uint32_t ab_c = cursor_mix(cursor_mix(0, STR("ab")), STR("c"));
    (void)state;
    assert_int_equal(cursor_mix(0, STR("")) == 0, false);
    assert_int_equal(ab_c == cursor_mix(cursor_mix(0, STR("a")), STR("bc")), false);
    assert_int_equal(ab_c == cursor_mix(cursor_mix(0, STR("c")), STR("ab")), false);
    assert_int_equal(ab_c, cursor_mix(cursor_mix(0, STR("ab")), STR("c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_row_back),
        cmocka_unit_test(is_of_these_bytes),
        cmocka_unit_test(refuses_what_is_of_another_list_order_or_filter),
        cmocka_unit_test(refuses_what_it_did_not_make),
        cmocka_unit_test(filters_differ_in_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
