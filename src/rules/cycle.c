#include "rules/cycle.h"

#include "base/map.h"
#include "base/mem.h"

/* A walk in depth: `path` are the nodes on the way, `next` which of its needs each goes to next. */
struct walk {
    const struct rule_node *nodes;
    struct map *numbers; /* + 1, by id */
    uint8_t *seen;       /* by node */
    uint32_t *path, *next;
    size_t depth;
};

enum { SEEN_NOT, SEEN_ON_PATH, SEEN_DONE };

static void enter(struct walk *w, uint32_t node)
{
    w->seen[node] = SEEN_ON_PATH;
    w->next[w->depth] = 0;
    w->path[w->depth++] = node;
}

/* One step; true: the last need of the path's end closes a circle with `*ret_node`. */
static bool step(struct walk *w, uint32_t *ret_node)
{
    uint32_t at = w->path[w->depth - 1];
    const struct rule_node *node = &w->nodes[at];
    if (w->next[w->depth - 1] == node->need_count) {
        w->seen[at] = SEEN_DONE;
        w->depth--;
        return false;
    }
    const struct uuid *need = &node->needs[w->next[w->depth - 1]++];
    uintptr_t number = (uintptr_t)map_get(w->numbers, uuid_bytes(need));
    if (number == 0)
        return false; /* none of the list */
    *ret_node = (uint32_t)(number - 1);
    if (w->seen[*ret_node] == SEEN_NOT)
        enter(w, *ret_node);
    else
        return w->seen[*ret_node] == SEEN_ON_PATH;
    return false;
}

static size_t walk_all(struct walk *w, size_t count, uint32_t *ret_numbers)
{
    for (uint32_t i = 0; i < count; i++) {
        if (w->seen[i] != SEEN_NOT)
            continue;
        for (enter(w, i); w->depth > 0;) {
            uint32_t first;
            if (!step(w, &first))
                continue;
            size_t from = 0;
            while (w->path[from] != first)
                from++;
            memcpy(ret_numbers, &w->path[from], (w->depth - from) * sizeof *ret_numbers);
            return w->depth - from;
        }
    }
    return 0;
}

size_t rule_cycle_find(const struct rule_node *nodes, size_t count, uint32_t *ret_numbers)
{
    scoped(map_destroyp) struct map *numbers = map_create();
    struct walk w = { .nodes = nodes, .numbers = numbers };
    for (size_t i = count; i-- > 0;)
        (void)map_put(numbers, uuid_bytes(&nodes[i].id), (void *)(i + 1));
    w.seen = mem_zalloc(count + 1, sizeof *w.seen);
    w.path = mem_zalloc(count + 1, sizeof *w.path);
    w.next = mem_zalloc(count + 1, sizeof *w.next);
    size_t found = walk_all(&w, count, ret_numbers);
    mem_free(w.seen);
    mem_free(w.path);
    mem_free(w.next);
    return found;
}

void rule_cycle_write(const char *name, const uint32_t *numbers, size_t count,
                      char ret_text[RULE_CYCLE_TEXT_MAX])
{
    size_t shown = min_of(count, (size_t)RULE_CYCLE_SHOWN_MAX), len = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < shown; i++)
        len += (size_t)snprintf(ret_text + len, RULE_CYCLE_TEXT_MAX - len, "%s[%u] → ", name,
                                numbers[i]);
    if (shown < count)
        (void)snprintf(ret_text + len, RULE_CYCLE_TEXT_MAX - len, "… (%zu in all)", count);
    else
        (void)snprintf(ret_text + len, RULE_CYCLE_TEXT_MAX - len, "%s[%u]", name, numbers[0]);
}
