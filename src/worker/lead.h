/*
 * lead: who leads the shard.
 *
 *   STANDBY ── look ──▶ lease free? ── take (compare and set) ──▶ TAKING ── partitions ──▶
 *      ▲                  │ no: look again in a quarter of a lease     epoch row at the log's end
 *      │                  ▼                                            (collision: reread) ──▶ load
 *      └── stepped down ◀──────────────────────────── LEADING ◀───────────────────────────────┘
 *
 * The lease only decides who should try. What keeps two leaders apart is the log's primary key.
 * Source: docs/decisions/0012-one-writer-queue.md.
 */
#pragma once
#include "worker/shard_priv.h"

[[nodiscard]] struct lead *lead_create(struct shard *s);
void lead_destroy(struct lead *lead); /* accepts NULL */
/* The schema is there: begin to look. */
void lead_start(struct lead *lead);
/* The shard leads no more: look again, later. */
void lead_again(struct lead *lead);
/* Somebody else has the lease. */
[[nodiscard]] bool lead_is_standing_by(const struct lead *lead);
/* Gives the lease back and looks no more, then calls `done`. */
void lead_end(struct lead *lead, io_fn *done, void *owner);

/* load.c: what there is, from task_live and the log's tail; then `done` with the error or NULL. */
typedef void load_done_fn(void *owner, const struct err *err);
struct load;
[[nodiscard]] struct load *load_start(struct shard *s, int64_t ckpt_seq, int64_t until,
                                      load_done_fn *done, void *owner);
void load_destroy(struct load *load); /* accepts NULL */
