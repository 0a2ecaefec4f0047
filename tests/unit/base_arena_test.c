#include "base/arena.h"

#include <malloc.h>
#include <pthread.h>

#include "test.h"

static void gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    for (size_t size = 1; size < 5000; size += 37) {
        unsigned char *p = arena_alloc(a, size);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
}

static void tells_when_the_budget_is_passed_and_goes_on(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1000);
    (void)arena_alloc(a, 900);
    assert_false(arena_over_budget(a));
    char *p = arena_alloc(a, 200);
    p[199] = 'x';
    assert_true(arena_over_budget(a));
    arena_reset(a);
    assert_false(arena_over_budget(a));
    assert_int_equal(arena_used(a), 0);
}

static void reset_memory_is_zeroed_again(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    memset(arena_alloc(a, 4000), 0xff, 4000);
    arena_reset(a);
    const unsigned char *p = arena_alloc(a, 4000);
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(p[i], 0);
}

/* Their blocks go from one arena to the next. */
static void memory_of_an_arena_that_is_gone_is_zeroed(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct arena *held[300]; /* more than a thread keeps blocks of */
        for (size_t i = 0; i < countof(held); i++) {
            held[i] = arena_create(1 << 20);
            unsigned char *p = arena_alloc(held[i], 3000);
            for (size_t at = 0; at < 3000; at++)
                assert_int_equal(p[at], 0);
            memset(p, 0xff, 3000);
        }
        for (size_t i = 0; i < countof(held); i++)
            arena_destroy(held[i]);
    }
}

static void *use_one(void *ignored)
{
    struct arena *a = arena_create(1 << 20);
    memset(arena_alloc(a, 3000), 0xff, 3000);
    arena_destroy(a);
    return ignored;
}

static size_t used_bytes(void)
{
    return mallinfo2().uordblks;
}

/* Thousands of threads would hold 4 KiB each. */
static void a_thread_leaves_no_blocks(void **state)
{
    enum { THREADS = 1000 };
    (void)state;
    size_t before = used_bytes();
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_one, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_true(used_bytes() < before + (size_t)THREADS * 2048);
}

static void prints_and_copies(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str s = arena_printf(a, "%d-%s", 7, "seven");
    assert_str(s, "7-seven");
    assert_string_equal(arena_cstr(a, str_first(s, 3)), "7-s");
    assert_str(arena_copy(a, (struct str){ 0 }), "");
}

static char call_order[8];

static void note_call(void *owned)
{
    size_t len = strlen(call_order);
    call_order[len] = *(const char *)owned;
    call_order[len + 1] = '\0';
}

static void lets_go_of_what_was_deferred_last_first_and_once(void **state)
{
    (void)state;
    call_order[0] = '\0';
    char names[] = "abc";
    struct arena *a = arena_create(1 << 20);
    arena_defer(a, note_call, &names[0]);
    arena_defer(a, note_call, &names[1]);
    assert_string_equal(call_order, "");
    arena_reset(a);
    assert_string_equal(call_order, "ba");
    arena_defer(a, note_call, &names[2]);
    arena_destroy(a);
    assert_string_equal(call_order, "bac");
}

static void tells_what_it_occupies(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    size_t empty = arena_held(a);
    assert_true(empty > 0);
    char *piece = arena_alloc(a, 100'000);
    assert_int_equal(piece[99'999], 0);
    assert_true(arena_held(a) >= empty + 100'000);
    arena_reset(a);
    assert_true(arena_held(a) < 100'000);
}

static void a_raised_budget_holds_until_the_reset(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1000);
    arena_raise_budget(a, 4000);
    arena_raise_budget(a, 500); /* less than it has */
    memset(arena_alloc(a, 4800), 1, 4800);
    assert_false(arena_over_budget(a));
    memset(arena_alloc(a, 1000), 1, 1000);
    assert_true(arena_over_budget(a));
    arena_reset(a);
    memset(arena_alloc(a, 2000), 1, 2000);
    assert_true(arena_over_budget(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raised_budget_holds_until_the_reset),
        cmocka_unit_test(gives_zeroed_aligned_memory),
        cmocka_unit_test(tells_when_the_budget_is_passed_and_goes_on),
        cmocka_unit_test(reset_memory_is_zeroed_again),
        cmocka_unit_test(memory_of_an_arena_that_is_gone_is_zeroed),
        cmocka_unit_test(a_thread_leaves_no_blocks),
        cmocka_unit_test(prints_and_copies),
        cmocka_unit_test(tells_what_it_occupies),
        cmocka_unit_test(lets_go_of_what_was_deferred_last_first_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
