#include "base/map.h"

#include "test.h"

enum { KEYS = 2000 };

static struct str key_of(int i, char text[16])
{
    snprintf(text, 16, "key%d", i);
    return str_of_c(text);
}

static void finds_what_was_put_through_growth_and_removal(void **state)
{
    (void)state;
    scoped(map_destroyp) struct map *m = map_create();
    static int values[KEYS];
    char text[16];
    for (int i = 0; i < KEYS; i++)
        assert_null(map_put(m, key_of(i, text), &values[i]));
    for (int i = 0; i < KEYS; i += 3)
        assert_ptr_equal(map_remove(m, key_of(i, text)), &values[i]);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(m, key_of(i, text)), i % 3 == 0 ? NULL : &values[i]);
    assert_int_equal(map_count(m), KEYS - (KEYS + 2) / 3);
    assert_ptr_equal(map_put(m, STR("key1"), &values[7]), &values[1]);
    assert_null(map_remove(m, STR("none")));
}

static void walks_each_key_once(void **state)
{
    (void)state;
    scoped(map_destroyp) struct map *m = map_create();
    static int seen[KEYS];
    char text[16];
    for (int i = 0; i < KEYS; i++)
        map_put(m, key_of(i, text), &seen[i]);
    struct str key;
    void *value = NULL;
    for (size_t at = 0; map_next(m, &at, &key, &value);)
        ++*(int *)value;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put_through_growth_and_removal),
        cmocka_unit_test(walks_each_key_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
