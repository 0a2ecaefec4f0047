#include "worker/live_lane.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "worker/live_priv.h"

enum { MANY_FIRST = 4, KEEP_MAX = 256, AHEAD_LOOKS = 4'096 };

/* ── rings ── */

/* The links of all things of one kind, which stand in one array. */
struct links {
    char *first;
    size_t stride;
};

static struct live_link *link_at(struct links links, uint32_t item)
{
    return (struct live_link *)(void *)(links.first + (size_t)item * links.stride);
}

/* To the end: before the first. */
static void ring_push(struct links links, uint32_t *first, uint32_t item)
{
    struct live_link *link = link_at(links, item);
    if (*first == LIVE_NONE) {
        *first = link->next = link->prev = item;
        return;
    }
    struct live_link *head = link_at(links, *first);
    link->next = *first;
    link->prev = head->prev;
    link_at(links, head->prev)->next = item;
    head->prev = item;
}

static void ring_remove(struct links links, uint32_t *first, uint32_t item)
{
    struct live_link *link = link_at(links, item);
    link_at(links, link->prev)->next = link->next;
    link_at(links, link->next)->prev = link->prev;
    if (*first == item)
        *first = link->next == item ? LIVE_NONE : link->next;
}

static struct lane *lane_at(const struct lanes *lanes, uint32_t lane)
{
    return live_pool_at(&lanes->lanes, lane);
}

static struct group *group_at(const struct lanes *lanes, uint32_t group)
{
    return live_pool_at(&lanes->groups, group);
}

static struct lane_key *key_at(const struct lanes *lanes, uint32_t key)
{
    return live_pool_at(&lanes->keys, key);
}

static struct links lane_links(const struct lanes *lanes)
{
    return (struct links){ lanes->lanes.items + offsetof(struct lane, link), sizeof(struct lane) };
}

static struct links group_links(const struct lanes *lanes, unsigned band)
{
    size_t at = offsetof(struct group, band) +
                band * sizeof(((struct group *)0)->band[0]); /* its link comes first */
    return (struct links){ lanes->groups.items + at, sizeof(struct group) };
}

/* ── what is found by what ── */

struct lane_name {
    uint32_t group, key;
    uint8_t band;
};

struct group_name {
    uint32_t type, queue;
};

struct key_name {
    uint64_t hash;
    uint32_t type;
};

static uint64_t lane_name_hash(struct lane_name n)
{
    return index_mix(((uint64_t)n.group << 32 | n.key) * LIVE_BANDS + n.band);
}

static uint64_t group_name_hash(struct group_name n)
{
    return index_mix((uint64_t)n.type << 32 | n.queue);
}

static uint64_t key_name_hash(struct key_name n)
{
    return index_mix(n.hash ^ (uint64_t)n.type << 40);
}

static uint64_t lane_hash(const void *owner, uint32_t item)
{
    const struct lane *lane = lane_at(owner, item);
    return lane_name_hash((struct lane_name){ lane->group, lane->key, lane->band });
}

static bool lane_is(const void *owner, uint32_t item, const void *key)
{
    const struct lane *lane = lane_at(owner, item);
    const struct lane_name *name = key;
    return lane->group == name->group && lane->key == name->key && lane->band == name->band;
}

static uint64_t group_hash(const void *owner, uint32_t item)
{
    const struct group *group = group_at(owner, item);
    return group_name_hash((struct group_name){ group->type, group->queue });
}

static bool group_is(const void *owner, uint32_t item, const void *key)
{
    const struct group *group = group_at(owner, item);
    const struct group_name *name = key;
    return group->type == name->type && group->queue == name->queue;
}

static uint64_t key_hash(const void *owner, uint32_t item)
{
    const struct lane_key *key = key_at(owner, item);
    return key_name_hash((struct key_name){ key->hash, key->type });
}

static bool key_is(const void *owner, uint32_t item, const void *key)
{
    const struct lane_key *one = key_at(owner, item);
    const struct key_name *name = key;
    return one->hash == name->hash && one->type == name->type;
}

void lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){ 0 };
    live_pool_init(&lanes->lanes, sizeof(struct lane));
    live_pool_init(&lanes->groups, sizeof(struct group));
    live_pool_init(&lanes->keys, sizeof(struct lane_key));
    index_init(&lanes->lane_index, lane_hash, lane_is);
    index_init(&lanes->group_index, group_hash, group_is);
    index_init(&lanes->key_index, key_hash, key_is);
}

void lanes_clear(struct lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->lanes.count; i++)
        if (lane_at(lanes, i)->refs > 0 && lane_at(lanes, i)->capacity > 0)
            mem_free(lane_at(lanes, i)->many);
    live_pool_clear(&lanes->lanes);
    live_pool_clear(&lanes->groups);
    live_pool_clear(&lanes->keys);
    index_clear(&lanes->lane_index);
    index_clear(&lanes->group_index);
    index_clear(&lanes->key_index);
    mem_free(lanes->types);
    mem_free(lanes->queues);
}

size_t lanes_bytes(const struct lanes *lanes)
{
    return lanes->lanes.capacity * lanes->lanes.size + lanes->groups.capacity * lanes->groups.size +
           lanes->keys.capacity * lanes->keys.size + index_bytes(&lanes->lane_index) +
           index_bytes(&lanes->group_index) + index_bytes(&lanes->key_index) +
           lanes->type_count * sizeof *lanes->types + lanes->queue_count * sizeof *lanes->queues +
           lanes->item_bytes;
}

static struct lane_type *type_at(struct lanes *lanes, uint32_t type)
{
    assert(type < LIVE_TYPES_MAX);
    if (type >= lanes->type_count) {
        size_t count = max_of((size_t)type + 1, lanes->type_count + lanes->type_count / 2);
        lanes->types = mem_resize(lanes->types, count, sizeof *lanes->types);
        for (size_t i = lanes->type_count; i < count; i++) {
            lanes->types[i] = (struct lane_type){ 0 };
            for (size_t band = 0; band < LIVE_BANDS; band++)
                lanes->types[i].band[band].first = LIVE_NONE;
        }
        lanes->type_count = count;
    }
    return &lanes->types[type];
}

static struct lane_queue *queue_at(struct lanes *lanes, uint32_t queue)
{
    assert(queue < LIVE_QUEUES_MAX);
    if (queue >= lanes->queue_count) {
        size_t count = max_of((size_t)queue + 1, lanes->queue_count + lanes->queue_count / 2);
        lanes->queues = mem_resize(lanes->queues, count, sizeof *lanes->queues);
        for (size_t i = lanes->queue_count; i < count; i++) {
            lanes->queues[i] = (struct lane_queue){ 0 };
            for (size_t band = 0; band < LIVE_BANDS; band++)
                lanes->queues[i].held[band] = LIVE_NONE;
        }
        lanes->queue_count = count;
    }
    return &lanes->queues[queue];
}

/* ── joining and leaving ── */

static uint32_t group_of(struct lanes *lanes, struct group_name name)
{
    int64_t found = index_find(&lanes->group_index, lanes, group_name_hash(name), &name);
    if (found != INDEX_NONE)
        return (uint32_t)found;
    uint32_t item = live_pool_take(&lanes->groups);
    struct group *group = group_at(lanes, item);
    group->type = name.type;
    group->queue = name.queue;
    for (size_t band = 0; band < LIVE_BANDS; band++)
        group->band[band].first = LIVE_NONE;
    index_add(&lanes->group_index, lanes, item);
    return item;
}

static uint32_t key_of(struct lanes *lanes, struct key_name name)
{
    if (name.hash == 0)
        return LIVE_NONE;
    int64_t found = index_find(&lanes->key_index, lanes, key_name_hash(name), &name);
    if (found != INDEX_NONE)
        return (uint32_t)found;
    uint32_t item = live_pool_take(&lanes->keys);
    *key_at(lanes, item) =
        (struct lane_key){ .hash = name.hash, .type = name.type, .held = LIVE_NONE };
    index_add(&lanes->key_index, lanes, item);
    return item;
}

/* Its lane, with one task more. */
static uint32_t enlist(struct lanes *lanes, struct lane_name name)
{
    int64_t found = index_find(&lanes->lane_index, lanes, lane_name_hash(name), &name);
    uint32_t item = (uint32_t)found;
    if (found == INDEX_NONE) {
        item = live_pool_take(&lanes->lanes);
        struct lane *made = lane_at(lanes, item);
        made->group = name.group;
        made->key = name.key;
        made->band = name.band;
        index_add(&lanes->lane_index, lanes, item);
        group_at(lanes, name.group)->refs++;
        if (name.key != LIVE_NONE)
            key_at(lanes, name.key)->refs++;
    }
    lane_at(lanes, item)->refs++;
    queue_at(lanes, group_at(lanes, name.group)->queue)->tasks++;
    return item;
}

void live_join(struct live_set *set, struct live *task, const struct live_lane *lane)
{
    struct lanes *lanes = &set->lanes;
    assert(task->lane == LIVE_NONE);
    (void)type_at(lanes, lane->type);
    (void)queue_at(lanes, lane->queue);
    uint32_t group = group_of(lanes, (struct group_name){ lane->type, lane->queue });
    uint32_t key = key_of(lanes, (struct key_name){ lane->key, lane->type });
    uint32_t item = enlist(lanes, (struct lane_name){ group, key, (uint8_t)lane->priority });
    task->lane = item & LIVE_NONE;
}

static void free_group(struct lanes *lanes, uint32_t group)
{
    if (--group_at(lanes, group)->refs > 0)
        return;
    index_remove(&lanes->group_index, lanes, group);
    live_pool_give(&lanes->groups, group);
}

static void free_key(struct lanes *lanes, uint32_t key)
{
    if (key == LIVE_NONE || --key_at(lanes, key)->refs > 0)
        return;
    index_remove(&lanes->key_index, lanes, key);
    live_pool_give(&lanes->keys, key);
}

void live_leave(struct live_set *set, uint32_t item)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, item);
    lanes->queues[group_at(lanes, lane->group)->queue].tasks--;
    if (--lane->refs > 0)
        return;
    assert(lane->count == 0 && lane->where == LIVE_OUT);
    if (lane->capacity > 0) {
        lanes->item_bytes -= lane->capacity * sizeof(uint32_t);
        mem_free(lane->many);
    }
    index_remove(&lanes->lane_index, lanes, item);
    free_key(lanes, lane->key);
    free_group(lanes, lane->group);
    lane->capacity = 0;
    live_pool_give(&lanes->lanes, item);
}

struct live_lane live_lane_of(const struct live_set *set, const struct live *task)
{
    const struct lane *lane = lane_at(&set->lanes, task->lane);
    const struct group *group = group_at(&set->lanes, lane->group);
    return (struct live_lane){
        .type = group->type,
        .queue = group->queue,
        .priority = (enum rule_priority)(lane->band % PRIORITY_COUNT),
        .key = lane->key == LIVE_NONE ? 0 : key_at(&set->lanes, lane->key)->hash,
    };
}

uint32_t live_type_of(const struct live_set *set, const struct live *task)
{
    return group_at(&set->lanes, lane_at(&set->lanes, task->lane)->group)->type;
}

uint32_t live_crash(struct live_set *set, struct live *task)
{
    struct lanes *lanes = &set->lanes;
    uint32_t left = task->lane;
    struct lane lane = *lane_at(lanes, left);
    assert(task->heap_pos == LIVE_NOT_IN_HEAP);
    task->crashes = (task->crashes + 1U) & 15;
    uint8_t band = (uint8_t)(lane.band % PRIORITY_COUNT + PRIORITY_COUNT);
    task->lane = enlist(lanes, (struct lane_name){ lane.group, lane.key, band }) & LIVE_NONE;
    return left;
}

/* ── the rings ── */

static void group_enter(struct lanes *lanes, uint32_t item, unsigned band)
{
    struct group *group = group_at(lanes, item);
    group->band[band].where = LIVE_IN;
    ring_push(group_links(lanes, band), &lanes->types[group->type].band[band].first, item);
}

static void group_leave(struct lanes *lanes, uint32_t item, unsigned band)
{
    struct group *group = group_at(lanes, item);
    uint32_t *first = group->band[band].where == LIVE_IN
                          ? &lanes->types[group->type].band[band].first
                          : &lanes->queues[group->queue].held[band];
    ring_remove(group_links(lanes, band), first, item);
    group->band[band].where = LIVE_OUT;
}

static void lane_enter(struct lanes *lanes, uint32_t item)
{
    struct lane *lane = lane_at(lanes, item);
    struct group *group = group_at(lanes, lane->group);
    lane->where = LIVE_IN;
    ring_push(lane_links(lanes), &group->band[lane->band].first, item);
    group->band[lane->band].lanes++;
    if (group->band[lane->band].where == LIVE_OUT)
        group_enter(lanes, lane->group, lane->band);
}

static void lane_leave(struct lanes *lanes, uint32_t item)
{
    struct lane *lane = lane_at(lanes, item);
    struct group *group = group_at(lanes, lane->group);
    bool is_held = lane->where == LIVE_HELD;
    lane->where = LIVE_OUT;
    if (is_held) {
        ring_remove(lane_links(lanes), &key_at(lanes, lane->key)->held, item);
        return;
    }
    ring_remove(lane_links(lanes), &group->band[lane->band].first, item);
    group->band[lane->band].lanes--;
    if (group->band[lane->band].first == LIVE_NONE)
        group_leave(lanes, lane->group, lane->band);
}

static void hold_lane(struct lanes *lanes, uint32_t item)
{
    lane_leave(lanes, item);
    struct lane *lane = lane_at(lanes, item);
    lane->where = LIVE_HELD;
    ring_push(lane_links(lanes), &key_at(lanes, lane->key)->held, item);
}

static void release_key(struct lanes *lanes, struct lane_key *key)
{
    while (key->held != LIVE_NONE) {
        uint32_t item = key->held;
        lane_leave(lanes, item);
        lane_enter(lanes, item);
    }
}

static void hold_group(struct lanes *lanes, uint32_t item, unsigned band)
{
    group_leave(lanes, item, band);
    struct group *group = group_at(lanes, item);
    group->band[band].where = LIVE_HELD;
    ring_push(group_links(lanes, band), &lanes->queues[group->queue].held[band], item);
}

static bool is_full(const struct lanes *lanes, const struct lane_key *key)
{
    uint32_t max = lanes->types[key->type].limits.max_running_per_key;
    return max > 0 && key->running >= max;
}

/* The first lane at that level which may run; those before it that may not are held back. */
static uint32_t first_lane(struct lanes *lanes, uint32_t type, unsigned band)
{
    const uint32_t *first = &lanes->types[type].band[band].first;
    while (*first != LIVE_NONE) {
        const struct group *group = group_at(lanes, *first);
        uint32_t item = group->band[band].first;
        if (lanes->queues[group->queue].is_paused) {
            hold_group(lanes, *first, band);
            continue;
        }
        const struct lane *lane = lane_at(lanes, item);
        if (lane->key == LIVE_NONE || !is_full(lanes, key_at(lanes, lane->key)))
            return item;
        hold_lane(lanes, item);
    }
    return LIVE_NONE;
}

void live_pause_queue(struct live_set *set, uint32_t queue, bool is_paused)
{
    struct lanes *lanes = &set->lanes;
    queue_at(lanes, queue)->is_paused = is_paused;
    for (unsigned band = 0; band < LIVE_BANDS; band++)
        while (!is_paused && lanes->queues[queue].held[band] != LIVE_NONE) {
            uint32_t item = lanes->queues[queue].held[band];
            group_leave(lanes, item, band);
            group_enter(lanes, item, band);
        }
}

/* ── a lane's heap ── */

static bool goes_before(const struct live *a, const struct live *b)
{
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) < 0;
}

static uint32_t *items_of(struct lane *lane)
{
    return lane->capacity > 0 ? lane->many : &lane->one;
}

static void make_room(struct lanes *lanes, struct lane *lane)
{
    uint32_t one = lane->one;
    if (lane->count < max_of(lane->capacity, 1U))
        return;
    bool was_one = lane->capacity == 0;
    lanes->item_bytes -= lane->capacity * sizeof(uint32_t);
    lane->many = live_heap_grow(was_one ? NULL : lane->many, &lane->capacity, MANY_FIRST);
    lanes->item_bytes += lane->capacity * sizeof(uint32_t);
    if (was_one)
        lane->many[0] = one;
}

void lanes_put(struct live_set *set, struct live *task)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, task->lane);
    make_room(lanes, lane);
    live_heap_push(set, items_of(lane), lane->count++, task, goes_before);
    if (lane->count == 1)
        lane_enter(lanes, task->lane);
    lanes->types[group_at(lanes, lane->group)->type].ready++;
    lanes->crashed_ready += lane->band >= PRIORITY_COUNT;
}

void lanes_take(struct live_set *set, struct live *task)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, task->lane);
    live_heap_take(set, items_of(lane), lane->count--, task, goes_before);
    lanes->types[group_at(lanes, lane->group)->type].ready--;
    lanes->crashed_ready -= lane->band >= PRIORITY_COUNT;
    if (lane->count > 0)
        return;
    lane_leave(lanes, task->lane);
    if (lane->capacity > KEEP_MAX) {
        lanes->item_bytes -= lane->capacity * sizeof(uint32_t);
        mem_free(lane->many);
        lane->capacity = 0;
    }
}

/* ── limits ── */

void lanes_begin(struct live_set *set, uint32_t item)
{
    struct lanes *lanes = &set->lanes;
    const struct lane *lane = lane_at(lanes, item);
    const struct group *group = group_at(lanes, lane->group);
    lanes->types[group->type].running++;
    lanes->queues[group->queue].running++;
    if (lane->key != LIVE_NONE)
        key_at(lanes, lane->key)->running++;
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
    struct lane_key *key = key_at(lanes, lane->key);
    key->running--;
    if (key->held != LIVE_NONE && !is_full(lanes, key))
        release_key(lanes, key);
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

/* 0: it has one now. */
static int64_t next_token_us(struct lane_type *type, int64_t mono_us)
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
    struct lane_type *t = type_at(lanes, type);
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
        struct lane_key *key = key_at(lanes, i);
        if (key->refs > 0 && key->type == type && key->held != LIVE_NONE && !is_full(lanes, key))
            release_key(lanes, key);
    }
}

void live_untake_token(struct live_set *set, uint32_t type)
{
    struct lane_type *t = type_at(&set->lanes, type);
    if (t->limits.rate_per_s > 0)
        t->tokens += 1;
}

/* ── picking ── */

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
    int64_t token_us = next_token_us(type, pick->mono_us);
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
        struct live *task = live_at(pick->set, items_of(lane_at(lanes, item))[0]);
        uint64_t turn = lanes->types[type].band[band].turn;
        struct live *best = pick->best[level];
        uint8_t counts = counts_as(pick, task, level);
        if (counts > pick->counts_as[level])
            pick->counts_as[level] = counts;
        if (best &&
            (turn > pick->turn[level] || (turn == pick->turn[level] && goes_before(best, task))))
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
               goes_before(pick->best[level], pick->best[best])))))
            best = level;
    }
    return best < 0 ? NULL : pick->best[best];
}

bool live_is_before(const struct live_pick *pick, const struct live *a, const struct live *b)
{
    const struct lanes *lanes = &pick->set->lanes;
    uint8_t a_counts = counts_as(pick, a, lane_at(lanes, a->lane)->band % PRIORITY_COUNT);
    uint8_t b_counts = counts_as(pick, b, lane_at(lanes, b->lane)->band % PRIORITY_COUNT);
    return a_counts != b_counts ? a_counts > b_counts : goes_before(a, b);
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

/* ── why ── */

static size_t count_ahead(const struct live_set *set, struct lane *lane, const struct live *task,
                          bool *ret_is_estimate)
{
    const uint32_t *items = items_of(lane);
    uint32_t step = lane->count / AHEAD_LOOKS + 1;
    size_t ahead = 0, looks = 0;
    for (uint32_t i = 0; i < lane->count; i += step, looks++)
        ahead += goes_before(live_at(set, items[i]), task);
    *ret_is_estimate = step > 1;
    return looks > 0 ? ahead * lane->count / looks : 0;
}

struct live_standing live_standing_of(struct live_set *set, const struct live *task,
                                      int64_t mono_us)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, task->lane);
    const struct group *group = group_at(lanes, lane->group);
    struct lane_type *type = &lanes->types[group->type];
    const struct lane_queue *queue = &lanes->queues[group->queue];
    struct live_standing standing = {
        .type_running = type->running,
        .key_running = lane->key == LIVE_NONE ? 0 : key_at(lanes, lane->key)->running,
        .queue_waiting = queue->tasks - queue->running,
        .queue_running = queue->running,
        .type_ready = type->ready,
        .token_us = next_token_us(type, mono_us),
        .lanes = group->band[lane->band].lanes,
    };
    standing.ahead = count_ahead(set, lane, task, &standing.is_estimate);
    for (unsigned band = lane->band + 1U; band % PRIORITY_COUNT != 0; band++)
        standing.has_more_urgent |= type->band[band].first != LIVE_NONE;
    return standing;
}

void live_queue_sums(const struct live_set *set, struct live_queue_sums *ret_sums, size_t count)
{
    const struct lanes *lanes = &set->lanes;
    for (size_t i = 0; i < count; i++) {
        ret_sums[i] = (struct live_queue_sums){ 0 };
        if (i >= lanes->queue_count)
            continue;
        ret_sums[i].running = lanes->queues[i].running;
        ret_sums[i].waiting = lanes->queues[i].tasks - lanes->queues[i].running;
    }
    for (uint32_t i = 0; i < lanes->lanes.count; i++) {
        struct lane *lane = lane_at(lanes, i);
        if (lane->refs == 0 || lane->count == 0)
            continue;
        uint32_t queue = group_at(lanes, lane->group)->queue;
        int64_t at_us = live_at(set, items_of(lane)[0])->at_us;
        if (queue < count && (ret_sums[queue].oldest_us == 0 || at_us < ret_sums[queue].oldest_us))
            ret_sums[queue].oldest_us = at_us;
    }
}

size_t live_lane_count(const struct live_set *set)
{
    return set->lanes.lane_index.count;
}
