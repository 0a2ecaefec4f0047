/* live_turn: what may begin, by limits and tokens, and which of that is next. */
#include "worker/live_priv.h"

/* ── limits ── */

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
    if (key->held != LIVE_NONE && !lane_key_is_full(lanes, key))
        lane_key_release(lanes, key);
}

int64_t lane_type_token_us(struct lane_type *type, int64_t mono_us)
{
    if (type->limits.rate_per_s <= 0)
        return 0;
    return live_bucket_token_us(&type->bucket, live_rate_of(&type->limits), mono_us);
}

void live_set_limits(struct live_set *set, uint32_t type, const struct live_limits *limits,
                     int64_t mono_us)
{
    struct lanes *lanes = &set->lanes;
    struct lane_type *t = lane_type_at(lanes, type);
    const struct live_limits was = t->limits;
    if (was.rate_per_s > 0) /* what has passed counts at the old rate */
        live_bucket_fill(&t->bucket, live_rate_of(&was), mono_us);
    else
        t->bucket = (struct live_bucket){ .at_us = mono_us };
    t->limits = *limits;
    live_bucket_cap(&t->bucket, live_rate_of(limits));
    if (was.rate_per_key_per_s < limits->rate_per_key_per_s ||
        was.rate_per_key_per_s > limits->rate_per_key_per_s ||
        was.burst_per_key != limits->burst_per_key)
        lane_keys_start_anew(lanes, type, mono_us);
    else if (was.max_running_per_key != limits->max_running_per_key)
        lane_keys_wake_all(lanes, type);
}

void live_untake_token(struct live_set *set, uint32_t type, uint64_t key)
{
    struct lane_type *t = lane_type_at(&set->lanes, type);
    if (t->limits.rate_per_s > 0)
        t->bucket.tokens += 1;
    if (key > 0)
        lane_key_untake_token(&set->lanes, (struct lane_key_name){ key, type });
}

/* ── picking ── */

/* Whether a lane of the key may run; until when it sleeps, where a token is all it wants. */
static bool may_key_begin(const struct lanes *lanes, const struct lane_key *key, int64_t mono_us,
                          int64_t *ret_token_us)
{
    *ret_token_us = 0;
    if (lane_key_is_full(lanes, key))
        return false;
    *ret_token_us = lane_key_token_us(lanes, lane_key_name(key), mono_us);
    return *ret_token_us == 0;
}

/* The first lane at that level which may run; those before it that may not are held back. */
static uint32_t first_lane(struct lanes *lanes, uint32_t type, unsigned band, int64_t mono_us)
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
        int64_t token_us;
        if (lane->key == LIVE_NONE ||
            may_key_begin(lanes, lane_key_at(lanes, lane->key), mono_us, &token_us))
            return item;
        if (token_us > 0)
            lane_key_sleep(lanes, lane_key_name(lane_key_at(lanes, lane->key)), token_us);
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

/* Somebody gets a token then. */
static void note_token(struct live_pick *pick, int64_t token_us)
{
    if (token_us > 0 && (pick->token_us == 0 || token_us < pick->token_us))
        pick->token_us = token_us;
}

static bool may_begin(struct live_pick *pick, uint32_t number)
{
    struct lane_type *type = &pick->set->lanes.types[number];
    const struct live_limits *limits = &type->limits;
    if (type->ready == 0 || limits->is_paused ||
        (limits->max_running > 0 && type->running >= limits->max_running))
        return false;
    int64_t token_us = lane_type_token_us(type, pick->mono_us);
    note_token(pick, token_us);
    return token_us == 0;
}

void live_pick_consider(struct live_pick *pick, uint32_t type)
{
    struct lanes *lanes = &pick->set->lanes;
    if (type >= lanes->type_count || (pick->of_crashed && lanes->crashed_ready == 0) ||
        !may_begin(pick, type))
        return;
    bool has_key_rate = lanes->types[type].limits.rate_per_key_per_s > 0;
    if (has_key_rate)
        (void)lane_keys_wake(lanes, type, pick->mono_us);
    for (unsigned level = 0; level < PRIORITY_COUNT; level++) {
        unsigned band = level + (pick->of_crashed ? PRIORITY_COUNT : 0);
        uint32_t item = first_lane(lanes, type, band, pick->mono_us);
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
    if (has_key_rate)
        note_token(pick, lane_keys_wake(lanes, type, pick->mono_us));
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
    if (type->limits.rate_per_s > 0) {
        live_bucket_fill(&type->bucket, live_rate_of(&type->limits), mono_us);
        type->bucket.tokens -= 1;
    }
    if (lane->key != LIVE_NONE)
        lane_key_take_token(lanes, lane_key_name(lane_key_at(lanes, lane->key)), mono_us);
}
