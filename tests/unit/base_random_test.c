#include "base/random.h"

#include "test.h"

static void ids_differ_however_many_there_are(void **state)
{
    (void)state;
    enum { COUNT = 2000 }; /* far more than the pool holds */
    static unsigned char ids[COUNT][12];
    for (int i = 0; i < COUNT; i++) {
        random_ids(ids[i], sizeof ids[i]);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(ids[i], ids[k], sizeof ids[i]);
    }
}

static int draw(void *dst)
{
    random_ids(dst, 16);
    return 0;
}

static void threads_have_pools_of_their_own(void **state)
{
    (void)state;
    unsigned char mine[16], theirs[16];
    thrd_t thread;
    assert_int_equal(thrd_create(&thread, draw, theirs), thrd_success);
    random_ids(mine, sizeof mine);
    thrd_join(thread, NULL);
    assert_memory_not_equal(mine, theirs, sizeof mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_differ_however_many_there_are),
        cmocka_unit_test(threads_have_pools_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
