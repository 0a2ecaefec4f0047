/*
 * inbox: tasks that callers of windlass.enqueue have committed, made by the leader. What was read
 * is taken out by the very batch that makes its task, so that neither is without the other; what
 * cannot become a task is kept in inbox_refused with its error.
 *
 *   look ──▶ (none) ──▶ later, from 10 to 250 ms
 *     ▲  `─▶ make their tasks, each taken by its batch ──▶ settle the others ──┐
 *     `─────────────────────────────────────────────────────────────────────────┘
 */
#pragma once
#include "worker/shard_priv.h"

struct inbox;
struct worker;

[[nodiscard]] struct inbox *inbox_create(struct worker *w);
/* The pool must be gone: nothing is out any more. */
void inbox_destroy(struct inbox *inbox); /* accepts NULL */
/* We lead: from now on. */
void inbox_start(struct inbox *inbox);
void inbox_stop(struct inbox *inbox);
