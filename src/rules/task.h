/*
 * task: what a task can be, and what its states are called. The numbers are stored (schema worker)
 * and must not change. Pure.
 * Source: docs/protocol.md "The task object".
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum rule_state {
    STATE_SCHEDULED,
    STATE_READY,
    STATE_BLOCKED,
    STATE_RETRYING,
    STATE_RUNNING,
    STATE_SUCCEEDED,
    STATE_CANCELLED,
    STATE_DEAD,
    STATE_COUNT
};

enum rule_status {
    STATUS_PENDING,
    STATUS_IN_PROGRESS,
    STATUS_COMPLETED,
    STATUS_FAILED,
    STATUS_COUNT
};

enum rule_priority { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITY_COUNT };

/* How an attempt ended. */
enum rule_outcome {
    OUTCOME_SUCCEEDED,
    OUTCOME_FAILED,
    OUTCOME_TIMED_OUT,
    OUTCOME_LEASE_LOST,
    OUTCOME_CANCELLED,
    OUTCOME_COUNT
};

[[nodiscard]] enum rule_status rule_status_of(enum rule_state state);
/* Of a task that waits: `due_us` is when it may run. */
[[nodiscard]] enum rule_state rule_waiting_state(int64_t due_us, unsigned attempt, int64_t now_us);

/* "scheduled", "in-progress", "normal", "timed_out". */
[[nodiscard]] struct str rule_state_name(enum rule_state state);
[[nodiscard]] struct str rule_status_name(enum rule_status status);
[[nodiscard]] struct str rule_priority_name(enum rule_priority priority);
[[nodiscard]] struct str rule_outcome_name(enum rule_outcome outcome);
[[nodiscard]] bool rule_priority_of(struct str name, enum rule_priority *ret_priority);

/* A task whose lease was lost this often, each time alone in its session, is not tried again. */
enum { RULE_CRASHES_ALONE_MAX = 3 };
/* The first crash may be a neighbour's; from then on it runs alone. */
enum { RULE_CRASHES_MAX = RULE_CRASHES_ALONE_MAX + 1 };
