/*
 * feed: the changes, in order. The latest are kept in memory as they are sent (feed-memory,
 * feed-memory-age), older ones are put together of change_log and the tables, and are the same.
 * Source: docs/protocol.md "Feed and snapshot".
 */
#pragma once
#include "worker/shard_priv.h"

struct http_request;
struct worker;

enum {
    FEED_EVENTS_MAX = 10'000,    /* of one answer */
    FEED_ANSWER_BYTES = 8 << 20, /* an answer that has so many takes no more */
    FEED_WAIT_MAX_MS = 60'000,
};

[[nodiscard]] struct feed *feed_create(struct shard *s);
void feed_destroy(struct feed *feed); /* accepts NULL */
/* Forgets the ring; whoever waits is answered 503. */
void feed_clear(struct feed *feed);

/* A committed batch; takes its events. */
void feed_append(struct feed *feed, struct batch *b);
/* A number that concerns nobody. */
void feed_none(struct feed *feed, int64_t seq, int64_t at_us);
/* The first number that the ring has; s->committed when it is empty. */
[[nodiscard]] int64_t feed_first(const struct feed *feed);
/* What the events in memory occupy. */
[[nodiscard]] size_t feed_bytes(const struct feed *feed);
[[nodiscard]] size_t feed_waiting(const struct feed *feed);

/* feed_tables.c: answers with up to `max` events from `from` on, out of the tables. */
void feed_from_tables(struct worker *w, struct http_request *r, int64_t from, int64_t max);

/* `{"cursor", "head", "now_us", "events": [` `text` `]}` */
void feed_answer(const struct shard *s, struct http_request *r, int64_t cursor, struct str text);
