/*
 * lead: who leads the shard.
 *
 *   STANDBY ── look ──▶ lease free? ── take (compare and set) ──▶ TAKING ── partitions ──▶
 *      ▲                  │ no, or the log is not read yet:            epoch row at the log's end
 *      │                  ▼ follow it, look again                      (collision: reread) ──▶ load
 *      └── stepped down ◀──────────────────────────── LEADING ◀───── the rest of it ──────────┘
 *
 * Nobody takes a lease who cannot read the log, such as one of a newer version: he has written
 * nothing. What only a leader reads (settings, sessions, jobs) is read with the lease taken and the
 * epoch written; who cannot read that steps down, and tries ever more seldom.
 *
 * The lease only decides who should try: it is free when it has run out, was given back, or its
 * holder's session is gone. What keeps two leaders apart is the log's primary key.
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
/* Why it neither leads nor stands by; the text stands until the next turn. NULL: it does. */
[[nodiscard]] const char *lead_not_ready(const struct lead *lead);
/* False when it has ended all by itself, on a database of another shard. Errors: INVALID. */
[[nodiscard]] bool lead_was_good(const struct lead *lead, struct err *e);
/* A leader that will end: a standby is given a moment to see it, meanwhile all goes on. Then
 * `done`, maybe at once; lead_end follows. */
void lead_leave(struct lead *lead, io_fn *done, void *owner);
/* Gives the lease back and looks no more, then calls `done`. */
void lead_end(struct lead *lead, io_fn *done, void *owner);

/* load.c: what a leader must know; `done` comes with the error or NULL. After an error memory is of
 * no use any more. */
typedef void load_done_fn(void *owner, const struct err *err);
struct load;
/* Into the shard's memory, which must be empty. */
[[nodiscard]] struct load *load_create(struct shard *s);
void load_destroy(struct load *load); /* accepts NULL */
/* A standby: reads on to the log's present end. `ckpt_seq`: the tables are at least at it. */
void load_follow(struct load *load, int64_t ckpt_seq, load_done_fn *done, void *owner);
[[nodiscard]] bool load_is_following(const struct load *load);
/* Who has taken over: all that is below `until`, and what only a leader needs. What load_follow was
 * given is called no more. The tables are at `ckpt_seq`, and nobody else changes them. */
void load_finish(struct load *load, int64_t ckpt_seq, int64_t until, load_done_fn *done,
                 void *owner);
