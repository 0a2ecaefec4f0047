#include "gateway/persisted.h"

#include "test.h"

enum { BYTES_MAX = 80'000, TEXT_BYTES = 500 };

/* The text of that number, always as long. */
static struct str text_of(struct arena *a, int number)
{
    return arena_printf(a, "%0*d", TEXT_BYTES, number);
}

static void add(struct persisted *p, struct arena *a, int number)
{
    uint8_t hash[SHA256_LEN];
    sha256(text_of(a, number), hash);
    persisted_add(p, hash, text_of(a, number));
}

static bool has(struct persisted *p, struct arena *a, int number)
{
    uint8_t hash[SHA256_LEN];
    struct str found = { 0 };
    sha256(text_of(a, number), hash);
    if (!persisted_find(p, hash, a, &found))
        return false;
    assert_true(str_eq(found, text_of(a, number)));
    return true;
}

static void a_text_is_found_by_its_hash(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    scoped(persisted_destroyp) struct persisted *p = persisted_create(BYTES_MAX);
    (void)state;
    assert_false(has(p, a, 1));
    add(p, a, 1);
    add(p, a, 1);
    assert_true(has(p, a, 1));
    assert_false(has(p, a, 2));
    assert_int_equal(persisted_stats(p).count, 1);
}

/* Whoever registers a million texts once pushes out none that is in use. */
static void texts_that_come_once_push_out_only_each_other(void **state)
{
    enum { HOT = 50, STRANGERS = 10'000 };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    scoped(persisted_destroyp) struct persisted *p = persisted_create(BYTES_MAX);
    (void)state;
    for (int i = 0; i < HOT; i++) {
        add(p, a, i);
        assert_true(has(p, a, i));
    }
    for (int i = 0; i < STRANGERS; i++) {
        add(p, a, HOT + i);
        assert_in_range(persisted_stats(p).bytes, 1, BYTES_MAX);
        arena_reset(a);
    }
    for (int i = 0; i < HOT; i++)
        assert_true(has(p, a, i));
    assert_true(has(p, a, HOT + STRANGERS - 1));
    assert_false(has(p, a, HOT));
    assert_true(persisted_stats(p).evictions > STRANGERS / 2);
}

static void the_longest_unused_goes_first(void **state)
{
    enum { MANY = BYTES_MAX / TEXT_BYTES };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    scoped(persisted_destroyp) struct persisted *p = persisted_create(BYTES_MAX);
    (void)state;
    for (int i = 0; i < MANY; i++) {
        add(p, a, i);
        assert_true(has(p, a, i)); /* protected at once */
        assert_true(has(p, a, 0));
        assert_in_range(persisted_stats(p).bytes, 1, BYTES_MAX);
    }
    assert_true(has(p, a, 0));
    assert_false(has(p, a, 1));
    assert_true(has(p, a, MANY - 1));
}

static void a_text_that_would_empty_the_room_is_not_kept(void **state)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    scoped(persisted_destroyp) struct persisted *p = persisted_create(BYTES_MAX);
    uint8_t hash[SHA256_LEN];
    struct str text = arena_printf(a, "%0*d", BYTES_MAX / 8, 0);
    (void)state;
    add(p, a, 1);
    sha256(text, hash);
    persisted_add(p, hash, text);
    assert_int_equal(persisted_stats(p).count, 1);
    assert_true(has(p, a, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_found_by_its_hash),
        cmocka_unit_test(texts_that_come_once_push_out_only_each_other),
        cmocka_unit_test(the_longest_unused_goes_first),
        cmocka_unit_test(a_text_that_would_empty_the_room_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
