/*
 * changes: the rows that have changed and how far their watcher knows: one entry an id, however
 * often it changes meanwhile.
 *
 *   note --> due --> (reading) --> ready --> told --> forgotten after CHANGES_HOLD_US
 *             ^---------------------------------'  changed meanwhile: due again after that time
 *
 * Thread: its owner's.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "gateway/gateway_priv.h"
#include "gateway/record.h"
#include "gateway/task_filter.h"

enum {
    CHANGES_HOLD_US = 250'000,          /* between two messages of one row */
    CHANGES_MAX = 10'000,               /* rows with news; a watcher with more cannot follow */
    CHANGES_BYTES_MAX = 8 << 20,        /* of their kept cells */
    CHANGES_TOGETHER_MAX = 128 << 20,   /* of all watchers that share a total; beyond it, those */
    CHANGES_SMALL_BYTES_MAX = 64 << 10, /* with more than this have too many */
};

struct change {
    struct list link; /* in one of the lists below */
    struct list news; /* in its shard's changes.news, while it has some */
    struct uuid id;
    struct record_kept kept; /* what events told since the last message */
    size_t shard;            /* whose events tell of it */
    int64_t seq;             /* of the last event */
    int64_t news_seq;        /* of the first event that is not told */
    int from;                /* the status before the first of them; -1: the same */
    bool is_added;           /* it was not there before */
    bool is_deleted;
    bool has_news;
    bool is_known; /* there was a message: `known` tells whether it matched then */
    enum task_match known;
    int64_t told_us;      /* mono, of the last message or try */
    unsigned misses;      /* reads that did not find its row */
    struct db_rows *rows; /* its row, where it was read; held */
    size_t row;
};

struct changes {
    struct map *by_id;
    struct list due, reading, ready; /* with news */
    struct list told;                /* by told_us */
    struct list news[GATEWAY_SHARDS_MAX]; /* all with news, by news_seq, of each shard */
    size_t news_count, size_bytes;
    size_t *total_bytes; /* of all that share it */
};

/* `total_bytes` is counted up and down by all that are given it; it outlives them. */
void changes_init(struct changes *changes, size_t *total_bytes);
void changes_clear(struct changes *changes);

/* The entry of that id, made if need be. */
[[nodiscard]] struct change *changes_at(struct changes *changes, struct uuid id);
[[nodiscard]] struct change *changes_find(const struct changes *changes, struct uuid id);
/* The number of the shard's first event that is not told; 0: all are. */
[[nodiscard]] int64_t changes_first_untold(const struct changes *changes, size_t shard);
/* It has news of `change->seq` of `change->shard`, with these cells: due, at once or when its time has come. */
void changes_note(struct changes *changes, struct change *change, const struct str *cells,
                  uint64_t given);
/* Whether there is more than a watcher can follow. */
[[nodiscard]] bool changes_are_too_many(const struct changes *changes);

/* Those whose time has come are due again, those without news forgotten. When the next time comes,
 * by the monotonic clock; INT64_MAX: never. */
int64_t changes_expire(struct changes *changes, int64_t now_us);
/* The watcher knows of it now, matching or not. */
void changes_told(struct changes *changes, struct change *change, enum task_match known,
                  int64_t now_us);
/* Once more later, the news kept. */
void changes_retry(struct changes *changes, struct change *change, int64_t now_us);
void changes_forget(struct changes *changes, struct change *change);
