/*
 * session: the runner's session with the worker: it takes leases, renews them, carries
 * acknowledgements, hears commands. Source: docs/protocol.md "Leases".
 *
 *              .---- 404: tasks are lost -----.
 *              v                              |
 *     rest --> opening --> open --leaving--> (tasks and acks are gone) --> ending --> opening,
 *      ^                                                                     |        rest, over
 *      '---------------------------------------------------------------------'
 */
#pragma once
#include "base/err.h"
#include "conf/conf.h"
#include "io/loop.h"

struct runner;
struct session;

/* Begins to open one. Errors: INVALID for settings. */
[[nodiscard]] bool runner_session_create(struct runner *r, const struct conf *conf,
                                         struct session **ret_session, struct err *e);
void runner_session_destroy(struct session *s); /* accepts NULL */

/* Something has changed that may let it do more: it looks at the turn's end. */
void runner_session_wake(struct session *s);
/* The types it wants have changed: the poll that waits is made anew. */
void runner_session_ask_anew(struct session *s);
/* A running task has written lines: a heartbeat tells them soon. */
void runner_session_has_logs(struct session *s);
/* NULL while it is open. */
[[nodiscard]] const char *runner_session_not_ready(const struct session *s);
/*
 * Takes no more leases; when the running tasks have ended, or after the time of the settings, their
 * outcomes are told, the rest is given back and the session ended. Then `done`, maybe at once.
 */
void runner_session_drain(struct session *s, io_fn *done, void *owner);
