/* feed_priv: the life of the feeds, one a shard, and their side to the mirrors. Thread: the first
 * loop's, but where it says any. */
#pragma once
#include "gateway/feed.h"

struct feed;
struct mirror;

/* Events that came together, and the memory that they live in. */
struct feed_batch {
    atomic_int refs;
    struct arena *arena;
    struct feed_event *events; /* without those that concern nobody */
    size_t count;
    size_t shard;
    int64_t first_seq, next_seq; /* of the first event, and of the first one that is not here */
    uint64_t skipped;            /* that could not be read */
    bool is_uncounted;           /* one of these, or of a task that was gone, is in no counter */
};
[[nodiscard]] struct feed_batch *feed_batch_create(size_t shard); /* any */
/* What a page of the feed that was asked for from `asked` on holds. Errors: INVALID. */
[[nodiscard]] bool feed_batch_read(struct feed_batch *batch, const struct json_value *body,
                                   int64_t asked, struct err *e);
void feed_batch_ref(struct feed_batch *batch);   /* any */
void feed_batch_unref(struct feed_batch *batch); /* any; accepts NULL */

/* Tells all loops' subscribers of the batch's events from that number on. NULL: changes of the
 * shard were missed. */
void feed_tell_loops(struct gateway *gw, size_t shard, struct feed_batch *batch, int64_t from_seq);

void feed_open(struct gateway *gw); /* once the first loop is there */
/* Once the database is ready. Does nothing without a worker-url. */
void feed_begin(struct gateway *gw);
/* Begins nothing any more; what runs goes on to its end. */
void feed_end(struct gateway *gw);
void feed_close(struct gateway *gw); /* after the loop's clients and pool; accepts none */

/* Goes on from there, for the mirror; subscribers get nothing twice. */
void feed_seek(struct feed *feed, int64_t seq);
/* The mirror has room again. */
void feed_go_on(struct feed *feed);
/* The shard's worker answered its last poll. */
[[nodiscard]] bool feed_is_up(const struct gateway *gw, size_t shard); /* any */
/* The tables hold all before `seq`. */
void feed_table_reached(struct feed *feed, int64_t seq);
/* So many the table held of that shard; what this process has put in since is added. */
void feed_set_outbox_waiting(struct gateway *gw, size_t shard, int64_t count, int64_t puts_before);
void feed_set_outbox_apart(struct gateway *gw, size_t shard, bool has_some); /* any */
void feed_set_outbox_oldest(struct gateway *gw, size_t shard, int64_t at_us);
void feed_add_outbox_waiting(struct gateway *gw, size_t shard, int64_t count); /* any */
/* How many entries of that shard this process has put in. */
[[nodiscard]] int64_t feed_outbox_puts(const struct gateway *gw, size_t shard); /* any */

/* ── what the feed tells the mirror ── */

[[nodiscard]] struct mirror *mirror_create(struct gateway *gw, struct feed *feed, size_t shard);
void mirror_destroy(struct mirror *mirror); /* accepts NULL */
void mirror_begin(struct mirror *mirror);
void mirror_end(struct mirror *mirror);
void mirror_take(struct mirror *mirror, struct feed_batch *batch);
[[nodiscard]] bool mirror_is_full(const struct mirror *mirror);
/* 410: what the mirror has not seen is not kept any more. */
void mirror_lost_track(struct mirror *mirror);

/* For metrics: what this process has done since its start, for all shards. */
struct mirror_stats {
    uint64_t windows, changes, refused_rows, snapshots;
    uint64_t audits, mended; /* rows and counters that an audit found wrong */
    uint64_t unreadable;     /* events of the feed */
};
struct mirror_stats mirror_stats(const struct mirror *mirror);
[[nodiscard]] struct mirror_stats feed_mirror_stats(const struct gateway *gw);
