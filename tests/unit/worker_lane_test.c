/*
 * Which task begins next, and which may not: against a model that looks at every task each time.
 * SEED= replays a run.
 */
#include "worker/live_lane.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "test.h"

/* Its tokens are whole multiples of 2^-20, so that no order of adding rounds them. */
static const double exact_rate = 1e6 / (1 << 20);

enum { TYPES = 4, QUEUES = 3, KEYS = 5, TASKS_MAX = 400, AGEING_US = 5'000'000 };

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
    chance_state = chance_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(chance_state >> 33) % below;
}

static void seed_chance(void)
{
    const char *seed = getenv("SEED");
    chance_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)clock_wall_us();
    print_message("# SEED=%llu\n", (unsigned long long)chance_state);
}

static struct live *add(struct live_set *set, struct live_lane lane, int64_t at_us, int64_t now_us)
{
    struct live *task = live_add(set, uuid_v7());
    live_join(set, task, &lane);
    task->at_us = at_us;
    task->state = LIVE_WAITING;
    live_place(set, task, now_us);
    return task;
}

/* The next one over `count` types from the first on. */
static struct live *pick(struct live_set *set, uint32_t count, int64_t now_us, int64_t ageing_us)
{
    struct live_pick p = {
        .set = set, .now_us = now_us, .mono_us = now_us, .ageing_us = ageing_us
    };
    for (uint32_t type = 0; type < count; type++)
        live_pick_consider(&p, type);
    return live_pick_end(&p);
}

static void begin(struct live_set *set, struct live *task, int64_t now_us)
{
    live_take_turn(set, task, now_us);
    live_lift(set, task);
    task->state = LIVE_RUNNING;
    live_place(set, task, now_us);
}

static void a_million_of_one_type_delay_another_by_one_turn(void **state)
{
    enum { MANY = 20'000 };
    struct live_set *set = live_create();
    (void)state;
    for (int i = 0; i < MANY; i++)
        (void)add(set, (struct live_lane){ .type = 0, .priority = PRIORITY_NORMAL }, i, MANY);
    for (int i = 0; i < 10; i++)
        begin(set, pick(set, 2, MANY, 0), MANY);
    struct live *other =
        add(set, (struct live_lane){ .type = 1, .priority = PRIORITY_NORMAL }, MANY, MANY);
    assert_ptr_equal(pick(set, 2, MANY, 0), other);
    live_destroy(set);
}

static void keys_and_queues_of_a_type_take_turns(void **state)
{
    struct live_set *set = live_create();
    size_t of_key[3] = { 0 }, of_queue[2] = { 0 };
    (void)state;
    for (int i = 0; i < 900; i++)
        (void)add(set, (struct live_lane){ .key = i < 880 ? 1 : i < 890 ? 2 : 3 }, i, 1'000);
    for (int i = 0; i < 20; i++)
        (void)add(set, (struct live_lane){ .queue = 1 }, i, 1'000);
    for (int i = 0; i < 36; i++) {
        struct live *task = pick(set, 1, 1'000, 0);
        struct live_lane lane = live_lane_of(set, task);
        begin(set, task, 1'000);
        of_queue[lane.queue]++;
        if (lane.queue == 0)
            of_key[lane.key - 1]++;
    }
    assert_int_equal(of_queue[0], 18);
    assert_int_equal(of_queue[1], 18);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(of_key[i], 6);
    live_destroy(set);
}

/* Of each `n` turns after one another, every one of n has had one. */
static void check_round(const uint64_t *turns, size_t count, size_t n)
{
    for (size_t i = 0; i + n <= count; i++)
        for (size_t a = i; a < i + n; a++)
            for (size_t b = a + 1; b < i + n; b++)
                assert_true(turns[a] != turns[b]);
}

static void every_round_serves_all_types_queues_and_keys(void **state)
{
    enum { DEPTH = 6, ROUNDS = TYPES * QUEUES * KEYS * (DEPTH - 1) };
    struct live_set *set = live_create();
    static uint64_t types[ROUNDS], queues[TYPES][ROUNDS], keys[TYPES][QUEUES][ROUNDS];
    size_t type_turns[TYPES] = { 0 }, queue_turns[TYPES][QUEUES] = { 0 };
    (void)state;
    seed_chance();
    for (uint32_t depth = 0; depth < DEPTH; depth++)
        for (uint32_t i = 0; i < TYPES * QUEUES * KEYS; i++)
            (void)add(set,
                      (struct live_lane){ .type = i % TYPES,
                                          .queue = i / TYPES % QUEUES,
                                          .priority = PRIORITY_NORMAL,
                                          .key = 1 + i / TYPES / QUEUES },
                      chance(1'000), 1'000);
    for (size_t i = 0; i < ROUNDS; i++) {
        struct live *task = pick(set, TYPES, 1'000, 0);
        struct live_lane lane = live_lane_of(set, task);
        begin(set, task, 1'000);
        types[i] = lane.type;
        queues[lane.type][type_turns[lane.type]++] = lane.queue;
        keys[lane.type][lane.queue][queue_turns[lane.type][lane.queue]++] = lane.key;
    }
    check_round(types, ROUNDS, TYPES);
    for (size_t t = 0; t < TYPES; t++) {
        check_round(queues[t], type_turns[t], QUEUES);
        for (size_t q = 0; q < QUEUES; q++)
            check_round(keys[t][q], queue_turns[t][q], KEYS);
    }
    live_destroy(set);
}

static void a_task_that_waits_counts_as_more_urgent(void **state)
{
    struct live_set *set = live_create();
    int64_t now_us = INT64_C(10) * AGEING_US;
    (void)state;
    struct live *low = add(set, (struct live_lane){ .priority = PRIORITY_LOW }, 0, now_us);
    for (int i = 0; i < 5; i++)
        (void)add(set, (struct live_lane){ .priority = PRIORITY_HIGH }, now_us, now_us);
    assert_ptr_not_equal(pick(set, 1, now_us, 0), low); /* without ageing it starves */
    assert_ptr_equal(pick(set, 1, now_us, AGEING_US), low);
    begin(set, low, now_us);
    live_destroy(set);
}

/* An aged backlog shares its level's turns with those of the level that are new, too. */
static void an_aged_backlog_does_not_hold_back_its_own_level(void **state)
{
    struct live_set *set = live_create();
    int64_t now_us = INT64_C(10) * AGEING_US;
    (void)state;
    for (int i = 0; i < 1'000; i++)
        (void)add(set, (struct live_lane){ .type = 0, .priority = PRIORITY_NORMAL }, i, now_us);
    begin(set, pick(set, 2, now_us, AGEING_US), now_us);
    struct live *fresh =
        add(set, (struct live_lane){ .type = 1, .priority = PRIORITY_NORMAL }, now_us, now_us);
    assert_ptr_equal(pick(set, 2, now_us, AGEING_US), fresh);
    live_destroy(set);
}

static void a_full_key_is_passed_over_until_one_of_it_ends(void **state)
{
    struct live_set *set = live_create();
    struct live *tasks[4];
    (void)state;
    live_set_limits(set, 0, &(struct live_limits){ .max_running_per_key = 1 }, 0);
    for (size_t i = 0; i < 4; i++)
        tasks[i] = add(set, (struct live_lane){ .key = 1 + i / 2 }, (int64_t)i, 10);
    begin(set, pick(set, 1, 10, 0), 10);
    begin(set, pick(set, 1, 10, 0), 10);
    assert_int_equal(tasks[0]->state, LIVE_RUNNING);
    assert_int_equal(tasks[2]->state, LIVE_RUNNING);
    assert_null(pick(set, 1, 10, 0));
    live_remove(set, tasks[2]);
    assert_ptr_equal(pick(set, 1, 10, 0), tasks[3]);
    begin(set, tasks[3], 10);
    assert_null(pick(set, 1, 10, 0));
    live_set_limits(set, 0, &(struct live_limits){ 0 }, 0);
    assert_ptr_equal(pick(set, 1, 10, 0), tasks[1]);
    live_destroy(set);
}

static void a_rate_gives_its_burst_and_then_its_rate(void **state)
{
    struct live_set *set = live_create();
    const struct live_limits limits = { .rate_per_s = 10, .burst = 3 };
    size_t begun = 0;
    (void)state;
    live_set_limits(set, 0, &limits, 0);
    for (int i = 0; i < 1'000; i++)
        (void)add(set, (struct live_lane){ 0 }, 0, 0);
    assert_null(pick(set, 1, 0, 0)); /* empty at first */
    for (int64_t now_us = 0; now_us <= 10 * CLOCK_S; now_us += 7'000)
        for (struct live *task; (task = pick(set, 1, now_us, 0)); begun++)
            begin(set, task, now_us);
    assert_in_range(begun, 99, 100);
    int64_t later_us = 100 * CLOCK_S; /* the bucket is full, not more */
    for (begun = 0; begun < 50; begun++) {
        struct live *task = pick(set, 1, later_us, 0);
        if (!task)
            break;
        begin(set, task, later_us);
    }
    assert_int_equal(begun, 3);
    live_untake_token(set, 0, 0);
    assert_non_null(pick(set, 1, later_us, 0));
    live_destroy(set);
}

/* Begins what may at that time; how many. */
static size_t begin_all(struct live_set *set, int64_t now_us)
{
    size_t begun = 0;
    for (struct live *task; (task = pick(set, 1, now_us, 0)) != NULL; begun++)
        begin(set, task, now_us);
    return begun;
}

static void a_rate_per_key_holds_back_that_key_alone(void **state)
{
    struct live_set *set = live_create();
    size_t begun = 0;
    (void)state;
    live_set_limits(set, 0, &(struct live_limits){ .rate_per_key_per_s = 10, .burst_per_key = 3 },
                    0);
    for (uint64_t i = 0; i < 2'000; i++)
        (void)add(set, (struct live_lane){ .key = 1 + i % 2 }, 0, 0);
    for (int i = 0; i < 5; i++)
        (void)add(set, (struct live_lane){ 0 }, 0, 0);
    assert_int_equal(begin_all(set, 0), 5); /* those without a key; all buckets are empty */
    assert_int_equal(live_bucket_count(set), 0);
    for (int64_t now_us = 0; now_us <= 10 * CLOCK_S; now_us += 7'000)
        begun += begin_all(set, now_us);
    assert_in_range(begun, 198, 200); /* 99 or 100 of each */
    assert_int_equal(live_bucket_count(set), 2);
    (void)add(set, (struct live_lane){ .key = 3 }, 0, 0);
    assert_int_equal(begin_all(set, 1'428 * 7'000), 1); /* while the others sleep */
    assert_int_equal(begin_all(set, 100 * CLOCK_S), 6); /* full, and no more */
    live_destroy(set);
}

static void who_sleeps_for_a_token_is_told_when(void **state)
{
    struct live_set *set = live_create();
    struct live_pick p = { .set = set, .now_us = 0, .mono_us = 4 * CLOCK_S };
    (void)state;
    live_set_limits(set, 0, &(struct live_limits){ .rate_per_key_per_s = 0.5 }, CLOCK_S);
    for (int i = 0; i < 3; i++)
        (void)add(set, (struct live_lane){ .key = 9 }, 0, 0);
    assert_null(pick(set, 1, 2 * CLOCK_S, 0)); /* the first token comes at 3 s */
    struct live *first = pick(set, 1, 3 * CLOCK_S + 2, 0);
    assert_non_null(first);
    begin(set, first, 3 * CLOCK_S + 2);
    live_pick_consider(&p, 0);
    assert_null(live_pick_end(&p));
    assert_in_range(p.token_us, 5 * CLOCK_S, 5 * CLOCK_S + 3);
    struct live_standing standing = live_standing_of(set, live_running_at(set, 0), p.mono_us);
    assert_int_equal(standing.key_token_us, p.token_us);
    assert_int_equal(standing.token_us, 0);
    assert_non_null(pick(set, 1, p.token_us, 0));
    live_destroy(set);
}

static void a_new_rate_per_key_begins_with_empty_buckets(void **state)
{
    struct live_set *set = live_create();
    struct live_limits limits = { .rate_per_key_per_s = 1, .burst_per_key = 2 };
    (void)state;
    live_set_limits(set, 0, &limits, 0);
    for (int i = 0; i < 100; i++)
        (void)add(set, (struct live_lane){ .key = 1 }, 0, 0);
    assert_int_equal(begin_all(set, 10 * CLOCK_S), 2);
    limits.is_paused = true; /* nothing of the rate: the buckets stay as they are */
    live_set_limits(set, 0, &limits, 10 * CLOCK_S);
    limits.is_paused = false;
    live_set_limits(set, 0, &limits, 10 * CLOCK_S);
    assert_int_equal(live_bucket_count(set), 1);
    limits.burst_per_key = 50;
    live_set_limits(set, 0, &limits, 20 * CLOCK_S);
    assert_int_equal(live_bucket_count(set), 0);
    assert_int_equal(begin_all(set, 20 * CLOCK_S), 0);
    assert_int_equal(begin_all(set, 24 * CLOCK_S), 4);
    live_set_limits(set, 0, &(struct live_limits){ 0 }, 24 * CLOCK_S);
    assert_int_equal(begin_all(set, 24 * CLOCK_S), 94);
    live_destroy(set);
}

/* Keys that come once and never again cost nothing when they are full. */
static void full_buckets_go(void **state)
{
    enum { KEYS_MANY = 5'000 };
    struct live_set *set = live_create();
    (void)state;
    live_set_limits(set, 0, &(struct live_limits){ .rate_per_key_per_s = 2 }, 0);
    for (uint64_t i = 0; i < KEYS_MANY; i++) {
        int64_t now_us = 10 * CLOCK_S + (int64_t)i * 1'000;
        struct live *task = add(set, (struct live_lane){ .key = 1 + i }, 0, 0);
        assert_ptr_equal(pick(set, 1, now_us, 0), task);
        begin(set, task, now_us);
        live_remove(set, task);
        assert_in_range(live_bucket_count(set), 1, 502); /* of half a second */
    }
    live_refill(set, 20 * CLOCK_S); /* nothing begins any more */
    assert_int_equal(live_bucket_count(set), 0);
    live_destroy(set);
}

static void an_undone_start_gives_the_token_of_its_key_back(void **state)
{
    struct live_set *set = live_create();
    (void)state;
    live_set_limits(set, 0, &(struct live_limits){ .rate_per_key_per_s = 0.1 }, 0);
    struct live *task = add(set, (struct live_lane){ .key = 4 }, 0, 0);
    (void)add(set, (struct live_lane){ .key = 4 }, 1, 1);
    int64_t now_us = 100 * CLOCK_S;
    struct live was = *task;
    begin(set, task, now_us);
    assert_null(pick(set, 1, now_us, 0));
    live_restore(set, task, &was, (struct live_run){ 0 }, now_us);
    assert_null(pick(set, 1, now_us, 0));
    live_untake_token(set, 0, 4);
    assert_ptr_equal(pick(set, 1, now_us, 0), task);
    live_destroy(set);
}

static void a_paused_queue_waits_and_comes_back(void **state)
{
    struct live_set *set = live_create();
    (void)state;
    struct live *task = add(set, (struct live_lane){ .queue = 2 }, 0, 10);
    live_pause_queue(set, 2, true);
    assert_null(pick(set, 1, 10, 0));
    struct live *other = add(set, (struct live_lane){ .queue = 1 }, 5, 10);
    assert_ptr_equal(pick(set, 1, 10, 0), other);
    live_pause_queue(set, 2, false);
    live_remove(set, other);
    assert_ptr_equal(pick(set, 1, 10, 0), task);
    live_destroy(set);
}

/* A pick looks at no lane of those that were found to be held back. */
static void held_back_lanes_cost_nothing(void **state)
{
    enum { LANES = 20'000 };
    struct live_set *set = live_create();
    (void)state;
    live_set_limits(set, 0, &(struct live_limits){ .max_running_per_key = 1 }, 0);
    for (uint64_t i = 0; i < LANES; i++)
        for (int k = 0; k < 2; k++)
            (void)add(set, (struct live_lane){ .key = i + 1 }, 0, 0);
    for (int i = 0; i < LANES; i++)
        begin(set, pick(set, 1, 0, 0), 0);
    assert_null(pick(set, 1, 0, 0));
    struct live *task = NULL;
    for (int i = 0; i < 100'000; i++)
        task = pick(set, 1, 0, 0); /* 20,000 lanes each time would take minutes */
    assert_null(task);
    struct live_standing standing = live_standing_of(set, live_running_at(set, 0), 0);
    assert_int_equal(standing.lanes, 0);
    live_destroy(set);
}

/* ── the model ── */

struct item {
    struct live *task;
    struct live_lane lane;
};

struct world {
    struct live_set *set;
    struct item items[TASKS_MAX];
    size_t count;
    struct live_limits limits[TYPES];
    double tokens[TYPES], key_tokens[TYPES][KEYS];
    int64_t token_us[TYPES];
    bool is_paused[QUEUES];
    int64_t now_us;
};

static bool is_ready(const struct world *w, const struct item *i)
{
    return i->task->state == LIVE_WAITING && i->task->at_us <= w->now_us;
}

static size_t running(const struct world *w, uint32_t type, uint64_t key)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++)
        n += w->items[i].task->state == LIVE_RUNNING && w->items[i].lane.type == type &&
             (key == 0 || w->items[i].lane.key == key);
    return n;
}

static void fill(struct world *w, uint32_t type)
{
    const struct live_limits *l = &w->limits[type];
    double passed_s = (double)(w->now_us - w->token_us[type]) / CLOCK_S;
    if (l->rate_per_s > 0)
        w->tokens[type] = fmin(w->tokens[type] + l->rate_per_s * passed_s, l->burst);
    for (size_t key = 1; l->rate_per_key_per_s > 0 && key < KEYS; key++)
        w->key_tokens[type][key] =
            fmin(w->key_tokens[type][key] + l->rate_per_key_per_s * passed_s, l->burst_per_key);
    w->token_us[type] = w->now_us;
}

static bool may_run(const struct world *w, const struct item *i)
{
    const struct live_limits *l = &w->limits[i->lane.type];
    return is_ready(w, i) && !l->is_paused && !w->is_paused[i->lane.queue] &&
           (l->max_running == 0 || running(w, i->lane.type, 0) < l->max_running) &&
           (l->max_running_per_key == 0 || i->lane.key == 0 ||
            running(w, i->lane.type, i->lane.key) < l->max_running_per_key) &&
           (l->rate_per_s <= 0 || w->tokens[i->lane.type] >= 1) &&
           (l->rate_per_key_per_s <= 0 || i->lane.key == 0 ||
            w->key_tokens[i->lane.type][i->lane.key] >= 1);
}

/* One of the lane begins, or, with a minus, has not begun. */
static void take_tokens(struct world *w, const struct live_lane *lane, double count)
{
    const struct live_limits *l = &w->limits[lane->type];
    if (l->rate_per_s > 0)
        w->tokens[lane->type] -= count;
    if (l->rate_per_key_per_s > 0)
        w->key_tokens[lane->type][lane->key] -= count;
}

static int level_of(const struct world *w, const struct item *i)
{
    return (int)min_of((int64_t)i->lane.priority + (w->now_us - i->task->at_us) / AGEING_US,
                       (int64_t)PRIORITY_HIGH);
}

static bool is_same_lane(const struct item *a, const struct item *b)
{
    return a->lane.type == b->lane.type && a->lane.queue == b->lane.queue &&
           a->lane.key == b->lane.key && a->lane.priority == b->lane.priority;
}

static bool is_older(const struct item *a, const struct item *b)
{
    return a->task->at_us != b->task->at_us
               ? a->task->at_us < b->task->at_us
               : memcmp(a->task->id.bytes, b->task->id.bytes, sizeof a->task->id.bytes) < 0;
}

/* What holds of every choice, whatever turns were before: it may run, none of its lane that may
 * goes before it, and its level counts as much as any. */
static void check_choice(struct world *w, const struct live *chosen)
{
    const struct item *it = NULL;
    bool anything = false;
    for (size_t i = 0; i < w->count; i++) {
        anything |= may_run(w, &w->items[i]);
        if (w->items[i].task == chosen)
            it = &w->items[i];
    }
    assert_int_equal(chosen != NULL, anything);
    if (!chosen)
        return;
    assert_non_null(it);
    assert_true(may_run(w, it));
    int of_level = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct item *other = &w->items[i];
        if (!may_run(w, other))
            continue;
        if (other != it && is_same_lane(other, it))
            assert_true(is_older(it, other));
        if (other->lane.priority == it->lane.priority)
            of_level = max_of(of_level, level_of(w, other));
    }
    for (size_t i = 0; i < w->count; i++)
        if (may_run(w, &w->items[i]))
            assert_true((int)w->items[i].lane.priority <= of_level);
}

static void add_some(struct world *w)
{
    if (w->count == TASKS_MAX)
        return;
    struct item *item = &w->items[w->count++];
    item->lane = (struct live_lane){ .type = chance(TYPES),
                                     .queue = chance(QUEUES),
                                     .priority = (enum rule_priority)chance(PRIORITY_COUNT),
                                     .key = chance(KEYS) };
    item->task =
        add(w->set, item->lane, w->now_us + (int64_t)chance(4 * AGEING_US) - AGEING_US, w->now_us);
}

static void choose(struct world *w)
{
    for (uint32_t type = 0; type < TYPES; type++)
        fill(w, type);
    struct live *task = pick(w->set, TYPES, w->now_us, AGEING_US);
    check_choice(w, task);
    if (!task)
        return;
    struct live was = *task;
    struct live_lane lane = live_lane_of(w->set, task);
    begin(w->set, task, w->now_us);
    take_tokens(w, &lane, 1);
    if (chance(5) > 0)
        return;
    live_restore(w->set, task, &was, (struct live_run){ 0 }, w->now_us); /* its batch failed */
    live_untake_token(w->set, lane.type, lane.key);
    take_tokens(w, &lane, -1);
}

static void end_one(struct world *w)
{
    if (w->count == 0)
        return;
    struct item *item = &w->items[chance((uint32_t)w->count)];
    if (item->task->state != LIVE_RUNNING && chance(4) > 0)
        return;
    if (chance(3) == 0) { /* it waits again */
        live_lift(w->set, item->task);
        item->task->state = LIVE_WAITING;
        live_place(w->set, item->task, w->now_us);
        return;
    }
    live_remove(w->set, item->task);
    *item = w->items[--w->count];
}

static void change_a_limit(struct world *w)
{
    uint32_t type = chance(TYPES), queue = chance(QUEUES);
    if (chance(2)) {
        w->is_paused[queue] = chance(3) == 0;
        live_pause_queue(w->set, queue, w->is_paused[queue]);
        return;
    }
    fill(w, type);
    (void)pick(w->set, TYPES, w->now_us, AGEING_US); /* it counts tokens up to now as well */
    struct live_limits limits = { .is_paused = chance(6) == 0,
                                  .max_running = chance(2) ? chance(20) : 0,
                                  .max_running_per_key = chance(2) ? chance(5) : 0,
                                  .rate_per_s = chance(3) ? 0 : exact_rate,
                                  .burst = 4,
                                  .rate_per_key_per_s = chance(2) ? 0 : exact_rate,
                                  .burst_per_key = 1 + chance(2) };
    const struct live_limits *was = &w->limits[type];
    if (was->rate_per_s <= 0)
        w->tokens[type] = 0;
    if ((was->rate_per_key_per_s > 0) != (limits.rate_per_key_per_s > 0) ||
        was->burst_per_key != limits.burst_per_key)
        memset(w->key_tokens[type], 0, sizeof w->key_tokens[type]);
    w->limits[type] = limits;
    live_set_limits(w->set, type, &limits, w->now_us);
}

static void it_agrees_with_a_model_that_looks_at_all(void **state)
{
    enum { STEPS = 20'000 };
    struct world *w = mem_new(struct world);
    (void)state;
    seed_chance();
    w->set = live_create();
    w->now_us = CLOCK_S;
    for (uint32_t type = 0; type < TYPES; type++) {
        w->token_us[type] = w->now_us;
        live_set_limits(w->set, type, &w->limits[type], w->now_us);
    }
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = chance(20);
        w->now_us += chance(100'000);
        live_ripen(w->set, w->now_us);
        if (what < 8)
            add_some(w);
        else if (what < 14)
            choose(w);
        else if (what < 19)
            end_one(w);
        else
            change_a_limit(w);
        assert_int_equal(live_count(w->set), w->count);
    }
    live_destroy(w->set);
    mem_free(w);
}

static void no_lane_is_left_behind(void **state)
{
    struct live_set *set = live_create();
    struct live *tasks[300];
    (void)state;
    seed_chance();
    for (size_t i = 0; i < 300; i++)
        tasks[i] = add(set, (struct live_lane){ .type = chance(3), .key = chance(100) }, 0, 10);
    assert_true(live_lane_count(set) > 100);
    for (size_t i = 0; i < 300; i++)
        live_remove(set, tasks[i]);
    assert_int_equal(live_lane_count(set), 0);
    live_destroy(set);
}

/* Each look is at one lane, and all of them together are what one sweep finds. */
static void queues_are_summed_up_a_part_at_a_time(void **state)
{
    enum { SUMMED = QUEUES + 1, LOOKS = 7 };
    struct live_set *set = live_create();
    struct live_queue_sums all[SUMMED], parts[SUMMED] = { 0 };
    struct live_queue_sweep sweep = { .sums = parts, .count = SUMMED };
    size_t turns = 1;
    (void)state;
    seed_chance();
    for (size_t i = 0; i < 300; i++)
        (void)add(set,
                  (struct live_lane){
                      .type = chance(TYPES), .queue = chance(QUEUES), .key = chance(100) },
                  1 + chance(1000), 2000);
    for (; !live_queue_sweep(set, &sweep, LOOKS); turns++)
        assert_int_equal(sweep.at, turns * LOOKS);
    assert_true(turns * LOOKS >= live_lane_count(set) && turns > 10);
    live_queue_sums(set, all, SUMMED);
    size_t waiting = 0;
    for (size_t i = 0; i < SUMMED; i++) {
        assert_int_equal(parts[i].waiting, all[i].waiting);
        assert_int_equal(parts[i].running, 0);
        assert_int_equal(parts[i].oldest_us, all[i].oldest_us);
        assert_true((all[i].oldest_us > 0) == (all[i].waiting > 0));
        waiting += all[i].waiting;
    }
    assert_int_equal(waiting, 300);
    live_destroy(set);
}

/* What a partition key a task costs, the worst there is. */
static void a_lane_of_one_costs_what_was_promised(void **state)
{
    enum { TASKS = 1 << 18 };
    struct live_set *set = live_create();
    (void)state;
    for (uint64_t i = 0; i < TASKS; i++)
        (void)add(set, (struct live_lane){ .key = i * UINT64_C(0x9e3779b97f4a7c15) + 1 }, 0, 10);
    print_message("# %zu bytes a task with a key of its own\n", live_bytes(set) / TASKS);
    assert_true(live_bytes(set) <= (size_t)TASKS * 150);
    live_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_of_one_type_delay_another_by_one_turn),
        cmocka_unit_test(keys_and_queues_of_a_type_take_turns),
        cmocka_unit_test(every_round_serves_all_types_queues_and_keys),
        cmocka_unit_test(a_task_that_waits_counts_as_more_urgent),
        cmocka_unit_test(an_aged_backlog_does_not_hold_back_its_own_level),
        cmocka_unit_test(a_full_key_is_passed_over_until_one_of_it_ends),
        cmocka_unit_test(a_rate_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(a_rate_per_key_holds_back_that_key_alone),
        cmocka_unit_test(who_sleeps_for_a_token_is_told_when),
        cmocka_unit_test(a_new_rate_per_key_begins_with_empty_buckets),
        cmocka_unit_test(full_buckets_go),
        cmocka_unit_test(an_undone_start_gives_the_token_of_its_key_back),
        cmocka_unit_test(a_paused_queue_waits_and_comes_back),
        cmocka_unit_test(held_back_lanes_cost_nothing),
        cmocka_unit_test(it_agrees_with_a_model_that_looks_at_all),
        cmocka_unit_test(no_lane_is_left_behind),
        cmocka_unit_test(queues_are_summed_up_a_part_at_a_time),
        cmocka_unit_test(a_lane_of_one_costs_what_was_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
