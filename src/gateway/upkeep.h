/*
 * upkeep: deletes what has been kept for long enough, sessions, deleted conversations, insights,
 * figures and entries of the audit log, and lets fail what has waited in the outbox for too long, a
 * batch a second, so that nothing waits for it. Every gateway does; what one deletes the others do
 * not find.
 */
#pragma once
#include "base/base.h"

struct gateway_loop;

struct upkeep {
    size_t at; /* of what there is to look through; behind the last one: nothing to do */
    bool is_busy;
};

/* From the first of it on. */
void upkeep_begin(struct gateway_loop *loop);
/* Once a second. */
void upkeep_tick(struct gateway_loop *loop);
