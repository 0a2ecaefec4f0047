#include "store/public/message.h"

#include "test.h"

static struct uuid id_of(const char *text)
{
    struct uuid id = { 0 };
    assert_true(uuid_parse(str_of_c(text), &id));
    return id;
}

static void the_answer_stands_right_behind_its_question(void **state)
{
    static const char *const pairs[][2] = {
        { "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f", "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e20" },
        { "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0eff", "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0f00" },
        { "0192f1f3-6b5c-7c3e-9d00-ffffffffffff", "0192f1f3-6b5c-7c3e-9d01-000000000000" },
    };
    (void)state;
    for (size_t i = 0; i < countof(pairs); i++) {
        struct uuid question = id_of(pairs[i][0]), answer = message_answer_id(question);
        assert_true(message_has_answer_id(question));
        assert_true(uuid_eq(answer, id_of(pairs[i][1])));
        assert_int_equal(uuid_version(answer), 7);
        assert_true(memcmp(question.bytes, answer.bytes, sizeof answer.bytes) < 0);
    }
}

/* Counting up would change the variant, or the time. */
static void an_id_without_a_next_one_is_no_question(void **state)
{
    (void)state;
    assert_false(message_has_answer_id(id_of("0192f1f3-6b5c-7c3e-bfff-ffffffffffff")));
    assert_false(message_has_answer_id(id_of("0192f1f3-6b5c-7c3e-9dff-ffffffffffff")));
    assert_true(message_has_answer_id(id_of("0192f1f3-6b5c-7c3e-9dff-fffffffffffe")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_stands_right_behind_its_question),
        cmocka_unit_test(an_id_without_a_next_one_is_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
