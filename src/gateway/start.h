/*
 * start: what must be there before the gateway is ready: the database, its schema, the
 * installation's secrets, and on an empty installation a way in. It blocks, so it runs on a thread
 * of its own while the loops already answer probes.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct start;

enum { START_DATABASE_WAIT_US = 60 * 1000 * 1000 }; /* for a database that is not there yet */

/* Calls `done` on the first loop when it has ended, one way or the other. */
[[nodiscard]] struct start *start_begin(struct gateway *gw, io_fn *done, void *owner);
/* Gives up at the next occasion; `done` still comes. */
void start_cancel(struct start *start);
/* In `done`. False: *e says why the gateway cannot serve. Makes the gateway ready otherwise. */
[[nodiscard]] bool start_finish(struct start *start, struct err *e);
void start_destroy(struct start *start); /* accepts NULL; only after `done` */
