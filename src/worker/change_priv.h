/* change_priv: the rows that changes leave in the tables, for change.c (which makes them) and
 * change_rows.c (which stores them with the batch). */
#pragma once
#include "worker/change.h"

struct task_row {
    const struct task_view *view;
    int64_t seq;
    uint32_t type;
};

struct done_row {
    struct uuid id;
    int64_t seq, fence, started_at_us;
    enum rule_state state;
    uint32_t attempt, max_attempts;
    struct str result, error, why, worker;
    bool has_error;
};

struct attempt_row {
    struct uuid id;
    int64_t fence, seq, started_at_us;
    uint32_t attempt;
    enum rule_outcome outcome;
    struct str worker, error;
    bool has_error;
};

struct reopened_row {
    struct uuid id;
    int64_t seq; /* of its end */
};

/* One more of the batch, zeroed. Good until the next of its kind. */
[[nodiscard]] struct task_row *change_row_task(struct batch *b);
[[nodiscard]] struct done_row *change_row_done(struct batch *b);
[[nodiscard]] struct attempt_row *change_row_attempt(struct batch *b);
[[nodiscard]] struct reopened_row *change_row_reopened(struct batch *b);
