/*
 * notes: what executors said of tasks that they run: how far they are, which is in memory alone (a
 * new leader begins without), and whether a checkpoint is stored (checkpoint.h).
 */
#pragma once
#include "base/str.h"
#include "base/uuid.h"

struct notes;

struct note {
    double progress;     /* negative: not said */
    double told;         /* the progress that the feed knows */
    int64_t told_us;     /* monotonic: since when */
    bool has_checkpoint; /* a row may stand for it */
};

[[nodiscard]] struct notes *notes_create(void);
void notes_destroy(struct notes *notes); /* accepts NULL */
void notes_clear(struct notes *notes);
/* NULL where nothing was said. */
[[nodiscard]] struct note *notes_find(const struct notes *notes, struct uuid id);
/* Made where it is new. */
[[nodiscard]] struct note *notes_of(struct notes *notes, struct uuid id);
void notes_forget(struct notes *notes, struct uuid id);
