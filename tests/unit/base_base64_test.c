#include "base/base64.h"

#include "test.h"

static void encodes_as_rfc_4648_without_padding(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        const char *text;
    } cases[] = {
        { STR(""), "" },
        { STR("f"), "Zg" },
        { STR("fo"), "Zm8" },
        { STR("foo"), "Zm9v" },
        { STR("foob"), "Zm9vYg" },
        { STR("fooba"), "Zm9vYmE" },
        { STR("\xff\xef\xbe"), "_---" },
        { STR("foobar"), "Zm9vYmFy" },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = 99;
        base64url_encode(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(strlen(text), BASE64URL_LEN(cases[i].bytes.len));
        assert_true(base64url_decode(str_of_c(text), bytes, &len));
        assert_true(str_eq(str_of((const char *)bytes, len), cases[i].bytes));
    }
}

static void plain_base64_is_padded_and_read_with_or_without(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        const char *text, *bare;
    } cases[] = {
        { STR(""), "", "" },
        { STR("f"), "Zg==", "Zg" },
        { STR("fo"), "Zm8=", "Zm8" },
        { STR("foo"), "Zm9v", "Zm9v" },
        { STR("\xff\xef\xbe"), "/+++", "/+++" },
        { STR("foobar"), "Zm9vYmFy", "Zm9vYmFy" },
    };
    static const char *const wrong[] = { "Zg=", "Zg===", "=", "====", "Zh==", "Zm8=Zm8=", "_---" };
    uint8_t bytes[16];
    size_t len;
    for (size_t i = 0; i < countof(cases); i++) {
        char text[16];
        base64_encode(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(strlen(text), BASE64_LEN(cases[i].bytes.len));
        assert_true(base64_decode(str_of_c(cases[i].text), bytes, &len));
        assert_true(str_eq(str_of((const char *)bytes, len), cases[i].bytes));
        assert_true(base64_decode(str_of_c(cases[i].bare), bytes, &len));
        assert_true(str_eq(str_of((const char *)bytes, len), cases[i].bytes));
    }
    for (size_t i = 0; i < countof(wrong); i++)
        if (base64_decode(str_of_c(wrong[i]), bytes, &len))
            fail_msg("\"%s\" was accepted", wrong[i]);
}

static void refuses_what_no_encoder_writes(void **state)
{
    (void)state;
    static const char *const cases[] = { "Z", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9vY", "Z g" };
    for (size_t i = 0; i < countof(cases); i++) {
        uint8_t bytes[16];
        size_t len = 99;
        if (base64url_decode(str_of_c(cases[i]), bytes, &len))
            fail_msg("\"%s\" was accepted", cases[i]);
        assert_int_equal(len, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_as_rfc_4648_without_padding),
        cmocka_unit_test(plain_base64_is_padded_and_read_with_or_without),
        cmocka_unit_test(refuses_what_no_encoder_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
