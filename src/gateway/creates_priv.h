/*
 * creates_priv: new tasks that share one request, for creates.c, which asks, creates_answer.c,
 * which takes the answer, and creates_keep.c, which gives to the outbox.
 */
#pragma once
#include "base/clock.h"
#include "gateway/creates.h"
#include "gateway/outbox.h"

enum { CREATES_DB_MARGIN_US = 250 * CLOCK_MS }; /* before the first request's deadline */

struct creates {
    struct gateway_loop *loop;
    size_t shard;
    struct list waiting;                  /* of struct create_call */
    size_t waiting_count, answered_count; /* calls: in `waiting`, and answered last */
    int64_t answered_us;                  /* mono */
    struct io_turn *turn;
    struct io_timer *hold;
    int64_t held_since_us; /* 0: nothing is held back */
    size_t asking;         /* requests on their way; one, or more where calls go alone */
};

/* What the worker's answer leaves open of a task. */
enum creates_left {
    CREATES_SETTLED,
    CREATES_PUT_OFF,    /* it cannot take it just now */
    CREATES_MISSING,    /* it knows not what the task depends on, or calls it another shard's */
    CREATES_KEPT,       /* the outbox is to have it ... */
    CREATES_KEPT_ASIDE, /* ... behind what has stepped aside there */
};

/* Calls that share one request and one statement. */
struct creates_batch {
    struct creates *creates;
    struct arena *arena;
    size_t refs; /* the batch's own, and one each call whose cells point into it */
    struct create_call **calls;
    struct create_task **tasks;
    struct create_call **calls_of;        /* whose each task is */
    size_t call_count, task_count, bytes; /* bytes: of the request, about */
    bool is_atomic;
    int64_t deadline_us; /* of the most urgent call */
    struct mirror_row *rows;
    struct uuid *row_ids;
    struct uuid *fresh_ids; /* made for these calls, which own_rows knows of until the batch ends */
    size_t fresh_count;
    uint64_t epoch;         /* of own_rows */
    struct uuid *other_ids; /* duplicate_of, one a task; all zeroes: none */
    size_t row_count;
    enum creates_left *left; /* one a task; NULL: the worker has not answered */
    bool *are_in_doubt;      /* one a task, with `left`: the worker may have it all the same */
    struct outbox_put put;
    struct create_task **kept; /* those that are being put there */
    size_t kept_count;
};

/* ── creates.c ── */
/* The worker refused it, beside others or not: it is asked once more, by itself, before those that
 * wait. The call is of no batch now. */
void creates_ask_alone(struct creates *c, struct create_call *call);
/* Its calls have their answers. */
void creates_batch_done(struct creates_batch *b);
/* The same; none of its tasks was made. */
void creates_batch_fail(struct creates_batch *b, const struct err *e);
/* All-or-none calls do not vouch for their ids: a request that libcurl sent twice would be refused
 * as a whole. */
[[nodiscard]] bool creates_is_vouched(const struct creates_batch *b,
                                      const struct create_task *task);

/* ── creates_answer.c ── */
/* This batch stores its fresh tasks, and the mirror is to wait for it; or it stores none any more.
 */
void creates_claim(struct creates_batch *b);
void creates_let_go(struct creates_batch *b);
/* A result a task: stores what was accepted, and then the batch is done. */
void creates_take_results(struct creates_batch *b, const struct json_value *results);
/* The task's error. The worker's place in its request ("tasks[7].type: …") is told as the caller's
 * in his; `index` is the task's there. */
void creates_tell_refusal(struct create_task *task, const struct create_call *call, size_t index,
                          enum err_code code, struct str message);

/* ── creates_keep.c: each ends the batch ── */

/* All of it goes to the outbox; the worker may have it. */
void creates_keep_all(struct creates_batch *b, bool is_in_doubt);
/* What an error leaves open of the i-th; `message` without the place in the request. */
void creates_left_open(struct creates_batch *b, size_t i, struct str message, int64_t status);
/* So does what the answer has left open: what was put off, and what depends on that, or on what
 * waits there. What depends on what waited there a moment ago is asked for again, by itself. */
void creates_keep_left(struct creates_batch *b);
