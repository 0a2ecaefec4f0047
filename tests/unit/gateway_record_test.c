#include "gateway/record.h"

#include "base/clock.h"
#include "gateway/request.h"
#include "gateway/tasks.h"
#include "test.h"

static struct str shown_time(struct request *r, struct str cell)
{
    struct str cells[COL_tasks_COUNT] = { [COL_tasks_run_at] = cell };
    struct record *task = record_of_cells(r->arena, tasks_table(), cells);
    const struct gql_field field = { .data = RECORD_FIELD(SELECT_BIT(COL_tasks_run_at)) };
    struct gql_value value = gql_null();
    record_get_time(&field, r, task, &value);
    return gql_is_null(&value) ? STR("null") : value.text;
}

/* Whatever the server prints, it is the same moment, in RFC 3339. */
static void times_are_shown_as_rfc_3339(void **state)
{
    static const char *const cases[][2] = {
        { "2026-11-23 08:30:00+00", "2026-11-23T08:30:00.000000Z" },
        { "2026-11-23 08:30:00.2+00", "2026-11-23T08:30:00.200000Z" },
        { "2026-11-23 08:30:00.123456+00", "2026-11-23T08:30:00.123456Z" },
        { "2026-11-23 08:30:00.5+02", "2026-11-23T06:30:00.500000Z" },
        { "2026-11-23 08:30:00+05:30", "2026-11-23T03:00:00.000000Z" },
        { "0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000000Z" },
    };
    struct request r = { .arena = arena_create(1 << 20) };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++)
        assert_str(shown_time(&r, str_of_c(cases[i][0])), cases[i][1]);
    assert_str(shown_time(&r, (struct str){ 0 }), "null");
    /* And what cells are made of reads back as it was. */
    for (int64_t at_us = 1; at_us < INT64_C(4'000'000'000'000'000); at_us = at_us * 3 + 7) {
        char expected[CLOCK_TEXT_MAX];
        clock_format(at_us, expected);
        assert_str(shown_time(&r, record_cell_of_time(r.arena, at_us)), expected);
    }
    arena_destroy(r.arena);
}

/* Kept cells outlive what they came from, and later ones stand over earlier ones. */
static void kept_cells_are_copies(void **state)
{
    struct arena *a = arena_create(1 << 20);
    struct record_kept kept = { 0 };
    struct str cells[RECORD_COLUMNS_MAX] = { [COL_tasks_type] = arena_copy(a, STR("email")),
                                             [COL_tasks_error] = arena_copy(a, STR("no route")) };
    (void)state;
    record_keep(&kept, cells, SELECT_BIT(COL_tasks_type) | SELECT_BIT(COL_tasks_error));
    arena_reset(a);
    assert_int_equal(kept.size_bytes, 13);
    cells[COL_tasks_error] = (struct str){ 0 };
    record_keep(&kept, cells, SELECT_BIT(COL_tasks_error));
    const struct str *copies = record_kept_cells(&kept, a);
    assert_str(copies[COL_tasks_type], "email");
    assert_null(copies[COL_tasks_error].ptr);
    assert_int_equal(kept.given, SELECT_BIT(COL_tasks_type) | SELECT_BIT(COL_tasks_error));
    record_kept_clear(&kept);
    assert_int_equal(kept.size_bytes, 0);
    arena_destroy(a);
}

static void ids_are_an_array_as_the_server_reads_it(void **state)
{
    struct arena *a = arena_create(1 << 20);
    struct uuid ids[2] = { { { 1 } }, { { 2 } } };
    struct str *items;
    size_t count;
    (void)state;
    assert_str(record_cell_of_uuids(a, ids, 0), "{}");
    assert_true(db_array_parse(a, record_cell_of_uuids(a, ids, 2), &items, &count));
    assert_int_equal(count, 2);
    assert_str(items[1], "02000000-0000-0000-0000-000000000000");
    arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_shown_as_rfc_3339),
        cmocka_unit_test(kept_cells_are_copies),
        cmocka_unit_test(ids_are_an_array_as_the_server_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
