#include "base/sha256.h"

#include "test.h"

static void digests_as_fips_180_says(void **state)
{
    (void)state;
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* spec: RFC 4231, 4.3 */
static void authenticates_as_rfc_4231_says(void **state)
{
    (void)state;
    static const uint8_t expected[SHA256_LEN] = {
        0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
        0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
        0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
    };
    uint8_t mac[SHA256_LEN];
    sha256_hmac(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    assert_memory_equal(mac, expected, sizeof mac);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_as_fips_180_says),
        cmocka_unit_test(authenticates_as_rfc_4231_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
