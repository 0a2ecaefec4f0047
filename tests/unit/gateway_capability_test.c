#include "gateway/capability.h"

#include "test.h"

enum { NOW_US = 1'000'000 };

static struct token holder;

static struct token opened(struct capabilities *cs, int64_t now_us)
{
    struct token token = { 0 };
    struct err e;
    assert_true(capability_open(cs, str_of_c(holder.text), now_us, &token, &e));
    return token;
}

static bool is_good(struct capabilities *cs, const struct token *token, int64_t now_us)
{
    enum token_kind kind = TOKEN_KIND_COUNT;
    uint8_t hash[SHA256_LEN] = { 0 };
    if (!capability_use(cs, token->hash, now_us, &kind, hash))
        return false;
    assert_int_equal(kind, TOKEN_SESSION);
    assert_memory_equal(hash, holder.hash, sizeof hash);
    return true;
}

static void stands_for_its_holder_six_times(void **state)
{
    scoped(capabilities_destroyp) struct capabilities *cs = capabilities_create(10);
    struct token token = opened(cs, NOW_US);
    (void)state;
    assert_true(str_starts_with(str_of_c(token.text), STR("wlc_")));
    for (int i = 0; i < CAPABILITY_USES_MAX; i++)
        assert_true(is_good(cs, &token, NOW_US));
    assert_false(is_good(cs, &token, NOW_US));
    struct token other = opened(cs, NOW_US);
    assert_true(is_good(cs, &other, NOW_US));
}

static void ends_after_its_time_and_with_its_chat(void **state)
{
    scoped(capabilities_destroyp) struct capabilities *cs = capabilities_create(10);
    struct token first = opened(cs, NOW_US), second = opened(cs, NOW_US + 1);
    (void)state;
    assert_true(is_good(cs, &first, NOW_US + CAPABILITY_LIFETIME_US - 1));
    assert_false(is_good(cs, &first, NOW_US + CAPABILITY_LIFETIME_US));
    assert_true(is_good(cs, &second, NOW_US + CAPABILITY_LIFETIME_US));
    capability_close(cs, second.hash);
    assert_false(is_good(cs, &second, NOW_US + CAPABILITY_LIFETIME_US));
    capability_close(cs, second.hash);
    assert_int_equal(capabilities_count(cs), 0);
}

static void only_so_many_are_open_at_once(void **state)
{
    scoped(capabilities_destroyp) struct capabilities *cs = capabilities_create(2);
    struct token token = opened(cs, NOW_US), more = { 0 };
    struct err e;
    (void)state;
    (void)opened(cs, NOW_US);
    assert_false(capability_open(cs, str_of_c(holder.text), NOW_US, &more, &e));
    assert_int_equal(e.code, ERR_RATE);
    capability_close(cs, token.hash);
    (void)opened(cs, NOW_US);
    (void)opened(cs, NOW_US + CAPABILITY_LIFETIME_US); /* those before are over */
    assert_int_equal(capabilities_count(cs), 1);
}

static void is_for_sessions_and_api_tokens_alone(void **state)
{
    scoped(capabilities_destroyp) struct capabilities *cs = capabilities_create(2);
    struct token token = opened(cs, NOW_US), more = { 0 };
    struct token setup = token_make(TOKEN_SETUP);
    const char *const bad[] = { "", "wls_short", token.text, setup.text };
    struct err e;
    (void)state;
    for (size_t i = 0; i < countof(bad); i++) {
        assert_false(capability_open(cs, str_of_c(bad[i]), NOW_US, &more, &e));
        assert_int_equal(e.code, ERR_UNAUTHENTICATED);
    }
}

int main(void)
{
    holder = token_make(TOKEN_SESSION);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stands_for_its_holder_six_times),
        cmocka_unit_test(ends_after_its_time_and_with_its_chat),
        cmocka_unit_test(only_so_many_are_open_at_once),
        cmocka_unit_test(is_for_sessions_and_api_tokens_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
