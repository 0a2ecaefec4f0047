#include "db/sqlstate.h"

#include "test.h"

static void states_mean_what_the_header_says(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum err_code code;
    } table[] = {
        { "08006", ERR_UNAVAILABLE }, { "57P01", ERR_UNAVAILABLE }, { "57P02", ERR_UNAVAILABLE },
        { "57P03", ERR_UNAVAILABLE }, { "53300", ERR_UNAVAILABLE }, { "53100", ERR_UNAVAILABLE },
        { "58030", ERR_UNAVAILABLE }, { "25006", ERR_UNAVAILABLE }, { "28P01", ERR_UNAVAILABLE },
        { "3D000", ERR_UNAVAILABLE }, { "57014", ERR_TIMEOUT },     { "55P03", ERR_TIMEOUT },
        { "40001", ERR_CONFLICT },    { "40P01", ERR_CONFLICT },    { "23505", ERR_CONFLICT },
        { "23P01", ERR_CONFLICT },    { "23503", ERR_CONFLICT },    { "23502", ERR_CONFLICT },
        { "23514", ERR_CONFLICT },    { "22P02", ERR_INVALID },     { "22001", ERR_INVALID },
        { "54000", ERR_LIMIT },       { "42P01", ERR_INTERNAL },    { "42703", ERR_INTERNAL },
        { "P0001", ERR_INTERNAL },    { "57000", ERR_INTERNAL },    { "", ERR_INTERNAL },
    };
    for (size_t i = 0; i < countof(table); i++)
        if (db_sqlstate_code(table[i].sqlstate) != table[i].code)
            fail_msg("%s is %s", table[i].sqlstate,
                     err_code_name(db_sqlstate_code(table[i].sqlstate)));
}

static void only_bad_luck_is_repeated_and_only_outages_end_a_connection(void **state)
{
    (void)state;
    assert_true(db_sqlstate_is_retriable("40001") && db_sqlstate_is_retriable("40P01"));
    assert_false(db_sqlstate_is_retriable("40002") || db_sqlstate_is_retriable("57014"));
    assert_true(db_sqlstate_is_outage("57P01") && db_sqlstate_is_outage("08P01"));
    assert_true(db_sqlstate_is_outage("25006"));
    assert_false(db_sqlstate_is_outage("53300") || db_sqlstate_is_outage("57014"));
    assert_true(db_sqlstate_is_no_writes("25006") && db_sqlstate_is_no_writes("53100"));
    assert_false(db_sqlstate_is_no_writes("53300") || db_sqlstate_is_no_writes("57P01"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_mean_what_the_header_says),
        cmocka_unit_test(only_bad_luck_is_repeated_and_only_outages_end_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
