/* live_standing: why a task waits, and sums of what does. */
#include "worker/live_priv.h"

enum { AHEAD_LOOKS = 4'096 };

static size_t count_ahead(const struct live_set *set, struct lane *lane, const struct live *task,
                          bool *ret_is_estimate)
{
    const uint32_t *items = lane_items(lane);
    uint32_t step = lane->count / AHEAD_LOOKS + 1;
    size_t ahead = 0, looks = 0;
    for (uint32_t i = 0; i < lane->count; i += step, looks++)
        ahead += live_goes_before(live_at(set, items[i]), task);
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
        .key_running = lane->key == LIVE_NONE ? 0 : lane_key_at(lanes, lane->key)->running,
        .queue_waiting = queue->tasks - queue->running,
        .queue_running = queue->running,
        .type_ready = type->ready,
        .token_us = lane_type_token_us(type, mono_us),
        .lanes = group->band[lane->band].lanes,
    };
    if (lane->key != LIVE_NONE)
        standing.key_token_us =
            lane_key_token_us(lanes, lane_key_name(lane_key_at(lanes, lane->key)), mono_us);
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
        int64_t at_us = live_at(set, lane_items(lane)[0])->at_us;
        if (queue < count && (ret_sums[queue].oldest_us == 0 || at_us < ret_sums[queue].oldest_us))
            ret_sums[queue].oldest_us = at_us;
    }
}
