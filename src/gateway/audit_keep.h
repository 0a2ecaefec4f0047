/*
 * audit_keep: what is older than audit-retention leaves the audit log, a batch a second at most, so
 * that nobody waits for it. Every gateway looks hourly; they may do so at once. Thread: the loop's.
 */
#pragma once
#include "gateway/gateway_priv.h"

enum { AUDIT_KEEP_BATCH = 1'000 };

/* Once a second; `is_due` where all must be looked at again. */
void audit_keep_tick(struct gateway_loop *loop, bool is_due);
