#include "worker/index.h"

#include "base/random.h"
#include "test.h"

enum { ITEMS = 2'000, STEPS = 100'000 };

/* Items with hashes of the test's choosing, and how often somebody looked at one. */
struct things {
    uint64_t hashes[ITEMS];
    bool are_there[ITEMS];
    size_t looks;
};

static uint64_t hash_of(const void *owner, uint32_t item)
{
    struct things *things = (struct things *)(uintptr_t)owner;
    things->looks++;
    return things->hashes[item];
}

static bool is_it(const void *owner, uint32_t item, const void *key)
{
    struct things *things = (struct things *)(uintptr_t)owner;
    things->looks++;
    return item == *(const uint32_t *)key;
}

static uint64_t random_u64(void)
{
    uint64_t n;
    random_ids(&n, sizeof n);
    return n;
}

static int64_t find(const struct index *index, const struct things *things, uint32_t item)
{
    return index_find(index, things, things->hashes[item], &item);
}

static void check_all(const struct index *index, const struct things *things)
{
    size_t count = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_int_equal(find(index, things, i), things->are_there[i] ? (int64_t)i : INDEX_NONE);
        count += things->are_there[i];
    }
    assert_int_equal(index->count, count);
}

/* `homes`: how many different hashes there are; few of them make long runs of slots. */
static void come_and_go(uint32_t homes)
{
    static struct things things;
    struct index index;
    index_init(&index, hash_of, is_it);
    things = (struct things){ 0 };
    for (uint32_t i = 0; i < ITEMS; i++)
        things.hashes[i] = index_mix(random_u64() % homes);
    for (int step = 0; step < STEPS; step++) {
        uint32_t item = (uint32_t)(random_u64() % ITEMS);
        if (things.are_there[item])
            index_remove(&index, &things, item);
        else
            index_add(&index, &things, item);
        things.are_there[item] = !things.are_there[item];
        if (step % (STEPS / 10) == 0)
            check_all(&index, &things);
    }
    check_all(&index, &things);
    index_clear(&index);
}

static void finds_what_is_there_and_nothing_else(void **state)
{
    (void)state;
    come_and_go(UINT32_MAX);
}

static void finds_among_many_with_the_same_hash(void **state)
{
    (void)state;
    come_and_go(40);
}

/* A look is a miss of the caches, where tasks are many. */
static void a_removal_looks_at_its_own_alone(void **state)
{
    static struct things things;
    struct index index;
    (void)state;
    index_init(&index, hash_of, is_it);
    for (uint32_t i = 0; i < ITEMS; i++) {
        things.hashes[i] = index_mix(i);
        index_add(&index, &things, i);
    }
    things.looks = 0;
    for (uint32_t i = 0; i < ITEMS; i += 2)
        index_remove(&index, &things, i);
    assert_true(things.looks >= ITEMS / 2);
    assert_true(things.looks < ITEMS * 3 / 5); /* a few stand too far from their homes */
    index_clear(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there_and_nothing_else),
        cmocka_unit_test(finds_among_many_with_the_same_hash),
        cmocka_unit_test(a_removal_looks_at_its_own_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
