#include "gateway/bindings.h"

#include "gateway/problem.h"
#include "test.h"

static void every_field_of_the_api_has_a_resolver(void **state)
{
    scoped(gql_schema_destroyp) struct gql_schema *schema = NULL;
    struct err e = { 0 };
    (void)state;
    if (!bindings_create_schema(&schema, &e))
        fail_msg("%s", err_text(&e));
}

/* docs/errors.md shows the same. */
static void every_error_has_a_code_and_a_status(void **state)
{
    struct err e = { 0 };
    (void)state;
    for (int code = 0; code < ERR_CODE_COUNT; code++)
        for (int origin = ERR_ORIGIN_SELF; origin <= ERR_ORIGIN_AI; origin++) {
            e.code = (enum err_code)code;
            e.origin = (enum err_origin)origin;
            struct problem problem = problem_of(&e);
            assert_non_null(problem.code);
            assert_in_range(problem.http_status, 400, 504);
        }
    err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE, "away");
    assert_string_equal(problem_of(&e).code, PROBLEM_DATABASE_UNAVAILABLE);
    err_set(&e, ERR_DENIED, "no");
    assert_string_equal(problem_of(&e).code, PROBLEM_FORBIDDEN);
    assert_int_equal(problem_of(&e).http_status, 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_api_has_a_resolver),
        cmocka_unit_test(every_error_has_a_code_and_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
