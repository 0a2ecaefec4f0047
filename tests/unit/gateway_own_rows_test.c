#include "gateway/own_rows.h"

#include "test.h"

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){ .bytes = { [0] = 1, [15] = number } };
}

static void tells_of_each_row_once(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    const struct uuid ids[] = { id_of(1), id_of(2) };
    own_rows_begin(rows);
    own_rows_add(rows, own_rows_epoch(rows), ids, countof(ids));
    assert_true(own_rows_take(rows, ids[1]));
    assert_false(own_rows_take(rows, ids[1]));
    assert_true(own_rows_take(rows, ids[0]));
    assert_false(own_rows_take(rows, id_of(3)));
    own_rows_destroy(rows);
}

static void knows_no_row_from_before_the_mirror_followed(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    const struct uuid id = id_of(1);
    assert_int_equal(own_rows_epoch(rows), 0);
    own_rows_add(rows, own_rows_epoch(rows), &id, 1);
    own_rows_begin(rows);
    assert_false(own_rows_take(rows, id));
    uint64_t epoch = own_rows_epoch(rows);
    own_rows_end(rows);
    assert_int_equal(own_rows_epoch(rows), 0);
    own_rows_begin(rows); /* its statement was sent before, and comes back now */
    own_rows_add(rows, epoch, &id, 1);
    assert_false(own_rows_take(rows, id));
    own_rows_add(rows, own_rows_epoch(rows), &id, 1);
    own_rows_end(rows);
    assert_false(own_rows_take(rows, id));
    own_rows_destroy(rows);
}

static void forgets_the_older_of_two_in_one_place(void **state)
{
    (void)state;
    struct own_rows *rows = own_rows_create();
    struct uuid older = id_of(1), newer = id_of(1);
    newer.bytes[0] = 2;
    own_rows_begin(rows);
    own_rows_add(rows, own_rows_epoch(rows), &older, 1);
    own_rows_add(rows, own_rows_epoch(rows), &newer, 1);
    assert_false(own_rows_take(rows, older));
    assert_true(own_rows_take(rows, newer));
    own_rows_destroy(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_each_row_once),
        cmocka_unit_test(knows_no_row_from_before_the_mirror_followed),
        cmocka_unit_test(forgets_the_older_of_two_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
