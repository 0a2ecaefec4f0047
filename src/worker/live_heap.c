/* live_heap: binary heaps of tasks by their numbers. */
#include "base/mem.h"
#include "worker/live_priv.h"

static void set_at(uint32_t *items, uint32_t at, struct live *task)
{
    items[at] = live_number(task);
    task->heap_pos = at & LIVE_NONE;
}

static void sift_up(const struct live_set *set, uint32_t *items, uint32_t at, struct live *task,
                    live_before_fn *before)
{
    for (; at > 0; at = (at - 1) / 2) {
        struct live *parent = live_at(set, items[(at - 1) / 2]);
        if (!before(task, parent))
            break;
        set_at(items, at, parent);
    }
    set_at(items, at, task);
}

static void sift_down(const struct live_set *set, uint32_t *items, uint32_t count, uint32_t at,
                      struct live *task, live_before_fn *before)
{
    for (uint32_t child; (child = at * 2 + 1) < count; at = child) {
        struct live *first = live_at(set, items[child]);
        struct live *other = child + 1 < count ? live_at(set, items[child + 1]) : NULL;
        if (other && before(other, first)) {
            first = other;
            child++;
        }
        if (!before(first, task))
            break;
        set_at(items, at, first);
    }
    set_at(items, at, task);
}

void live_heap_push(const struct live_set *set, uint32_t *items, uint32_t count, struct live *task,
                    live_before_fn *before)
{
    sift_up(set, items, count, task, before);
}

void live_heap_take(const struct live_set *set, uint32_t *items, uint32_t count, struct live *task,
                    live_before_fn *before)
{
    uint32_t at = task->heap_pos;
    assert(at < count && items[at] == live_number(task));
    struct live *last = live_at(set, items[--count]);
    task->heap_pos = LIVE_NOT_IN_HEAP;
    if (last == task)
        return;
    if (at > 0 && before(last, live_at(set, items[(at - 1) / 2])))
        sift_up(set, items, at, last, before);
    else
        sift_down(set, items, count, at, last, before);
}

uint32_t *live_heap_grow(uint32_t *items, uint32_t *capacity, uint32_t first)
{
    *capacity = max_of(*capacity + *capacity / 2, first);
    return mem_resize(items, *capacity, sizeof *items);
}
