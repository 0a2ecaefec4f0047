#include "auth/password.h"

#include "test.h"

static const struct password_params cheap = { .memory_kib = 8, .time = 1, .parallelism = 1 };

static bool matches(const char *password, const char *phc)
{
    bool is_match = false;
    struct err e;
    if (!password_verify(str_of_c(password), str_of_c(phc), &is_match, &e))
        fail_msg("%s", e.message);
    return is_match;
}

static void matches_only_the_password_it_was_made_from(void **state)
{
    (void)state;
    char first[PASSWORD_HASH_MAX], second[PASSWORD_HASH_MAX];
    struct err e;
    assert_true(password_hash(STR("correct horse"), &cheap, first, &e));
    assert_true(password_hash(STR("correct horse"), &cheap, second, &e));
    assert_int_equal(strncmp(first, "$argon2id$v=19$m=8,t=1,p=1$", 27), 0);
    assert_string_not_equal(first, second); /* each has its own salt */
    assert_true(matches("correct horse", first));
    assert_true(matches("correct horse", second));
    assert_false(matches("correct horsf", first));
    assert_false(matches("correct horse ", first));
    assert_false(matches("", first));
    bool is_match = true;
    assert_true(password_verify(str_of("correct\0horse", 13), str_of_c(first), &is_match, &e));
    assert_false(is_match);
}

/* From the tests of the reference program: argon2 somesalt -id -t 2 -m 16 -p 1 -l 32. */
static void reads_hashes_of_other_programs(void **state)
{
    (void)state;
    static const char phc[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
                              "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_true(matches("password", phc));
    assert_false(matches("passwore", phc));
}

static void the_params_come_from_the_settings(void **state)
{
    (void)state;
    const struct password_params other = { .memory_kib = 32, .time = 3, .parallelism = 2 };
    char phc[PASSWORD_HASH_MAX];
    struct err e;
    assert_true(password_hash(STR("a password"), &other, phc, &e));
    assert_int_equal(strncmp(phc, "$argon2id$v=19$m=32,t=3,p=2$", 28), 0);
    assert_true(matches("a password", phc));
    assert_false(password_needs_rehash(str_of_c(phc), &other));
    for (int i = 0; i < 3; i++) {
        struct password_params now = other;
        now.memory_kib += i == 0;
        now.time += i == 1;
        now.parallelism += i == 2;
        assert_true(password_needs_rehash(str_of_c(phc), &now));
    }
    assert_true(password_needs_rehash(STR("$2b$10$something"), &other));
}

static void refuses_hashes_that_are_none_of_ours(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "plain",
        "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$",
        "$argon2id$v=19$m=8,t=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=0,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=65,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=512,t=1,p=17$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        /* 4 TiB of memory: refused before it is asked for */
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        bool is_match = true;
        struct err e = { 0 };
        if (password_verify(STR("x"), str_of_c(bad[i]), &is_match, &e))
            fail_msg("took \"%s\"", bad[i]);
        assert_int_equal(e.code, ERR_INTERNAL);
        assert_true(is_match); /* unchanged */
    }
}

static void bounds_what_it_hashes(void **state)
{
    (void)state;
    char text[PASSWORD_BYTES_MAX + 2], phc[PASSWORD_HASH_MAX];
    struct err e = { 0 };
    bool is_match = true;
    memset(text, 'x', sizeof text);
    assert_true(password_hash(str_of(text, PASSWORD_BYTES_MAX), &cheap, phc, &e));
    assert_false(password_hash(str_of(text, PASSWORD_BYTES_MAX + 1), &cheap, phc, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    /* Two that are longer than any password never match the one of which they are the start. */
    assert_true(password_verify(str_of(text, sizeof text), str_of_c(phc), &is_match, &e));
    assert_false(is_match);
    password_verify_nobody(str_of(text, sizeof text), &cheap);
}

static void says_why_a_password_will_not_do(void **state)
{
    (void)state;
    char longest[PASSWORD_BYTES_MAX + 1];
    memset(longest, 'x', sizeof longest);
    const struct {
        struct str password;
        const char *reason; /* NULL: it will do */
    } cases[] = {
        { STR("12345678"), NULL },
        { STR("\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac\xf0\x9f\x9a\x80zzz"), NULL }, /* 8 characters */
        { STR("1234567"), "the password needs at least 8 characters" },
        { STR("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4"), "the password needs at least 8 characters" },
        { STR(""), "the password needs at least 8 characters" },
        { STR("12345678\xff"), "the password is no Unicode text" },
        { STR("Ann@Example.com"), "the password must not be the email address" },
        { STR(" ann@example.com\n"), "the password must not be the email address" },
        { str_of(longest, PASSWORD_BYTES_MAX), NULL },
        { str_of(longest, PASSWORD_BYTES_MAX + 1), "the password is longer than 1024 bytes" },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct err e = { 0 };
        bool will_do = password_check(cases[i].password, STR("ann@example.com"), 8, &e);
        assert_int_equal(will_do, cases[i].reason == NULL);
        if (cases[i].reason)
            assert_string_equal(e.message, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_only_the_password_it_was_made_from),
        cmocka_unit_test(reads_hashes_of_other_programs),
        cmocka_unit_test(the_params_come_from_the_settings),
        cmocka_unit_test(refuses_hashes_that_are_none_of_ours),
        cmocka_unit_test(bounds_what_it_hashes),
        cmocka_unit_test(says_why_a_password_will_not_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
