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

static void count_queues(const struct lanes *lanes, const struct live_queue_sweep *sweep)
{
    for (size_t i = 0; i < min_of(sweep->count, lanes->queue_count); i++) {
        sweep->sums[i].running = lanes->queues[i].running;
        sweep->sums[i].waiting = lanes->queues[i].tasks - lanes->queues[i].running;
    }
}

bool live_queue_sweep(const struct live_set *set, struct live_queue_sweep *sweep, uint32_t looks)
{
    const struct lanes *lanes = &set->lanes;
    for (; looks > 0 && sweep->at < lanes->lanes.count; looks--, sweep->at++) {
        struct lane *lane = lane_at(lanes, sweep->at);
        if (lane->refs == 0 || lane->count == 0)
            continue;
        uint32_t queue = group_at(lanes, lane->group)->queue;
        int64_t at_us = live_at(set, lane_items(lane)[0])->at_us;
        if (queue < sweep->count &&
            (sweep->sums[queue].oldest_us == 0 || at_us < sweep->sums[queue].oldest_us))
            sweep->sums[queue].oldest_us = at_us;
    }
    if (sweep->at < lanes->lanes.count)
        return false;
    count_queues(lanes, sweep);
    return true;
}

void live_queue_sums(const struct live_set *set, struct live_queue_sums *ret_sums, size_t count)
{
    struct live_queue_sweep sweep = { .sums = ret_sums, .count = count };
    memset(ret_sums, 0, count * sizeof *ret_sums);
    (void)live_queue_sweep(set, &sweep, UINT32_MAX);
}
