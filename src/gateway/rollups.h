/*
 * rollups: what happened in each minute, hour and day, by type and in all, in the memory of the
 * gateway that keeps the mirror. A span that is touched first is loaded; what has changed is stored
 * whole, with the cursor. Spans that nobody touches any more are forgotten once they are stored.
 * Thread: one.
 */
#pragma once
#include "gateway/feed.h"
#include "store/public/mirror.h"

enum { ROLLUP_SPANS = 3 };

struct rollups;

[[nodiscard]] struct rollups *rollups_create(void);
void rollups_destroy(struct rollups *r); /* accepts NULL */

/* What one event means for the figures of its moment. */
struct rollup_mark {
    struct str type;
    int64_t at_us;
    int64_t took_us; /* STARTED: the wait, else the run; -1: none */
    enum { ROLLUP_CREATED, ROLLUP_STARTED, ROLLUP_COMPLETED, ROLLUP_FAILED } what;
};
/* False: the event changes no figure. */
[[nodiscard]] bool rollup_mark_of(const struct feed_event *event, struct rollup_mark *ret_mark);

/* Spans that the marks touch and that must be loaded first, in the arena; 0: none. */
[[nodiscard]] size_t rollups_missing(struct rollups *r, struct arena *a,
                                     const struct rollup_mark *marks, size_t count,
                                     const struct mirror_rollup *const **ret_spans);
/* `rows` of mirror_rollup_load_step; those that are missing there are new. */
void rollups_loaded(struct rollups *r, struct arena *a, const struct db_rows *rows);
/* All that is missing is new. */
void rollups_known(struct rollups *r);
/* Once for each mark; all its spans are loaded. */
void rollups_add(struct rollups *r, const struct rollup_mark *marks, size_t count);
/* What changed since the last rollups_stored. */
[[nodiscard]] size_t rollups_changed(const struct rollups *r, struct arena *a,
                                     const struct mirror_rollup *const **ret_spans);
void rollups_stored(struct rollups *r);
