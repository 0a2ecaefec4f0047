#include "gateway/own_rows.h"

#include "test.h"

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){ .bytes = { [0] = 1, [15] = number } };
}

static struct uuid counted(uint32_t number)
{
    struct uuid id = id_of((uint8_t)number);
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[13] = (uint8_t)(number >> 16);
    return id;
}

static void store(struct own_rows *rows, const struct uuid *ids, size_t count)
{
    own_rows_end_put(rows, own_rows_begin_put(rows, ids, count), ids, count, true);
}

static void tells_of_each_row_once(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    const struct uuid ids[] = { id_of(1), id_of(2) };
    own_rows_begin(rows);
    store(rows, ids, countof(ids));
    assert_int_equal(own_rows_take(rows, ids[1]), OWN_ROW_STORED);
    assert_int_equal(own_rows_take(rows, ids[1]), OWN_ROW_UNKNOWN);
    assert_int_equal(own_rows_take(rows, ids[0]), OWN_ROW_STORED);
    assert_int_equal(own_rows_take(rows, id_of(3)), OWN_ROW_UNKNOWN);
    own_rows_destroy(rows);
}

static void knows_what_is_under_way_until_its_end(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    const struct uuid ids[] = { id_of(1), id_of(2) };
    own_rows_begin(rows);
    uint64_t epoch = own_rows_begin_put(rows, ids, countof(ids));
    assert_int_equal(own_rows_take(rows, ids[0]), OWN_ROW_UNDER_WAY);
    assert_int_equal(own_rows_take(rows, ids[0]), OWN_ROW_UNDER_WAY);
    own_rows_end_put(rows, epoch, &ids[0], 1, true);
    own_rows_end_put(rows, epoch, ids, countof(ids), false); /* but for the stored one */
    assert_int_equal(own_rows_take(rows, ids[0]), OWN_ROW_STORED);
    assert_int_equal(own_rows_take(rows, ids[1]), OWN_ROW_UNKNOWN);
    own_rows_destroy(rows);
}

static void knows_no_row_from_before_the_mirror_followed(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    const struct uuid id = id_of(1);
    assert_int_equal(own_rows_begin_put(rows, &id, 1), 0);
    assert_int_equal(own_rows_take(rows, id), OWN_ROW_UNKNOWN);
    own_rows_end_put(rows, 0, &id, 1, true);
    own_rows_begin(rows);
    assert_int_equal(own_rows_take(rows, id), OWN_ROW_UNKNOWN);
    uint64_t epoch = own_rows_begin_put(rows, &id, 1);
    own_rows_end(rows);
    assert_int_equal(own_rows_take(rows, id), OWN_ROW_UNKNOWN);
    own_rows_begin(rows); /* its statement was sent before, and comes back now */
    own_rows_end_put(rows, epoch, &id, 1, true);
    assert_int_equal(own_rows_take(rows, id), OWN_ROW_UNKNOWN);
    store(rows, &id, 1);
    own_rows_end(rows);
    assert_int_equal(own_rows_take(rows, id), OWN_ROW_UNKNOWN);
    own_rows_destroy(rows);
}

static void forgets_one_where_too_many_have_one_end(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    struct uuid ids[5];
    size_t known = 0;
    own_rows_begin(rows);
    for (size_t i = 0; i < countof(ids); i++) {
        ids[i] = id_of(1);
        ids[i].bytes[0] = (uint8_t)i;
        store(rows, &ids[i], 1);
    }
    for (size_t i = 0; i < countof(ids); i++)
        known += own_rows_take(rows, ids[i]) == OWN_ROW_STORED;
    assert_int_equal(known, countof(ids) - 1);
    own_rows_destroy(rows);
}

/* As ids are made: each set gets its next one when all have had one. */
static void knows_as_many_as_it_has_places_of_ids_that_are_counted_up(void **state)
{
    (void)state;
    enum { PLACES = 32 * 1024 };
    struct own_rows *rows = own_rows_create();
    size_t known = 0;
    own_rows_begin(rows);
    for (uint32_t i = 0; i < 3 * PLACES; i++) {
        struct uuid id = counted(i);
        store(rows, &id, 1);
    }
    for (uint32_t i = 2 * PLACES; i < 3 * PLACES; i++)
        known += own_rows_take(rows, counted(i)) == OWN_ROW_STORED;
    assert_int_equal(known, PLACES);
    own_rows_destroy(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_each_row_once),
        cmocka_unit_test(knows_what_is_under_way_until_its_end),
        cmocka_unit_test(knows_no_row_from_before_the_mirror_followed),
        cmocka_unit_test(forgets_one_where_too_many_have_one_end),
        cmocka_unit_test(knows_as_many_as_it_has_places_of_ids_that_are_counted_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
