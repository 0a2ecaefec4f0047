#include "auth/role.h"

#include "test.h"

static void parses_what_it_prints(void **state)
{
    (void)state;
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        enum role back = ROLE_VIEWER;
        assert_true(role_parse(str_of_c(role_name(role)), &back));
        assert_int_equal(back, role);
    }
    enum role role = ROLE_VIEWER;
    assert_true(role_parse(STR("operator"), &role)); /* as the database writes it */
    assert_int_equal(role, ROLE_OPERATOR);
    assert_false(role_parse(STR("ANYONE"), &role));
    assert_false(role_parse(STR(""), &role));
    enum scope scope = SCOPE_API;
    assert_true(scope_parse(STR("lease"), &scope));
    assert_int_equal(scope, SCOPE_LEASE);
    assert_string_equal(scope_name(scope), "LEASE");
    assert_true(scope_parse(STR("API"), &scope));
    assert_string_equal(scope_name(scope), "API");
    assert_false(scope_parse(STR("ADMIN"), &scope));
}

/* Every maker against every wish: the rule stated once more, as plainly as can be. */
static void a_token_grants_at_most_what_its_maker_has(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3 * 4 * 3 * 4; n++) {
        struct grant maker = { .role = n % 3, .scopes = n / 3 % 4 };
        struct grant wanted = { .role = n / 12 % 3, .scopes = n / 36 };
        struct err e = { 0 };
        bool is_more = wanted.role > maker.role || (wanted.scopes & maker.scopes) != wanted.scopes;
        bool is_senseless =
            wanted.scopes == 0 || ((wanted.scopes & SCOPE_LEASE) && wanted.role == ROLE_VIEWER);
        assert_int_equal(grant_check(maker, wanted, &e), !is_more && !is_senseless);
        if (is_more && wanted.scopes != 0)
            assert_int_equal(e.code, ERR_DENIED);
        else if (is_senseless)
            assert_int_equal(e.code, ERR_INVALID);
    }
}

static void a_session_has_every_scope_of_its_role(void **state)
{
    (void)state;
    struct err e = { 0 };
    const struct grant lease = { ROLE_VIEWER, SCOPE_LEASE };
    assert_int_equal(grant_of_session(ROLE_VIEWER).scopes, SCOPE_API);
    assert_int_equal(grant_of_session(ROLE_OPERATOR).scopes, SCOPE_API | SCOPE_LEASE);
    assert_int_equal(grant_of_session(ROLE_ADMIN).role, ROLE_ADMIN);
    assert_false(grant_check(grant_of_session(ROLE_VIEWER), lease, &e));
    assert_int_equal(e.code, ERR_DENIED);
}

static void a_token_is_worth_the_lesser_of_its_own_and_its_owners_role(void **state)
{
    (void)state;
    const unsigned both = SCOPE_API | SCOPE_LEASE;
    static const struct {
        enum role token, owner, now;
        bool may_lease;
    } cases[] = {
        { ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN, true },
        { ROLE_ADMIN, ROLE_OPERATOR, ROLE_OPERATOR, true },
        { ROLE_ADMIN, ROLE_VIEWER, ROLE_VIEWER, false }, /* a demoted admin */
        { ROLE_OPERATOR, ROLE_ADMIN, ROLE_OPERATOR, true },
        { ROLE_VIEWER, ROLE_ADMIN, ROLE_VIEWER, false },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct grant now = grant_now((struct grant){ cases[i].token, both }, cases[i].owner);
        assert_int_equal(now.role, cases[i].now);
        assert_int_equal(now.scopes, cases[i].may_lease ? both : SCOPE_API);
    }
    assert_int_equal(grant_now((struct grant){ ROLE_ADMIN, SCOPE_API }, ROLE_ADMIN).scopes,
                     SCOPE_API);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_it_prints),
        cmocka_unit_test(a_token_grants_at_most_what_its_maker_has),
        cmocka_unit_test(a_session_has_every_scope_of_its_role),
        cmocka_unit_test(a_token_is_worth_the_lesser_of_its_own_and_its_owners_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
