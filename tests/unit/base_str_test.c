#include "base/str.h"

#include "test.h"

static void reads_whole_numbers_only(void **state)
{
    (void)state;
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    assert_true(str_to_i64(STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    static const char *const bad[] = { "", "-", "+7", " 7", "7 ", "0x7", "18446744073709551616" };
    for (size_t n = 0; n < countof(bad); n++) {
        assert_false(str_to_i64(str_of_c(bad[n]), &i));
        assert_false(str_to_u64(str_of_c(bad[n]), &u));
    }
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_true(str_to_double(STR("-1.5e3"), &d));
    assert_true(d < -1499.9 && d > -1500.1);
    assert_false(str_to_double(STR("nan"), &d));
    assert_false(str_to_double(STR("1e999"), &d));
}

static void cuts_trims_and_finds(void **state)
{
    (void)state;
    struct str head, tail;
    assert_true(str_cut(STR("a=b=c"), '=', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b=c");
    assert_false(str_cut(STR("abc"), '=', &head, &tail));
    assert_str(head, "abc");
    assert_str(str_trim(STR(" \t x y\r\n")), "x y");
    assert_int_equal(str_find(STR("hello"), STR("llo")), 2);
    assert_int_equal(str_find(STR("hello"), STR("lol")), -1);
    assert_true(str_ends_with(STR("file.sql"), STR(".sql")));
    assert_false(str_ends_with(STR("sql"), STR(".sql")));
}

static void cuts_within_no_character(void **state)
{
    (void)state;
    struct str text = STR("aä€");
    static const size_t lengths[] = { 0, 1, 1, 3, 3, 3, 6, 6 };
    for (size_t len = 0; len < countof(lengths); len++)
        assert_int_equal(str_first_whole(text, len).len, lengths[len]);
    assert_int_equal(str_first_whole(STR("\x80\x80"), 1).len, 0);
}

static void tells_utf8_from_other_bytes(void **state)
{
    (void)state;
    assert_true(str_is_utf8(STR("Grüße, 世界 🚀")));
    static const char *const bad[] = { "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                       "\xe4\xb8", "\x80",         "\xf8\x88\x80\x80\x80" };
    for (size_t i = 0; i < countof(bad); i++)
        assert_false(str_is_utf8(str_of_c(bad[i])));
}

static void measures_distance(void **state)
{
    (void)state;
    assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 9), 3);
    assert_int_equal(str_distance(STR("prot"), STR("port"), 9), 1);
    assert_int_equal(str_distance(STR("tpye"), STR("type"), 9), 1);
    assert_int_equal(str_distance(STR("abc"), STR("xyzuvw"), 2), 3);
}

static void compares_secrets(void **state)
{
    (void)state;
    assert_true(str_eq_secret(STR("same"), STR("same")));
    assert_false(str_eq_secret(STR("same"), STR("sane")));
    assert_false(str_eq_secret(STR("same"), STR("sam")));
}

/* Texts of all lengths that differ in one bit, or only in how many zeros they end with. */
static void hashes_tell_texts_apart(void **state)
{
    enum { LEN_MAX = 70, HASHES_MAX = LEN_MAX * 8 + 1 };
    char text[LEN_MAX] = { 0 };
    uint64_t hashes[HASHES_MAX];
    (void)state;
    for (size_t len = 0; len <= LEN_MAX; len++) {
        size_t count = 0;
        hashes[count++] = str_hash(str_of(text, len));
        for (size_t bit = 0; bit < len * 8; bit++) {
            text[bit / 8] = (char)(1U << bit % 8);
            hashes[count++] = str_hash(str_of(text, len));
            text[bit / 8] = 0;
        }
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (hashes[i] == hashes[j])
                    fail_msg("length %zu: bits %zu and %zu", len, i, j);
    }
    for (size_t len = 0; len <= LEN_MAX; len++)
        hashes[len] = str_hash(str_of(text, len));
    for (size_t i = 0; i <= LEN_MAX; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_numbers_only), cmocka_unit_test(cuts_trims_and_finds),
        cmocka_unit_test(cuts_within_no_character), cmocka_unit_test(tells_utf8_from_other_bytes),
        cmocka_unit_test(measures_distance),        cmocka_unit_test(compares_secrets),
        cmocka_unit_test(hashes_tell_texts_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
