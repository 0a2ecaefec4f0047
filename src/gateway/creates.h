/*
 * creates: new tasks of one loop on their way to one shard's worker. What comes while a request is
 * on its way collects and leaves together in the next one; the answer's rows are stored together,
 * too.
 *
 *   submit --> (turn's end) --> ask the worker --> store the rows --> done
 *                  |                  |                  `-- some are put off, or depend
 *                  |                  |                      on what waits ------------.
 *                  |                  `-- away, in doubt --> outbox --> done           |
 *                  `-- something waits there already ---------^------------------------'
 *
 * Thread: the loop's.
 */
#pragma once
#include "base/list.h"
#include "gateway/gateway_priv.h"
#include "schema/entities.h"

struct creates;

/* One task. In: what is asked. Out: its row, or why there is none. */
struct create_task {
    struct uuid id;
    size_t shard;      /* of its queue; all of a call have the same */
    struct str body;   /* JSON object of POST /v1/tasks, without is_fresh */
    struct str *cells; /* COL_tasks_COUNT, as the outbox would show it; the worker's replace them */
    bool is_fresh;     /* the id was made for this call */
    bool is_accepted;  /* out: by the worker; else it waits in the outbox */
    struct err err;    /* out: code ERR_NONE: `cells` are its row, or another's with its key */
};

/* Tasks of one caller. All of it lives until `fn` comes, once, never from within creates_submit. */
struct create_call {
    struct list node;
    struct create_task *tasks;
    size_t count;
    bool is_atomic;   /* all or none */
    bool was_refused; /* beside others, with all of them: it goes alone now */
    int64_t deadline_us;
    /* Keeps what the cells of the answer point into: holds it until the arena is gone. */
    struct arena *arena;
    void (*fn)(void *owner);
    void *owner;
};

enum { CREATES_TOGETHER_MAX = 500, CREATES_ATOMIC_MAX = 10'000 };

[[nodiscard]] struct creates *creates_create(struct gateway_loop *loop, size_t shard);
/* Nothing may be open. Accepts NULL. */
void creates_destroy(struct creates *c);
/* `c` is the one of the shard that all its tasks are of. */
void creates_submit(struct creates *c, struct create_call *call);
