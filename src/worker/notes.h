/*
 * notes: what executors said of tasks that they run: how far they are, which a new leader knows as
 * the feed was told (from the log, and from task_live), and whether a checkpoint is stored
 * (checkpoint.h).
 */
#pragma once
#include "base/str.h"
#include "base/uuid.h"

struct notes;

struct note {
    int64_t fence;       /* of the attempt that the progress is of */
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
/* The same; what was said of the progress of another attempt is forgotten. */
[[nodiscard]] struct note *notes_of_attempt(struct notes *notes, struct uuid id, int64_t fence);
/* What is stored of an attempt: the feed knows it. */
void notes_told(struct notes *notes, struct uuid id, int64_t fence, double progress);
void notes_forget(struct notes *notes, struct uuid id);
