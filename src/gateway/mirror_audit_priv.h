/*
 * mirror_audit_priv: one run of the audit, for the files mirror_audit*.c.
 *
 *   begin --> figures --> days --> day --> day --> ... --> end
 *                                   |
 *   day:  the worker's sums --> (stored) --> own sums --> the same: next day
 *                 ^                              |-- not, or changed since: look again
 *                 `------------------------------'-- still not: pages
 *
 *   page: ask --> ask how far the worker is --> (stored) --> compare --> mend --> next page
 *
 * "(stored)": the tables have come to the number that the worker told with its answer. What has
 * changed from the answer's own number on is known from the feed, and left out.
 */
#pragma once
#include "gateway/mirror_audit.h"
#include "gateway/worker_client.h"
#include "store/public/mirror_audit.h"

struct audit_run;
typedef void audit_step_fn(struct audit_run *run);

/* A task or job that has changed, or a range of tasks that was dropped. */
struct audit_change {
    int64_t seq;
    struct uuid id, to; /* from id on, below `to`, where is_range */
    bool is_range, is_drop;
};
/* So many more, from that number on. */
struct audit_move {
    int64_t seq, delta;
    struct str type; /* the run's */
    enum task_status status;
};
struct audit_changes {
    bool is_on, is_over; /* over: there were too many */
    struct audit_change *items;
    size_t count, capacity;
    struct audit_move *moves;
    size_t move_count, move_capacity;
};

struct audit_report {
    int64_t days, rows;            /* that were looked at */
    int64_t missing, extra, wrong; /* tasks that were mended */
    int64_t jobs, counts;          /* and jobs, and counters */
};

struct audit_page {
    int64_t seq; /* of its cursor */
    size_t limit;
    struct uuid after, last;
    bool is_last;
    struct mirror_row *rows;
    struct mirror_audit_told told; /* of the same rows */
    struct uuid *damaged;          /* all that is mended */
    size_t damaged_count;
    struct uuid *bad; /* what stands there otherwise, as it was found */
    int64_t *bad_versions;
    size_t bad_count;
    struct mirror_row *mended; /* what is put there */
    size_t mended_count;
};

struct audit_run {
    struct mirror_audit *audit; /* NULL: nobody wants it any more */
    struct mirror *m;
    bool is_busy; /* a reply will come */
    struct io_timer *timer;
    audit_step_fn *next; /* what the timer calls */
    unsigned tries;

    audit_step_fn *stored_fn;
    int64_t stored_seq, stored_by_us;

    struct arena *kept;  /* of the run */
    struct arena *arena; /* of a step */
    struct audit_changes changes;
    bool is_counting; /* moves are collected, too */
    struct audit_report report;

    int64_t *days;
    size_t day_count, day_at;
    unsigned looks;
    unsigned open; /* bit n: bucket n is not settled */
    bool is_counted;
    struct mirror_audit_bucket theirs[MIRROR_AUDIT_BUCKETS], ours[MIRROR_AUDIT_BUCKETS];
    struct uuid from, last, at; /* the day's bounds; how far the own sums are */

    int64_t seq; /* of the figures' cursor */
    const struct json_value *body;
    struct audit_page page;
};

/* ── mirror_audit.c ── */
/* True: the reply that came is of no use any more. */
[[nodiscard]] bool audit_is_over(struct audit_run *run);
void audit_then(struct audit_run *run, int64_t delay_ms, audit_step_fn *fn);
/* Once the tables hold all before `seq`. */
void audit_once_stored(struct audit_run *run, int64_t seq, audit_step_fn *fn);
/* Asks the worker, or begins a call of the database; where that cannot be, `again` comes later. */
void audit_ask(struct audit_run *run, const char *path, worker_reply_fn *fn, audit_step_fn *again);
void audit_call(struct audit_run *run, enum db_lane lane, const struct db_step *steps, size_t count,
                db_reply_fn *fn, audit_step_fn *again);
/* Tries the step again, or gives the run up. */
void audit_again(struct audit_run *run, audit_step_fn *fn, const struct err *e);
void audit_fail(struct audit_run *run, const struct err *e);
void audit_next_day(struct audit_run *run);

/* ── mirror_audit_changes.c ── */
/* Collects from now on; each number from the table's end of the feed on. */
void audit_changes_begin(struct audit_run *run);
void audit_changes_take(struct audit_run *run, const struct feed_batch *batch);
void audit_changes_end(struct audit_run *run);
/* Forgets those before `seq`. */
void audit_changes_prune(struct audit_run *run, int64_t seq);
/* Has it changed, from `seq` on? `is_drop`: has it gone? */
[[nodiscard]] bool audit_has_changed(const struct audit_run *run, struct uuid id, int64_t seq,
                                     bool is_drop);

/* ── mirror_audit_figures.c, mirror_audit_day.c, mirror_audit_pages.c ── */
void audit_figures(struct audit_run *run); /* then audit_days */
void audit_days(struct audit_run *run);
void audit_pages(struct audit_run *run); /* then audit_next_day */
