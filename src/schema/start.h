/*
 * start: what every service that owns tables does before it serves: it prepares its schema, and
 * waits for a database that is away. For a thread of its own; nothing here knows the loop.
 */
#pragma once
#include <stdatomic.h>

#include "schema/schema.h"

/* A report for the log: schema.changed, schema.note, … */
void schema_report_to_log(enum schema_report kind, struct str text, void *owner);

/* One try of everything. Errors: UNAVAILABLE and TIMEOUT pass by waiting, others do not. */
typedef bool schema_try_fn(void *owner, struct err *e);

/*
 * Tries until it succeeds, fails for good, was cancelled, or `wait_us` have passed: then the last
 * error. Waits longer after each failure, up to a second; the first is logged.
 */
[[nodiscard]] bool schema_try_until(schema_try_fn *attempt, void *owner, int64_t wait_us,
                                    const atomic_bool *is_cancelled, struct err *e);
