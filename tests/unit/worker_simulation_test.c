/*
 * The dispatcher's memory (live, its lanes and limits) through hours of virtual time, against a
 * plain model that looks at every task: executors that work, fail, fall silent and crash, limits
 * and pauses that change, batches that are undone, and a wall clock that jumps both ways. A seed
 * makes the same history each time; WINDLASS_TEST_SEED asks for one, WINDLASS_TEST_SEEDS for more.
 *
 * It proves at each step: nothing begins before it was due, while it is paused, beyond a limit or a
 * rate, or twice at a time; the one that begins is the first of its lane, and of the most urgent
 * level, or of one that has aged up to it; and when nobody is picked, nobody could have been. At
 * the end of each history everything that was asked for has ended.
 */
#include "worker/live_lane.h"

#include <stdlib.h>

#include "base/clock.h"
#include "test.h"

enum {
    TYPES = 4,
    QUEUES = 3,
    KEYS = 4, /* 0: none */
    SESSIONS = 3,
    SLOTS = 12,
    TASKS = 300, /* unfinished at a time */
    STEPS = 4'000,
    CALM_STEPS = 2'000,
    CRASHES_MAX = RULE_CRASHES_MAX,
};

enum model_state { MODEL_FREE, MODEL_WAITING, MODEL_RUNNING };

struct model {
    enum model_state state;
    struct uuid id;
    struct live_lane lane;
    int64_t due_us;
    bool was_due; /* at some time: then a clock that goes back changes nothing */
    size_t session;
    int64_t fence;
    int64_t ends_us; /* running: when its executor speaks, by the monotonic clock */
    unsigned crashes;
};

struct model_type {
    struct live_limits limits;
    uint32_t running, running_of_key[KEYS];
    double tokens, key_tokens[KEYS];
    int64_t token_us;
};

struct sim {
    uint64_t dice;
    int64_t wall_us, mono_us, ageing_us, fence;
    struct live_set *set;
    struct model tasks[TASKS];
    struct model_type types[TYPES];
    bool is_queue_paused[QUEUES];
    uint32_t used[SESSIONS];
    bool is_alone[SESSIONS]; /* what crashed runs there */
    size_t asked, ended, starts, undone;
    bool is_calm;
};

/* ── chance: SplitMix64 ── */

static uint64_t next(struct sim *s)
{
    uint64_t z = s->dice += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint32_t below(struct sim *s, uint32_t bound)
{
    return (uint32_t)(next(s) % bound);
}

static bool percent(struct sim *s, uint32_t chance)
{
    return below(s, 100) < chance;
}

/* ── the model ── */

static double bucket(double rate_per_s, uint32_t burst)
{
    if (burst > 0)
        return burst;
    double whole = (double)(int64_t)rate_per_s;
    whole += whole < rate_per_s;
    return max_of(whole, 1.0);
}

static void fill(struct sim *s, struct model_type *t)
{
    const struct live_limits *l = &t->limits;
    double passed_s = (double)(s->mono_us - t->token_us) / CLOCK_S;
    t->tokens = min_of(t->tokens + l->rate_per_s * passed_s, bucket(l->rate_per_s, l->burst));
    for (size_t key = 1; key < KEYS; key++)
        t->key_tokens[key] = min_of(t->key_tokens[key] + l->rate_per_key_per_s * passed_s,
                                    bucket(l->rate_per_key_per_s, l->burst_per_key));
    t->token_us = s->mono_us;
}

/* Why the task may not begin; NULL: it may. */
static const char *obstacle(struct sim *s, const struct model *m)
{
    struct model_type *t = &s->types[m->lane.type];
    const struct live_limits *limits = &t->limits;
    if (m->state != MODEL_WAITING)
        return "it does not wait";
    if (!m->was_due)
        return "it was never due";
    if (limits->is_paused)
        return "its type is paused";
    if (s->is_queue_paused[m->lane.queue])
        return "its queue is paused";
    if (limits->max_running > 0 && t->running >= limits->max_running)
        return "its type runs as many as it may";
    if (m->lane.key > 0 && limits->max_running_per_key > 0 &&
        t->running_of_key[m->lane.key] >= limits->max_running_per_key)
        return "its key runs as many as it may";
    fill(s, t);
    if (m->lane.key > 0 && limits->rate_per_key_per_s > 0 && t->key_tokens[m->lane.key] < 1 - 1e-6)
        return "its key has no token";
    return limits->rate_per_s > 0 && t->tokens < 1 - 1e-6 ? "its type has no token" : NULL;
}

static bool is_same_lane(const struct model *a, const struct model *b)
{
    return a->lane.type == b->lane.type && a->lane.queue == b->lane.queue &&
           a->lane.priority == b->lane.priority && a->lane.key == b->lane.key &&
           (a->crashes > 0) == (b->crashes > 0);
}

static bool is_earlier(const struct model *a, const struct model *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us
                                  : memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) < 0;
}

static struct model *model_of(struct sim *s, struct uuid id)
{
    for (size_t i = 0; i < TASKS; i++)
        if (s->tasks[i].state != MODEL_FREE && uuid_eq(s->tasks[i].id, id))
            return &s->tasks[i];
    fail_msg("a task that nobody asked for");
    return NULL;
}

static void note_due(struct sim *s)
{
    for (size_t i = 0; i < TASKS; i++)
        s->tasks[i].was_due |= s->tasks[i].due_us <= s->wall_us;
}

/* ── what happens ── */

static void create(struct sim *s)
{
    size_t i = 0;
    while (i < TASKS && s->tasks[i].state != MODEL_FREE)
        i++;
    if (i == TASKS)
        return;
    struct model *m = &s->tasks[i];
    *m = (struct model){ .state = MODEL_WAITING,
                         .lane = { .type = below(s, TYPES),
                                   .queue = below(s, QUEUES),
                                   .priority = (enum rule_priority)below(s, PRIORITY_COUNT),
                                   .key = below(s, KEYS) },
                         .due_us = s->wall_us };
    uint64_t bits[2] = { next(s), next(s) };
    memcpy(m->id.bytes, bits, sizeof bits);
    if (percent(s, 20))
        m->due_us += below(s, 120 * CLOCK_S);
    m->was_due = m->due_us <= s->wall_us;
    struct live *task = live_add(s->set, m->id);
    live_join(s->set, task, &m->lane);
    task->at_us = m->due_us;
    live_set_timeout(task, 60);
    task->state = LIVE_WAITING;
    live_place(s->set, task, s->wall_us);
    s->asked++;
}

/* A running one stops running: its place is free in all counts. */
static struct live *lift_running(struct sim *s, struct model *m)
{
    struct live *task = live_find(s->set, m->id);
    assert_non_null(task);
    assert_int_equal(task->state, LIVE_RUNNING);
    struct live_run run = live_run_of(s->set, task);
    assert_int_equal(run.fence, m->fence);
    assert_int_equal(run.session, m->session);
    live_lift(s->set, task);
    s->types[m->lane.type].running--;
    s->types[m->lane.type].running_of_key[m->lane.key]--;
    s->used[m->session]--;
    if (m->crashes > 0)
        s->is_alone[m->session] = false;
    return task;
}

static void finish(struct sim *s, struct model *m)
{
    live_remove(s->set, lift_running(s, m));
    m->state = MODEL_FREE;
    s->ended++;
}

static void wait_again(struct sim *s, struct model *m, int64_t delay_us, bool is_crash)
{
    struct live *task = lift_running(s, m);
    uint32_t left = UINT32_MAX;
    task->state = LIVE_WAITING;
    task->flags &= 0xffU & ~(unsigned)LIVE_OVERDUE;
    live_set_run(s->set, task, (struct live_run){ 0 });
    task->at_us = m->due_us = s->wall_us + delay_us;
    if (is_crash) {
        left = live_crash(s->set, task);
        m->crashes++;
    }
    m->state = MODEL_WAITING;
    m->was_due = m->due_us <= s->wall_us;
    live_place(s->set, task, s->wall_us);
    if (is_crash)
        live_leave(s->set, left);
}

/* Its executor speaks. */
static void speak(struct sim *s, struct model *m)
{
    uint32_t word = s->is_calm ? 0 : below(s, 10);
    if (word < 7 || m->crashes >= CRASHES_MAX)
        finish(s, m);
    else if (word < 9)
        wait_again(s, m, below(s, 30 * CLOCK_S), false);
    else
        wait_again(s, m, 0, false); /* released */
}

static void lose_session(struct sim *s, size_t session)
{
    for (size_t i = 0; i < TASKS; i++) {
        struct model *m = &s->tasks[i];
        if (m->state != MODEL_RUNNING || m->session != session)
            continue;
        if (m->crashes >= CRASHES_MAX)
            finish(s, m);
        else
            wait_again(s, m, 0, true);
    }
    assert_int_equal(s->used[session], 0);
}

/* Told to stop when its time is over, and timed out when it has not. */
static void keep_deadlines(struct sim *s)
{
    struct live *task = live_first_deadline(s->set);
    while (task != NULL && live_deadline_us(task) <= s->wall_us) {
        struct model *m = model_of(s, task->id);
        if (task->flags & LIVE_OVERDUE) {
            wait_again(s, m, CLOCK_S, false);
        } else {
            live_lift(s->set, task);
            task->flags |= LIVE_OVERDUE;
            live_place(s->set, task, s->wall_us);
        }
        task = live_first_deadline(s->set);
    }
}

static void set_limits(struct sim *s, uint32_t type, const struct live_limits *limits)
{
    struct model_type *t = &s->types[type];
    fill(s, t);
    if (t->limits.rate_per_s <= 0)
        t->tokens = 0;
    if (t->limits.rate_per_key_per_s < limits->rate_per_key_per_s ||
        t->limits.rate_per_key_per_s > limits->rate_per_key_per_s ||
        t->limits.burst_per_key != limits->burst_per_key)
        memset(t->key_tokens, 0, sizeof t->key_tokens);
    t->limits = *limits;
    live_set_limits(s->set, type, limits, s->mono_us);
}

static void change_settings(struct sim *s)
{
    uint32_t type = below(s, TYPES), queue = below(s, QUEUES);
    struct live_limits limits = { .is_paused = percent(s, 15) };
    if (percent(s, 50))
        limits.max_running = 1 + below(s, 6);
    if (percent(s, 50))
        limits.max_running_per_key = 1 + below(s, 3);
    if (percent(s, 30)) {
        limits.rate_per_s = 0.5 + below(s, 10);
        limits.burst = below(s, 5);
    }
    if (percent(s, 30)) {
        limits.rate_per_key_per_s = 0.25 + below(s, 4) + percent(s, 50) * 0.125;
        limits.burst_per_key = 1 + below(s, 4);
    }
    set_limits(s, type, &limits);
    s->is_queue_paused[queue] = percent(s, 15);
    live_pause_queue(s->set, queue, s->is_queue_paused[queue]);
}

/* ── picking ── */

static struct live *pick(struct sim *s, bool of_crashed)
{
    struct live_pick p = { .set = s->set,
                           .now_us = s->wall_us,
                           .mono_us = s->mono_us,
                           .ageing_us = s->ageing_us,
                           .of_crashed = of_crashed };
    for (uint32_t type = 0; type < TYPES; type++)
        live_pick_consider(&p, type);
    return live_pick_end(&p);
}

/* Whether one of its priority that may begin has waited until it counts as that urgent. Which of
 * them then begins is a matter of turns. */
static bool has_aged(struct sim *s, const struct model *chosen, enum rule_priority priority)
{
    int64_t steps = (int64_t)priority - (int64_t)chosen->lane.priority;
    for (size_t i = 0; i < TASKS && s->ageing_us > 0; i++) {
        const struct model *m = &s->tasks[i];
        if (m->lane.priority == chosen->lane.priority &&
            (m->crashes > 0) == (chosen->crashes > 0) &&
            s->wall_us - m->due_us >= steps * s->ageing_us && obstacle(s, m) == NULL)
            return true;
    }
    return false;
}

static void check_choice(struct sim *s, const struct model *chosen)
{
    const char *why = obstacle(s, chosen);
    if (why != NULL)
        fail_msg("a task began although %s", why);
    for (size_t i = 0; i < TASKS; i++) {
        const struct model *m = &s->tasks[i];
        if (m == chosen || (m->crashes > 0) != (chosen->crashes > 0) || obstacle(s, m) != NULL)
            continue;
        if (is_same_lane(m, chosen) && is_earlier(m, chosen))
            fail_msg("a task began before the first of its lane");
        if (m->lane.priority > chosen->lane.priority && !has_aged(s, chosen, m->lane.priority))
            fail_msg("a task began before one that is more urgent");
    }
}

static void check_nobody(struct sim *s, bool of_crashed)
{
    for (size_t i = 0; i < TASKS; i++) {
        const struct model *m = &s->tasks[i];
        fill(s, &s->types[m->lane.type]);
        const struct model_type *t = &s->types[m->lane.type];
        /* A token that has just come may be a rounding away. */
        bool is_close = (t->limits.rate_per_s > 0 && t->tokens < 1 + 1e-6) ||
                        (t->limits.rate_per_key_per_s > 0 && m->lane.key > 0 &&
                         t->key_tokens[m->lane.key] < 1 + 1e-6);
        if ((m->crashes > 0) == of_crashed && !is_close && obstacle(s, m) == NULL)
            fail_msg("nobody was picked though somebody could run");
    }
}

static void begin(struct sim *s, struct live *task, struct model *m, size_t session)
{
    struct live was = *task;
    struct live_run run = live_run_of(s->set, task);
    struct model_type *t = &s->types[m->lane.type];
    live_take_turn(s->set, task, s->mono_us);
    live_lift(s->set, task);
    task->state = LIVE_RUNNING;
    task->at_us = s->wall_us;
    live_set_run(s->set, task, (struct live_run){ ++s->fence, (uint32_t)session });
    live_place(s->set, task, s->wall_us);
    if (percent(s, 5)) { /* its batch was refused */
        live_restore(s->set, task, &was, run, s->wall_us);
        live_untake_token(s->set, m->lane.type, m->lane.key);
        m->was_due = m->due_us <= s->wall_us; /* it is placed by the clock as it is now */
        s->undone++;
        return;
    }
    m->state = MODEL_RUNNING;
    m->session = session;
    m->fence = s->fence;
    m->ends_us = s->mono_us + below(s, percent(s, 5) ? 200 * CLOCK_S : 5 * CLOCK_S);
    t->running++;
    t->running_of_key[m->lane.key]++;
    t->tokens -= t->limits.rate_per_s > 0;
    t->key_tokens[m->lane.key] -= t->limits.rate_per_key_per_s > 0;
    s->used[session]++;
    s->is_alone[session] = m->crashes > 0;
    s->starts++;
}

/* What crashed runs alone, as sessions hold it. */
static void claim(struct sim *s, size_t session)
{
    for (int tries = 0; tries < SLOTS * 2; tries++) {
        if (s->used[session] >= SLOTS || s->is_alone[session])
            return;
        bool of_crashed = s->used[session] == 0 && percent(s, 50);
        struct live *task = pick(s, of_crashed);
        if (task == NULL) {
            check_nobody(s, of_crashed);
            continue;
        }
        struct model *m = model_of(s, task->id);
        check_choice(s, m);
        begin(s, task, m, session);
    }
}

/* ── time ── */

static void check_counts(const struct sim *s)
{
    size_t running = 0, all = 0;
    for (size_t i = 0; i < TASKS; i++) {
        running += s->tasks[i].state == MODEL_RUNNING;
        all += s->tasks[i].state != MODEL_FREE;
    }
    assert_int_equal(live_running_count(s->set), running);
    assert_int_equal(live_count(s->set), all);
    assert_int_equal(s->asked - s->ended, all);
}

static void step(struct sim *s)
{
    int64_t passed_us = below(s, CLOCK_S);
    s->mono_us += passed_us;
    s->wall_us += passed_us;
    if (!s->is_calm && percent(s, 1))
        s->wall_us += (int64_t)below(s, 7'200) * CLOCK_S - 3'600 * (int64_t)CLOCK_S;
    for (uint32_t count = s->is_calm ? 0 : below(s, 6); count > 0; count--)
        create(s);
    if (!s->is_calm && percent(s, 5))
        change_settings(s);
    for (size_t i = 0; i < TASKS; i++)
        if (s->tasks[i].state == MODEL_RUNNING && s->tasks[i].ends_us <= s->mono_us)
            speak(s, &s->tasks[i]);
    if (!s->is_calm && percent(s, 3))
        lose_session(s, below(s, SESSIONS));
    keep_deadlines(s);
    live_ripen(s->set, s->wall_us);
    note_due(s);
    for (size_t i = 0; i < SESSIONS; i++)
        claim(s, i);
    check_counts(s);
}

/* Nothing hurts any more and nothing is limited: all that was asked for ends. */
static void settle(struct sim *s)
{
    static const struct live_limits none = { 0 };
    s->is_calm = true;
    s->wall_us += 86'400 * (int64_t)CLOCK_S; /* beyond all that clocks which went back put off */
    for (uint32_t i = 0; i < TYPES; i++)
        set_limits(s, i, &none);
    for (uint32_t i = 0; i < QUEUES; i++) {
        s->is_queue_paused[i] = false;
        live_pause_queue(s->set, i, false);
    }
    for (int i = 0; i < CALM_STEPS && s->ended < s->asked; i++)
        step(s);
    assert_int_equal(s->ended, s->asked);
    assert_int_equal(live_count(s->set), 0);
}

static void run_history(uint64_t seed)
{
    static struct sim s;
    s = (struct sim){ .dice = seed, .wall_us = 1'800'000'000'000'000, .mono_us = 1 };
    s.set = live_create();
    s.ageing_us = seed % 2 ? 30 * CLOCK_S : 0;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < STEPS; i++)
        step(&s);
    settle(&s);
    assert_true(s.starts > STEPS / 4);
    assert_true(s.undone > 0);
    live_destroy(s.set);
}

static uint64_t number_of(const char *variable, uint64_t usual)
{
    uint64_t value;
    const char *text = getenv(variable);
    return text != NULL && str_to_u64(str_of_c(text), &value) ? value : usual;
}

static void every_history_keeps_its_promises(void **state)
{
    uint64_t first = number_of("WINDLASS_TEST_SEED", 1),
             count = number_of("WINDLASS_TEST_SEEDS", 10);
    (void)state;
    for (uint64_t seed = first; seed < first + count; seed++)
        run_history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_keeps_its_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
