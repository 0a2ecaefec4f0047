/*
 * deps: tasks that wait for others. A blocked task is in no heap; when the last of those that it
 * waits for has succeeded, it is ready in the same batch. When one of them has failed, so does it,
 * and what waits for it in its turn: in the same batch as far as that has room, the rest in those
 * that follow (deps_settle). A worker that ended in between finds the rest when it loads: blocked
 * tasks that wait for one that has failed.
 */
#pragma once
#include "worker/shard_priv.h"

struct deps;

enum {
    DEPS_MAX = 100,          /* that one task may wait for */
    DEPS_SETTLE_LEAST = 100, /* steps of deps_settle in a batch, however full it is */
};

[[nodiscard]] struct deps *deps_create(void);
void deps_destroy(struct deps *deps); /* accepts NULL */
void deps_clear(struct deps *deps);

/* `task` waits for `on`, which has not succeeded; outside of a batch. */
void deps_add(struct deps *deps, struct uuid task, struct uuid on);
/* `on`, which somebody waits for, has failed (STATE_CANCELLED, STATE_DEAD); outside of a batch. */
void deps_load_failed(struct deps *deps, struct uuid on, enum rule_state state);

/* In a batch, whose undo takes it back: as deps_add. */
void deps_add_in(struct batch *b, struct uuid task, struct uuid on);
/* In a batch: `on` has finished. Success: those that waited for nothing else begin to wait for a
 * slot. Else deps_settle fails them. */
void deps_ended(struct batch *b, struct uuid on, enum rule_state state);
/* In a batch: a blocked task waits no more, since it has finished. */
void deps_left(struct batch *b, struct uuid task);

/* There are tasks to fail. */
[[nodiscard]] bool deps_is_failing(const struct deps *deps);
/* In a batch, after its intents: fails as many as there is room for. */
void deps_settle(struct batch *b);
/* It fails at once, since `on`, which it depends on, has failed (`state`). */
void deps_fail(struct batch *b, struct live *task, struct uuid on, enum rule_state state);
/* Error and `why` of one that failed so, in the arena. */
void deps_reason(struct arena *a, struct uuid on, enum rule_state state, struct str *ret_error,
                 struct str *ret_why);

/* Which of them a blocked task still waits for; valid until the next batch. 0: none. */
size_t deps_blocked_by(const struct deps *deps, struct uuid task, const struct uuid **ret_ids);
/* Somebody waits for it, or shall fail because of it. */
[[nodiscard]] bool deps_is_awaited(const struct deps *deps, struct uuid on);
