/* live_ring: the heap of a lane, and where lanes and groups stand: in the ring where they take
 * turns, or held back. */
#include "base/mem.h"
#include "worker/live_priv.h"

enum { MANY_FIRST = 4, KEEP_MAX = 256 };

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

/* ── coming, going, and being held back ── */

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
        ring_remove(lane_links(lanes), &lane_key_at(lanes, lane->key)->held, item);
        lanes->types[group->type].held--;
        return;
    }
    ring_remove(lane_links(lanes), &group->band[lane->band].first, item);
    group->band[lane->band].lanes--;
    if (group->band[lane->band].first == LIVE_NONE)
        group_leave(lanes, lane->group, lane->band);
}

void lane_hold(struct lanes *lanes, uint32_t item)
{
    lane_leave(lanes, item);
    struct lane *lane = lane_at(lanes, item);
    lane->where = LIVE_HELD;
    ring_push(lane_links(lanes), &lane_key_at(lanes, lane->key)->held, item);
    lanes->types[group_at(lanes, lane->group)->type].held++;
}

void lane_key_release(struct lanes *lanes, struct lane_key *key)
{
    while (key->held != LIVE_NONE) {
        uint32_t item = key->held;
        lane_leave(lanes, item);
        lane_enter(lanes, item);
    }
}

void group_hold(struct lanes *lanes, uint32_t item, unsigned band)
{
    group_leave(lanes, item, band);
    struct group *group = group_at(lanes, item);
    group->band[band].where = LIVE_HELD;
    ring_push(group_links(lanes, band), &lanes->queues[group->queue].held[band], item);
}

void live_pause_queue(struct live_set *set, uint32_t queue, bool is_paused)
{
    struct lanes *lanes = &set->lanes;
    lane_queue_at(lanes, queue)->is_paused = is_paused;
    for (unsigned band = 0; band < LIVE_BANDS; band++)
        while (!is_paused && lanes->queues[queue].held[band] != LIVE_NONE) {
            uint32_t item = lanes->queues[queue].held[band];
            group_leave(lanes, item, band);
            group_enter(lanes, item, band);
        }
}

/* ── a lane's heap ── */

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

void lane_drop_items(struct lanes *lanes, struct lane *lane)
{
    if (lane->capacity == 0)
        return;
    lanes->item_bytes -= lane->capacity * sizeof(uint32_t);
    mem_free(lane->many);
    lane->capacity = 0;
}

void lanes_put(struct live_set *set, struct live *task)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, task->lane);
    make_room(lanes, lane);
    live_heap_push(set, lane_items(lane), lane->count++, task, live_goes_before);
    if (lane->count == 1)
        lane_enter(lanes, task->lane);
    lanes->types[group_at(lanes, lane->group)->type].ready++;
    lanes->crashed_ready += lane->band >= PRIORITY_COUNT;
}

void lanes_take(struct live_set *set, struct live *task)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, task->lane);
    live_heap_take(set, lane_items(lane), lane->count--, task, live_goes_before);
    lanes->types[group_at(lanes, lane->group)->type].ready--;
    lanes->crashed_ready -= lane->band >= PRIORITY_COUNT;
    if (lane->count > 0)
        return;
    lane_leave(lanes, task->lane);
    if (lane->capacity > KEEP_MAX)
        lane_drop_items(lanes, lane);
}
