/*
 * window: changes between two cursors, each row once, at its newest: what the mirror stores in one
 * transaction. Thread: one.
 */
#pragma once
#include "base/map.h"
#include "gateway/feed_priv.h"
#include "gateway/rollups.h"
#include "store/public/task_mirror.h"

struct window_row {
    struct uuid id;
    bool is_born;    /* it is told as a whole */
    bool is_changed; /* told of again, or not born here */
    bool is_gone;    /* deleted after all */
    uint64_t told;
    struct str *cells;
};

struct window {
    struct arena *arena;
    int64_t first_seq, next_seq; /* from the cursor that is stored to the one that will be */
    size_t event_count;
    int64_t began_us; /* monotonic: when its first event came */

    struct feed_batch **batches; /* the memory of cells */
    size_t batch_count;
    struct map *by_id, *jobs_by_id;
    struct window_row **tasks, **jobs;
    size_t task_count, job_count;
    struct uuid *dropped, *froms, *tos, *gone_jobs;
    size_t dropped_count, range_count, gone_job_count;
    struct uuid *failures; /* tasks that failed, or do no longer; dropped ones, too */
    size_t failure_count;
    struct rollup_mark *marks;
    size_t mark_count;
    struct map *counts; /* by type: int64_t[TASK_STATUS_COUNT] */
    bool are_marks_added;
    bool is_uncounted; /* something was left out: the counters are to be looked at */
};

/* What the event does to the counters, a call each: so many more of that type and status. */
typedef void window_count_fn(void *owner, struct str type, enum task_status status, int64_t delta);
void window_count(const struct feed_event *event, window_count_fn *fn, void *owner);

[[nodiscard]] struct window *window_create(int64_t first_seq);
void window_destroy(struct window *w); /* accepts NULL */
/* `batch` goes on where the window ends. */
void window_take(struct window *w, struct feed_batch *batch);

/*
 * The rows to store: born ones first, which are whole, and of these first those that were born and
 * nothing else: one of them is new, or it was stored with that version by who made it.
 */
[[nodiscard]] size_t window_rows(const struct window *w, struct mirror_row **ret_rows,
                                 size_t *ret_born, size_t *ret_unchanged);
/* Born ones first: the others have a row already, or were deleted. */
[[nodiscard]] size_t window_job_rows(const struct window *w, struct mirror_row **ret_rows,
                                     size_t *ret_born);
[[nodiscard]] size_t window_counts(const struct window *w, struct mirror_count **ret_counts);
