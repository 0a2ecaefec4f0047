#include "io/loop.h"

#include <signal.h>

#include "base/clock.h"
#include "io/signals.h"
#include "io/timer.h"
#include "test.h"

enum { GUARD_MS = 20000 };

static void guard_hit(void *owner)
{
    (void)owner;
    fail_msg("%s", "the loop hangs");
}

struct counts {
    struct io_loop *loop;
    struct io_turn *turn;
    int posts, turns;
};

static void count_turn(void *owner)
{
    struct counts *c = owner;
    c->turns++;
    assert_int_equal(c->posts, 3); /* once, after all three */
    io_loop_stop(c->loop);
}

static void count_post(void *owner)
{
    struct counts *c = owner;
    c->posts++;
    io_turn_arm(c->turn);
}

static int post_thrice(void *arg)
{
    struct counts *c = arg;
    for (int i = 0; i < 3; i++)
        io_loop_post(c->loop, count_post, c);
    return 0;
}

static void posts_of_a_thread_end_in_one_turn(void **state)
{
    (void)state;
    struct counts c = { .loop = io_loop_create() };
    c.turn = io_turn_create(c.loop, count_turn, &c);
    struct io_timer *guard = io_timer_create(c.loop, guard_hit, NULL);
    io_timer_start(guard, GUARD_MS);
    thrd_t thread;
    assert_int_equal(thrd_create(&thread, post_thrice, &c), thrd_success);
    thrd_join(thread, NULL); /* all are there before the loop looks */
    io_loop_run(c.loop);
    assert_int_equal(c.turns, 1);
    io_timer_destroy(guard);
    io_turn_destroy(c.turn);
    io_loop_destroy(c.loop);
}

struct chain {
    struct io_loop *loop;
    struct io_turn *first, *second;
    int calls;
};

static void first_turn(void *owner)
{
    struct chain *c = owner;
    c->calls++;
    io_turn_arm(c->second);
}

static void second_turn(void *owner)
{
    struct chain *c = owner;
    c->calls++;
    io_loop_stop(c->loop);
}

static void a_turn_that_another_arms_needs_no_event_to_be_called(void **state)
{
    (void)state;
    struct chain c = { .loop = io_loop_create() };
    c.first = io_turn_create(c.loop, first_turn, &c);
    c.second = io_turn_create(c.loop, second_turn, &c);
    struct io_timer *guard = io_timer_create(c.loop, guard_hit, NULL);
    io_timer_start(guard, GUARD_MS);
    io_turn_arm(c.first);
    io_loop_run(c.loop);
    assert_int_equal(c.calls, 2);
    io_timer_destroy(guard);
    io_turn_destroy(c.first);
    io_turn_destroy(c.second);
    io_loop_destroy(c.loop);
}

struct calls {
    struct io_loop *loop;
    struct io_timer *once, *often;
    int once_count, often_count, signal_count;
};

static void called_once(void *owner)
{
    struct calls *c = owner;
    c->once_count++;
}

static void called_often(void *owner)
{
    struct calls *c = owner;
    if (++c->often_count == 3) {
        io_timer_destroy(take(c->often)); /* from within its own call */
        (void)raise(SIGUSR1);
    }
}

static void called_by_signal(void *owner)
{
    struct calls *c = owner;
    c->signal_count++;
    io_loop_stop(c->loop);
}

static void timers_and_signals_call_as_often_as_they_say(void **state)
{
    (void)state;
    struct calls c = { .loop = io_loop_create() };
    struct io_signal *signal = io_signal_create(c.loop, SIGUSR1, called_by_signal, &c);
    struct io_timer *guard = io_timer_create(c.loop, guard_hit, NULL);
    c.once = io_timer_create(c.loop, called_once, &c);
    c.often = io_timer_create(c.loop, called_often, &c);
    io_timer_start(guard, GUARD_MS);
    io_timer_start(c.once, 0);
    io_timer_repeat(c.often, 1);
    int64_t before_us = clock_mono_us();
    io_loop_run(c.loop);
    assert_int_equal(c.once_count, 1);
    assert_false(io_timer_is_running(c.once));
    assert_int_equal(c.often_count, 3);
    assert_int_equal(c.signal_count, 1);
    assert_true(io_loop_now_us(c.loop) >= before_us - CLOCK_MS); /* the same clock, in ms */
    io_timer_destroy(c.once);
    io_timer_destroy(guard);
    io_signal_destroy(signal);
    io_loop_destroy(c.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_a_thread_end_in_one_turn),
        cmocka_unit_test(a_turn_that_another_arms_needs_no_event_to_be_called),
        cmocka_unit_test(timers_and_signals_call_as_often_as_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
