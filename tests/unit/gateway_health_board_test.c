#include "gateway/health_board.h"

#include <malloc.h>

#include "base/arena.h"
#include "test.h"

enum {
    LOOPS = 3,
    PEERS = 2,
    HEAP_OF_ONES = 0xfe, /* malloc's memory is its complement: what nobody sets is true */
};

struct scene {
    struct health_board *board;
    struct arena *a;
};

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    (void)mallopt(M_PERTURB, HEAP_OF_ONES);
    *s = (struct scene){ health_board_create(LOOPS, PEERS), arena_create(1 << 16) };
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;
    health_board_destroy(s->board);
    arena_destroy(s->a);
    free(s);
    return 0;
}

static struct err reason(const char *text)
{
    struct err e;
    (void)err_set(&e, ERR_UNAVAILABLE, "%s", text);
    return e;
}

static void assert_why(struct health_fact fact, const char *why)
{
    assert_string_equal(fact.why.ptr, why);
}

static void the_database_is_there_when_every_loop_has_it(void **state)
{
    struct scene *s = *state;
    const struct err why = reason("no connection"), other = reason("another");
    assert_false(health_board_has_database(s->board));
    assert_false(health_board_tell_database(s->board, 0, true, NULL));
    assert_false(health_board_tell_database(s->board, 2, true, NULL));
    assert_true(health_board_tell_database(s->board, 1, true, NULL));
    assert_true(health_board_has_database(s->board));
    assert_why(health_board_database(s->board, s->a), "");
    assert_true(health_board_tell_database(s->board, 1, false, &why));
    int64_t since_us = health_board_database(s->board, s->a).since_us;
    assert_false(health_board_tell_database(s->board, 2, false, &other));
    assert_why(health_board_database(s->board, s->a), "no connection"); /* of the first of them */
    assert_false(health_board_tell_database(s->board, 1, true, NULL));
    assert_false(health_board_tell_database(s->board, 2, false, &other));
    assert_why(health_board_database(s->board, s->a), "another");
    assert_false(health_board_has_database(s->board));
    assert_int_equal(health_board_database(s->board, s->a).since_us, since_us);
    assert_true(health_board_tell_database(s->board, 2, true, NULL));
}

static void ai_is_as_the_last_answer_says(void **state)
{
    struct scene *s = *state;
    const struct err why = reason("out of reach");
    assert_why(health_board_ai(s->board, s->a), "not asked yet");
    assert_true(health_board_tell_ai(s->board, &why)); /* the first one counts as a change */
    assert_false(health_board_tell_ai(s->board, &why));
    assert_why(health_board_ai(s->board, s->a), "out of reach");
    assert_true(health_board_tell_ai(s->board, NULL));
    assert_true(health_board_tell_ai_sense(s->board, "no answer"));
    assert_false(health_board_tell_ai_sense(s->board, "no answer"));
    health_board_tell_ai_latency(s->board, 7);
    struct health_fact ai = health_board_ai(s->board, s->a);
    assert_true(ai.is_up && ai.is_senseless);
    assert_int_equal(ai.latency_us, 7);
    assert_why(ai, "no answer");
    assert_true(health_board_tell_ai_sense(s->board, NULL));
    assert_why(health_board_ai(s->board, s->a), "");
}

static void assert_breaker(const struct scene *s, size_t peer, enum http_breaker_state state,
                           int64_t since_us)
{
    struct health_breaker breaker = health_board_breaker(s->board, peer);
    assert_int_equal(breaker.state, state);
    assert_int_equal(breaker.since_us, since_us);
}

static void a_breaker_is_as_it_changed_last(void **state)
{
    struct scene *s = *state;
    const int64_t now_us = INT64_C(1'764'000'000'000'000);
    assert_breaker(s, 0, HTTP_BREAKER_CLOSED, 0);
    /* As two loops have noted it. */
    struct health_breaker one = { HTTP_BREAKER_CLOSED, now_us - 9 }, other = one;
    const struct health_breaker still = one;
    health_board_note(s->board, 0, &one, (struct health_breaker){ HTTP_BREAKER_OPEN, now_us },
                      false);
    assert_breaker(s, 0, HTTP_BREAKER_OPEN, now_us);
    assert_breaker(s, 1, HTTP_BREAKER_CLOSED, 0);
    const struct health_breaker probing = { HTTP_BREAKER_HALF_OPEN,
                                            now_us - 5 }; /* a clock set back */
    health_board_note(s->board, 0, &one, probing, true);
    assert_breaker(s, 0, HTTP_BREAKER_HALF_OPEN, now_us - 5);
    health_board_note(s->board, 0, &one, probing, true); /* it has not closed by that */
    health_board_note(s->board, 0, &other, still, false);
    assert_breaker(s, 0, HTTP_BREAKER_HALF_OPEN, now_us - 5);
    health_board_note(s->board, 0, &other, still, true);
    struct health_breaker closed = health_board_breaker(s->board, 0);
    assert_int_equal(closed.state, HTTP_BREAKER_CLOSED);
    assert_true(closed.since_us > 0);
    health_board_note(s->board, 0, &other, still, true);
    assert_breaker(s, 0, HTTP_BREAKER_CLOSED, closed.since_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_database_is_there_when_every_loop_has_it, begin, end),
        cmocka_unit_test_setup_teardown(ai_is_as_the_last_answer_says, begin, end),
        cmocka_unit_test_setup_teardown(a_breaker_is_as_it_changed_last, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
