#include "gateway/rollups.h"

#include "base/clock.h"
#include "gateway/spans.h"
#include "test.h"

enum { TYPES = 1'000, MARKS = 20'000, ARENA_BYTES = 256 << 20 };

/* As many events as a window takes, of as many types. */
static struct rollup_mark *marks_of(struct arena *a)
{
    struct rollup_mark *marks = arena_new_array(a, MARKS, struct rollup_mark);
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < MARKS; i++)
        marks[i] = (struct rollup_mark){ .type = arena_printf(a, "type-%zu", i % TYPES),
                                         .at_us = now_us,
                                         .took_us = -1,
                                         .what = ROLLUP_CREATED };
    return marks;
}

static void what_is_missing_is_listed_once_until_it_is_known(void **state)
{
    struct arena *a = arena_create(ARENA_BYTES);
    struct rollups *r = rollups_create();
    struct rollup_mark *marks = marks_of(a);
    const struct mirror_rollup *const *spans;
    (void)state;
    for (size_t k = 0; k < 2; k++) /* and again, where they could not be loaded */
        assert_int_equal(rollups_missing(r, a, marks, MARKS, &spans), SPANS_COUNT * (TYPES + 1));
    rollups_known(r);
    assert_int_equal(rollups_missing(r, a, marks, MARKS, &spans), 0);
    rollups_add(r, marks, MARKS);
    size_t count = rollups_changed(r, a, &spans);
    assert_int_equal(count, SPANS_COUNT * (TYPES + 1));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(spans[i]->created,
                         str_eq(spans[i]->type, STR(MIRROR_ALL_TYPES)) ? MARKS : MARKS / TYPES);
    rollups_destroy(r);
    arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_listed_once_until_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
