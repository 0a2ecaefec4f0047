#include "base/sha1.h"

#include "test.h"

static void digests_as_fips_180_says(void **state)
{
    (void)state;
    static const uint8_t expected[SHA1_LEN] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
                                                0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
                                                0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
    uint8_t digest[SHA1_LEN];
    sha1(STR("abc"), digest);
    assert_memory_equal(digest, expected, sizeof digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(digests_as_fips_180_says) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
