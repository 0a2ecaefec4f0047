#include "base/mem.h"

#include "test.h"

static void an_array_doubles_where_it_is_full_and_keeps_what_it_has(void **state)
{
    (void)state;
    size_t capacity = 0;
    int *items = NULL;
    for (size_t count = 0; count < 100; count++) {
        items = mem_grow(items, count, &capacity, 3, sizeof *items);
        items[count] = (int)count;
        assert_int_equal(capacity, count < 3 ? 3 : count < 6 ? 6 : count < 12 ? 12 : capacity);
    }
    assert_int_equal(capacity, 192);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(items[i], i);
    mem_free(items);
}

static void an_array_with_room_stays_where_it_is(void **state)
{
    (void)state;
    size_t capacity = 0;
    int *items = mem_grow(NULL, 0, &capacity, 8, sizeof *items);
    for (size_t count = 0; count < 8; count++)
        assert_ptr_equal(mem_grow(items, count, &capacity, 8, sizeof *items), items);
    assert_int_equal(capacity, 8);
    mem_free(items);
}

static void pages_begin_at_a_multiple_of_their_size_and_are_zeroed(void **state)
{
    (void)state;
    enum { COUNT = 32, SIZE = 64 << 10 };
    unsigned char *pages[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        pages[i] = mem_map(SIZE);
        assert_int_equal((uintptr_t)pages[i] % SIZE, 0);
        for (size_t at = 0; at < SIZE; at++)
            assert_int_equal(pages[i][at], 0);
        memset(pages[i], (int)i + 1, SIZE);
        if (i % 3 == 2) { /* so that others come where it was */
            mem_unmap(pages[i - 1], SIZE);
            pages[i - 1] = NULL;
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (!pages[i])
            continue;
        assert_int_equal(pages[i][0], i + 1);
        assert_int_equal(pages[i][SIZE - 1], i + 1);
        mem_unmap(pages[i], SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_doubles_where_it_is_full_and_keeps_what_it_has),
        cmocka_unit_test(an_array_with_room_stays_where_it_is),
        cmocka_unit_test(pages_begin_at_a_multiple_of_their_size_and_are_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
