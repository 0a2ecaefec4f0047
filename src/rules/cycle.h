/*
 * cycle: whether things that wait for one another wait in a circle. Pure.
 */
#pragma once
#include "base/str.h"
#include "base/uuid.h"

struct rule_node {
    struct uuid id;
    const struct uuid *needs; /* ids of others, of the same list or not */
    size_t need_count;
};

enum { RULE_CYCLE_SHOWN_MAX = 5, RULE_CYCLE_TEXT_MAX = 160 };

/*
 * The first circle there is: its nodes' numbers, in the order in which each needs the next, go into
 * `ret_numbers` (room for `count`), at most `count` of them. Returns how many; 0: there is none.
 * Nodes with the same id: the first one counts.
 */
[[nodiscard]] size_t rule_cycle_find(const struct rule_node *nodes, size_t count,
                                     uint32_t *ret_numbers);
/* "tasks[0] → tasks[2] → tasks[0]" for name "tasks"; a long one is cut: "… (12 in all)". */
void rule_cycle_write(const char *name, const uint32_t *numbers, size_t count,
                      char ret_text[RULE_CYCLE_TEXT_MAX]);
