/*
 * workers: Query.workers and Query.taskTypes, which the worker alone knows: it is asked each time.
 * What it told last is kept, for while it is out of reach.   Source: docs/protocol.md "Leases".
 */
#pragma once
#include "base/base.h"

/* What the worker told last, shared by all loops. */
struct workers_told;

[[nodiscard]] struct workers_told *workers_told_create(void);
void workers_told_destroy(struct workers_told *told); /* accepts NULL */
