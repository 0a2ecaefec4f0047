#include "base/uuid.h"

#include <pthread.h>

#include "base/clock.h"
#include "test.h"

static void rises_within_a_thread(void **state)
{
    (void)state;
    struct uuid last = uuid_v7();
    for (int i = 0; i < 100000; i++) {
        struct uuid next = uuid_v7();
        assert_true(memcmp(next.bytes, last.bytes, 16) > 0);
        last = next;
    }
}

static uint32_t end_of(struct uuid id)
{
    return (uint32_t)id.bytes[12] << 24 | (uint32_t)id.bytes[13] << 16 |
           (uint32_t)id.bytes[14] << 8 | id.bytes[15];
}

static void *make_one(void *made)
{
    *(struct uuid *)made = uuid_v7();
    return NULL;
}

/* Only what lies between is chance: twice the same has one of a thousand million odds. */
static void ends_are_counted_from_a_random_start(void **state)
{
    (void)state;
    struct uuid first = uuid_v7(), second = uuid_v7(), other;
    pthread_t thread;
    assert_int_equal(end_of(second), end_of(first) + 1);
    assert_memory_not_equal(second.bytes + 8, first.bytes + 8, 4);
    assert_int_equal(pthread_create(&thread, NULL, make_one, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_not_equal(end_of(other) - 1, end_of(second));
    assert_int_not_equal(end_of(other), end_of(first));
}

static void carries_version_variant_and_time(void **state)
{
    (void)state;
    struct uuid id = uuid_v7_at(1795415830123456);
    assert_int_equal(uuid_version(id), 7);
    assert_int_equal(id.bytes[8] >> 6, 2);
    assert_int_equal(uuid_time_us(id), 1795415830123000);
}

static void a_floor_is_below_the_ids_of_its_millisecond_and_above_the_earlier_ones(void **state)
{
    const int64_t now_us = 1795415830123456;
    struct uuid floor = uuid_floor(now_us), within = uuid_v7_at(now_us - 456),
                before = uuid_v7_at(now_us - 1000);
    char text[UUID_TEXT_LEN + 1];
    (void)state;
    assert_true(memcmp(floor.bytes, within.bytes, 16) < 0);
    assert_true(memcmp(floor.bytes, before.bytes, 16) > 0);
    uuid_format(uuid_floor(INT64_MIN), text);
    assert_string_equal(text, "00000000-0000-0000-0000-000000000000");
    uuid_format(uuid_floor(INT64_MAX), text);
    assert_string_equal(text, "ffffffff-ffff-0000-0000-000000000000");
}

static void parses_what_it_formats_and_nothing_else(void **state)
{
    (void)state;
    char text[UUID_TEXT_LEN + 1];
    struct uuid id = uuid_v7(), back;
    uuid_format(id, text);
    assert_true(uuid_parse(str_of_c(text), &back));
    assert_true(uuid_eq(id, back));
    assert_true(uuid_parse(STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &back));
    static const char *const bad[] = { "", "017f22e279b07cc398c4dc0c0c07398f",
                                       "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
                                       "017f22e2-79b0-7cc3-98c4_dc0c0c07398f",
                                       "017f22e2-79b0-7cc3-98c4-dc0c0c07398g" };
    for (size_t i = 0; i < countof(bad); i++)
        assert_false(uuid_parse(str_of_c(bad[i]), &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_within_a_thread),
        cmocka_unit_test(ends_are_counted_from_a_random_start),
        cmocka_unit_test(carries_version_variant_and_time),
        cmocka_unit_test(a_floor_is_below_the_ids_of_its_millisecond_and_above_the_earlier_ones),
        cmocka_unit_test(parses_what_it_formats_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
