#include "base/hex.h"

#include "test.h"

static void bytes_come_back_as_they_went(void **state)
{
    (void)state;
    unsigned char bytes[256], again[256];
    char digits[512];
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    hex_write(bytes, 256, digits);
    assert_memory_equal(digits, "000102", 6);
    assert_memory_equal(digits + 506, "fdfeff", 6);
    assert_int_equal(hex_read(str_of(digits, sizeof digits), again), 256);
    assert_memory_equal(bytes, again, 256);
}

static void reading_ends_before_what_is_no_pair_in_lower_case(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        { "", 0 },     { "0", 0 },    { "00f", 1 },  { "0g", 0 },    { "g0", 0 },
        { "00A0", 1 }, { "000A", 1 }, { "aFff", 0 }, { "ff ff", 1 }, { "0:", 0 },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        unsigned char bytes[4];
        assert_int_equal(hex_read(str_of_c(cases[i].text), bytes), cases[i].count);
    }
}

static void digits_of_either_case_have_their_value(void **state)
{
    (void)state;
    for (int c = -1; c < 256; c++) {
        const char *all = "0123456789abcdefABCDEF", *at = c > 0 ? strchr(all, c) : NULL;
        int value = at == NULL ? -1 : (int)(at - all) < 16 ? (int)(at - all) : (int)(at - all) - 6;
        assert_int_equal(hex_digit(c), value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_as_they_went),
        cmocka_unit_test(reading_ends_before_what_is_no_pair_in_lower_case),
        cmocka_unit_test(digits_of_either_case_have_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
