/*
 * shards: the workers that the gateway works with, each with a part of the queues and a feed of its
 * own. With one, which is the rule, everything below says 0.
 * Source: docs/decisions/0025-shards.md.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct record;

/* Into gw->shards, gw->shard_count and gw->worker_urls, of which each is a list and that of shard 0
 * may be empty. Errors: INVALID, naming the option. */
[[nodiscard]] bool shards_read(struct gateway *gw, struct err *e);
/* The option that says where the shard's workers are. */
[[nodiscard]] const char *shards_url_option(size_t shard);

/* Whose worker a new task or job of that queue goes to. */
[[nodiscard]] size_t shards_of_queue(const struct gateway *gw, struct str queue);
/* A number from the tables; one that there is no worker of any more is 0, which will not know it.
 */
[[nodiscard]] size_t shards_of_number(const struct gateway *gw, int64_t number);
/* Of the column COL_tasks_shard or COL_jobs_shard, which the record has. */
[[nodiscard]] size_t shards_of_record(const struct gateway *gw, const struct record *record,
                                      int column);
/* The cell of that column. */
[[nodiscard]] struct str shards_cell(size_t shard);

/* How far somebody has come with each feed: "0:17,1:40" as a text. 0: not known. */
struct shards_cursor {
    int64_t seqs[GATEWAY_SHARDS_MAX];
};
enum { SHARDS_CURSOR_MAX = GATEWAY_SHARDS_MAX * 24 };
/* Those that the text does not name stay 0, such as the ones of a shard that was not known. False:
 * it is no cursor, or names a shard that there is none of, or one twice. */
[[nodiscard]] bool shards_cursor_parse(const struct gateway *gw, struct str text,
                                       struct shards_cursor *ret_cursor);
/* Without those that are 0; empty where all are. */
void shards_cursor_write(const struct gateway *gw, const struct shards_cursor *cursor,
                         char ret_text[SHARDS_CURSOR_MAX]);
