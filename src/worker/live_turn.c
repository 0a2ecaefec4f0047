/* live_turn: what may begin, by limits and tokens, and which of that is next. */
#include <math.h>

#include "base/clock.h"
#include "worker/live_priv.h"

/* ── limits ── */

static bool is_full(const struct lanes *lanes, const struct lane_key *key)
{
    uint32_t max = lanes->types[key->type].limits.max_running_per_key;
    return max > 0 && key->running >= max;
}

void lanes_begin(struct live_set *set, uint32_t item)
{
    struct lanes *lanes = &set->lanes;
    const struct lane *lane = lane_at(lanes, item);
    const struct group *group = group_at(lanes, lane->group);
    lanes->types[group->type].running++;
    lanes->queues[group->queue].running++;
    if (lane->key != LIVE_NONE)
        lane_key_at(lanes, lane->key)->running++;
}

void lanes_end(struct live_set *set, uint32_t item)
{
    struct lanes *lanes = &set->lanes;
    const struct lane *lane = lane_at(lanes, item);
    const struct group *group = group_at(lanes, lane->group);
    lanes->types[group->type].running--;
    lanes->queues[group->queue].running--;
    if (lane->key == LIVE_NONE)
        return;
    struct lane_key *key = lane_key_at(lanes, lane->key);
    key->running--;
    if (key->held != LIVE_NONE && !is_full(lanes, key))
        lane_key_release(lanes, key);
}

static double bucket_of(const struct live_limits *limits)
{
    return limits->burst > 0 ? limits->burst : fmax(1, ceil(limits->rate_per_s));
}

static void fill_bucket(struct lane_type *type, int64_t mono_us)
{
    double more = type->limits.rate_per_s * (double)(mono_us - type->token_us) / CLOCK_S;
    if (mono_us <= type->token_us)
        return;
    type->tokens = fmin(type->tokens + more, bucket_of(&type->limits));
    type->token_us = mono_us;
}

int64_t lane_type_token_us(struct lane_type *type, int64_t mono_us)
{
    if (type->limits.rate_per_s <= 0)
        return 0;
    fill_bucket(type, mono_us);
    if (type->tokens >= 1)
        return 0;
    return mono_us + 1 + (int64_t)((1 - type->tokens) / type->limits.rate_per_s * CLOCK_S);
}

void live_set_limits(struct live_set *set, uint32_t type, const struct live_limits *limits,
                     int64_t mono_us)
{
    struct lanes *lanes = &set->lanes;
    struct lane_type *t = lane_type_at(lanes, type);
    bool had_rate = t->limits.rate_per_s > 0;
    bool is_per_key_new = t->limits.max_running_per_key != limits->max_running_per_key;
    if (had_rate)
        fill_bucket(t, mono_us); /* what has passed counts at the old rate */
    t->limits = *limits;
    if (!had_rate) {
        t->tokens = 0;
        t->token_us = mono_us;
    }
    t->tokens = fmin(t->tokens, bucket_of(limits));
    for (uint32_t i = 0; is_per_key_new && i < lanes->keys.count; i++) {
        struct lane_key *key = lane_key_at(lanes, i);
        if (key->refs > 0 && key->type == type && key->held != LIVE_NONE && !is_full(lanes, key))
            lane_key_release(lanes, key);
    }
}

void live_untake_token(struct live_set *set, uint32_t type)
{
    struct lane_type *t = lane_type_at(&set->lanes, type);
    if (t->limits.rate_per_s > 0)
        t->tokens += 1;
}

/* ── picking ── */

/* The first lane at that level which may run; those before it that may not are held back. */
static uint32_t first_lane(struct lanes *lanes, uint32_t type, unsigned band)
{
    const uint32_t *first = &lanes->types[type].band[band].first;
    while (*first != LIVE_NONE) {
        const struct group *group = group_at(lanes, *first);
        uint32_t item = group->band[band].first;
        if (lanes->queues[group->queue].is_paused) {
            group_hold(lanes, *first, band);
            continue;
        }
        const struct lane *lane = lane_at(lanes, item);
        if (lane->key == LIVE_NONE || !is_full(lanes, lane_key_at(lanes, lane->key)))
            return item;
        lane_hold(lanes, item);
    }
    return LIVE_NONE;
}

static uint8_t counts_as(const struct live_pick *pick, const struct live *task, unsigned level)
{
    int64_t steps = 0;
    if (pick->ageing_us > 0 && pick->now_us > task->at_us)
        steps = (pick->now_us - task->at_us) / pick->ageing_us;
    return (uint8_t)min_of((int64_t)level + steps, (int64_t)PRIORITY_HIGH);
}

static bool may_begin(struct live_pick *pick, struct lane_type *type)
{
    const struct live_limits *limits = &type->limits;
    if (type->ready == 0 || limits->is_paused ||
        (limits->max_running > 0 && type->running >= limits->max_running))
        return false;
    int64_t token_us = lane_type_token_us(type, pick->mono_us);
    if (token_us > 0 && (pick->token_us == 0 || token_us < pick->token_us))
        pick->token_us = token_us;
    return token_us == 0;
}

void live_pick_consider(struct live_pick *pick, uint32_t type)
{
    struct lanes *lanes = &pick->set->lanes;
    if (type >= lanes->type_count || (pick->of_crashed && lanes->crashed_ready == 0) ||
        !may_begin(pick, &lanes->types[type]))
        return;
    for (unsigned level = 0; level < PRIORITY_COUNT; level++) {
        unsigned band = level + (pick->of_crashed ? PRIORITY_COUNT : 0);
        uint32_t item = first_lane(lanes, type, band);
        if (item == LIVE_NONE)
            continue;
        struct live *task = live_at(pick->set, lane_items(lane_at(lanes, item))[0]);
        uint64_t turn = lanes->types[type].band[band].turn;
        struct live *best = pick->best[level];
        uint8_t counts = counts_as(pick, task, level);
        if (counts > pick->counts_as[level])
            pick->counts_as[level] = counts;
        if (best && (turn > pick->turn[level] ||
                     (turn == pick->turn[level] && live_goes_before(best, task))))
            continue;
        pick->best[level] = task;
        pick->turn[level] = turn;
    }
}

struct live *live_pick_end(const struct live_pick *pick)
{
    int best = -1;
    for (int level = PRIORITY_COUNT - 1; level >= 0; level--) {
        if (!pick->best[level])
            continue;
        if (best < 0 || pick->counts_as[level] > pick->counts_as[best] ||
            (pick->counts_as[level] == pick->counts_as[best] &&
             (pick->turn[level] < pick->turn[best] ||
              (pick->turn[level] == pick->turn[best] &&
               live_goes_before(pick->best[level], pick->best[best])))))
            best = level;
    }
    return best < 0 ? NULL : pick->best[best];
}

bool live_is_before(const struct live_pick *pick, const struct live *a, const struct live *b)
{
    const struct lanes *lanes = &pick->set->lanes;
    uint8_t a_counts = counts_as(pick, a, lane_at(lanes, a->lane)->band % PRIORITY_COUNT);
    uint8_t b_counts = counts_as(pick, b, lane_at(lanes, b->lane)->band % PRIORITY_COUNT);
    return a_counts != b_counts ? a_counts > b_counts : live_goes_before(a, b);
}

void live_take_turn(struct live_set *set, const struct live *task, int64_t mono_us)
{
    struct lanes *lanes = &set->lanes;
    const struct lane *lane = lane_at(lanes, task->lane);
    struct group *group = group_at(lanes, lane->group);
    struct lane_type *type = &lanes->types[group->type];
    assert(lane->where == LIVE_IN && group->band[lane->band].where == LIVE_IN);
    type->band[lane->band].turn = ++lanes->turn;
    group->band[lane->band].first = lane->link.next;
    type->band[lane->band].first = group->band[lane->band].link.next;
    if (type->limits.rate_per_s <= 0)
        return;
    fill_bucket(type, mono_us);
    type->tokens -= 1;
}
