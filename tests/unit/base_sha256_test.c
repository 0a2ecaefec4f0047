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

/* spec: RFC 4231, 4.2 and 4.7: a key of 20 bytes, and one that is longer than a block. */
static void authenticates_by_keys_of_any_length(void **state)
{
    (void)state;
    static const uint8_t of_short[] = { 0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53 };
    static const uint8_t of_long[] = { 0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f };
    char key[131];
    uint8_t mac[SHA256_LEN];
    memset(key, 0x0b, sizeof key);
    sha256_hmac(str_of(key, 20), STR("Hi There"), mac);
    assert_memory_equal(mac, of_short, sizeof of_short);
    memset(key, 0xaa, sizeof key);
    sha256_hmac(str_of(key, sizeof key),
                STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_memory_equal(mac, of_long, sizeof of_long);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_as_fips_180_says),
        cmocka_unit_test(authenticates_as_rfc_4231_says),
        cmocka_unit_test(authenticates_by_keys_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
