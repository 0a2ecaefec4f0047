/*
 * coalesce, in virtual time: callers that ask again as soon as they are answered, one thread that
 * reads them, and a database that takes a while for each commit and a little for each row.
 */
#include "worker/coalesce.h"

#include <math.h>

#include "test.h"

enum { BATCHES = 4'000 };

struct machine {
    size_t callers;
    int64_t commit_us, row_us; /* of the database */
    int64_t request_us;        /* of the thread: to answer a caller and to read what he asks next */
};

struct run {
    const struct machine *machine;
    struct coalesce c;
    int64_t now_us, ends_us; /* the batch in flight */
    size_t coming, waiting, in_flight;
    unsigned batches[COALESCE_WAY_COUNT];
};

static void send_batch(struct run *r)
{
    const struct machine *m = r->machine;
    coalesce_sent(&r->c, r->waiting, r->now_us);
    r->ends_us = r->now_us + m->commit_us + (int64_t)r->waiting * m->row_us;
    r->batches[r->c.way]++;
    r->in_flight = r->waiting;
    r->waiting = 0;
}

static void end_batch(struct run *r)
{
    r->now_us = max_of(r->now_us, r->ends_us);
    r->coming += r->in_flight;
    r->in_flight = 0;
    coalesce_ended(&r->c, r->waiting, r->now_us);
}

/* Nobody is there who could come: until patience ends. */
static void wait_on(struct run *r)
{
    int64_t until_us = coalesce_until_us(&r->c, r->waiting);
    assert_true(r->waiting > 0 && until_us > r->now_us);
    r->now_us = until_us;
}

static void go_on(struct run *r, unsigned batches)
{
    memset(r->batches, 0, sizeof r->batches);
    while (r->batches[COALESCE_ALL] + r->batches[COALESCE_HALF] < batches) {
        bool is_busy = r->in_flight > 0;
        if (is_busy && (r->now_us >= r->ends_us || r->coming == 0)) {
            end_batch(r);
        } else if (!is_busy && r->waiting > 0 &&
                   coalesce_until_us(&r->c, r->waiting) <= r->now_us) {
            send_batch(r);
        } else if (r->coming > 0) {
            r->now_us += r->machine->request_us;
            r->coming--;
            r->waiting++;
        } else {
            wait_on(r);
        }
    }
}

static struct run run(const struct machine *m)
{
    struct run r = { .machine = m, .now_us = 1'000'000, .coming = m->callers };
    go_on(&r, BATCHES);
    return r;
}

/* Nine of ten batches at least; the rest are trials of the other way. */
static void assert_goes(enum coalesce_way way, struct machine m)
{
    struct run r = run(&m);
    assert_in_range(r.batches[way], BATCHES * 9 / 10, BATCHES);
}

static void where_a_commit_is_dear_all_are_waited_for(void **state)
{
    (void)state;
    assert_goes(
        COALESCE_ALL,
        (struct machine){ .callers = 32, .commit_us = 4'000, .row_us = 15, .request_us = 20 });
    assert_goes(COALESCE_ALL,
                (struct machine){ .callers = 8, .commit_us = 300, .row_us = 15, .request_us = 20 });
}

static void where_reading_takes_longer_half_are_enough(void **state)
{
    (void)state;
    assert_goes(
        COALESCE_HALF,
        (struct machine){ .callers = 32, .commit_us = 250, .row_us = 15, .request_us = 20 });
    assert_goes(
        COALESCE_HALF,
        (struct machine){ .callers = 100, .commit_us = 1'000, .row_us = 15, .request_us = 20 });
}

static void it_follows_when_the_disk_changes(void **state)
{
    (void)state;
    struct machine m = { .callers = 32, .commit_us = 250, .row_us = 15, .request_us = 20 };
    struct run r = run(&m);
    m.commit_us = 4'000;
    go_on(&r, BATCHES);
    assert_in_range(r.batches[COALESCE_ALL], BATCHES * 8 / 10, BATCHES);
}

static void one_caller_waits_for_nobody(void **state)
{
    (void)state;
    struct coalesce c = { 0 };
    for (int i = 1; i < 500; i++) {
        assert_true(coalesce_until_us(&c, 1) <= 1'000 * i);
        coalesce_sent(&c, 1, 1'000 * i);
        coalesce_ended(&c, 0, 1'000 * i + 300);
    }
}

static void nobody_is_waited_for_longer_than_two_milliseconds(void **state)
{
    (void)state;
    struct coalesce c = { .way = COALESCE_ALL };
    coalesce_sent(&c, 100, 1'000);
    coalesce_ended(&c, 50, 5'000);
    assert_int_equal(coalesce_until_us(&c, 149), 7'000);
    assert_int_equal(coalesce_until_us(&c, 150), 0);
}

/* In short bursts no window ends: none of them may stay in a trial. */
static void between_bursts_the_better_way_is_taken(void **state)
{
    (void)state;
    struct machine m = { .callers = 32, .commit_us = 250, .row_us = 15, .request_us = 20 };
    struct run r = run(&m);
    double each = r.c.us_each[COALESCE_HALF];
    for (int i = 0; i < 100; i++) {
        end_batch(&r);
        r.now_us += 60'000'000;
        go_on(&r, 30);
        assert_int_equal(r.c.way, COALESCE_HALF);
    }
    assert_true(r.c.us_each[COALESCE_HALF] < 2 * each); /* a minute's pause is not taken for slow */
}

struct strangers {
    int64_t next_us;
    unsigned seed;
};

/* How many have come until now; one in three milliseconds, by chance. */
static size_t come(struct strangers *s, int64_t now_us)
{
    size_t count = 0;
    for (; s->next_us <= now_us; count++)
        s->next_us += 1 + (int64_t)(-3'000 * log(1 - rand_r(&s->seed) / (RAND_MAX + 1.0)));
    return count;
}

static void strangers_are_not_waited_for(void **state)
{
    (void)state;
    unsigned batches[COALESCE_WAY_COUNT] = { 0 };
    struct coalesce c = { 0 };
    struct strangers s = { .next_us = 1'000'000, .seed = 7 };
    int64_t now_us = s.next_us;
    size_t waiting = come(&s, now_us);
    for (int i = 0; i < BATCHES; i++) {
        while (waiting == 0 || coalesce_until_us(&c, waiting) > now_us) {
            now_us = waiting > 0 ? min_of(s.next_us, coalesce_until_us(&c, waiting)) : s.next_us;
            waiting += come(&s, now_us);
        }
        batches[c.way]++;
        coalesce_sent(&c, waiting, now_us);
        now_us += 400;
        waiting = come(&s, now_us);
        coalesce_ended(&c, waiting, now_us);
    }
    assert_in_range(batches[COALESCE_HALF], BATCHES * 8 / 10, BATCHES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_commit_is_dear_all_are_waited_for),
        cmocka_unit_test(where_reading_takes_longer_half_are_enough),
        cmocka_unit_test(it_follows_when_the_disk_changes),
        cmocka_unit_test(one_caller_waits_for_nobody),
        cmocka_unit_test(nobody_is_waited_for_longer_than_two_milliseconds),
        cmocka_unit_test(between_bursts_the_better_way_is_taken),
        cmocka_unit_test(strangers_are_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
