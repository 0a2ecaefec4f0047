#include "auth/token.h"

#include "test.h"

static void is_found_again_by_its_hash(void **state)
{
    (void)state;
    static const char *const prefixes[TOKEN_KIND_COUNT] = { "wls_", "wlt_", "wlu_", "wlc_" };
    for (enum token_kind kind = 0; kind < TOKEN_KIND_COUNT; kind++) {
        struct token t = token_make(kind);
        enum token_kind back = TOKEN_KIND_COUNT;
        uint8_t hash[SHA256_LEN] = { 0 };
        assert_int_equal(strlen(t.text), TOKEN_TEXT_LEN);
        assert_int_equal(strncmp(t.text, prefixes[kind], 4), 0);
        assert_true(token_parse(str_of_c(t.text), &back, hash));
        assert_int_equal(back, kind);
        assert_memory_equal(hash, t.hash, sizeof hash);
    }
}

static void no_two_are_alike(void **state)
{
    (void)state;
    struct token a = token_make(TOKEN_API), b = token_make(TOKEN_API);
    assert_string_not_equal(a.text, b.text);
    assert_memory_not_equal(a.hash, b.hash, sizeof a.hash);
}

static void refuses_what_no_token_can_be(void **state)
{
    (void)state;
    static const char good[] = "wls_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    static const char *const bad[] = {
        "",
        "wls_",
        "wls_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",   /* short */
        "wls_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A", /* long */
        "wlx_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",  /* no kind of ours */
        "WLS_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "wls-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "wls_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", /* the same bytes, spelled otherwise */
        "wls_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+",
        "wls_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh ",
    };
    enum token_kind kind;
    uint8_t hash[SHA256_LEN];
    assert_true(token_parse(str_of_c(good), &kind, hash));
    for (size_t i = 0; i < countof(bad); i++)
        if (token_parse(str_of_c(bad[i]), &kind, hash))
            fail_msg("took \"%s\"", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_found_again_by_its_hash),
        cmocka_unit_test(no_two_are_alike),
        cmocka_unit_test(refuses_what_no_token_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
