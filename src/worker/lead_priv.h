/* lead_priv: what lead.c (looking, keeping the lease, leaving), lead_wait.c (standing by) and
 * lead_take.c (taking over) share. */
#pragma once
#include "base/backoff.h"
#include "worker/lead.h"

struct lead {
    struct shard *s;
    struct io_timer *look, *renew;
    struct backoff backoff;
    struct backoff follows;  /* of readings that came to nothing */
    int64_t follow_us;       /* monotonic: when it may read again */
    struct arena *a;         /* of the call that is out */
    struct db_request *call; /* of looking and taking */
    struct arena *renew_a;
    struct db_request *renewal;
    int64_t renewal_us;
    struct load *load; /* the memory's; a standby's follows the log */
    int64_t ckpt_seq, end;
    int64_t looked_epoch, looked_until_us; /* of the lease that is free */
    struct err refusal;                    /* of a database that holds another shard's log */
    bool is_started, is_ended, is_standing_by;
    bool is_reached;   /* the database answered the last call */
    struct err unread; /* why the log could not be read, the last time */
    bool is_warm;      /* the load has once been at the log's end */
    bool has_told_warm;
    bool was_free;        /* at the last look */
    int64_t free_epoch;   /* of the lease that was free last */
    struct backoff takes; /* of take-overs that came to nothing although the database answered */
    bool may_take;        /* the lease was free, and is looked at again when it is warm */
    int64_t look_ms;
    int64_t seen_until_us, seen_us; /* the lease's end, and since when (monotonic) it is that */
    struct io_timer *notice;
    io_fn *done; /* of leaving, then of the end */
    void *owner;
};

/* ── lead.c ── */

/* The call that is out; `steps` in lead->a. Where it cannot begin, lead_failed has dealt with it.
 */
void lead_call(struct lead *lead, enum db_lane lane, const struct db_step *steps, size_t count,
               db_reply_fn *fn);
/* The reply of a call: false when it failed, which has then been dealt with. */
[[nodiscard]] bool lead_answered(struct lead *lead, const struct db_reply *reply);
/* Who is taking over steps down; who stands by looks again, later. */
void lead_failed(struct lead *lead, const struct err *err);
void lead_look_later(struct lead *lead, int64_t delay_ms);
void lead_forget_load(struct lead *lead);
void lead_look_now(void *lead);

/* ── lead_wait.c ── */

/* Somebody else leads, by that row of lead_look: what he has written since is read, and he is told
 * that we are there. */
void lead_wait(struct lead *lead, const struct db_rows *looked);
/* Reads on to the log's end. */
void lead_follow(struct lead *lead, const struct db_rows *looked);
/* What there is could not be read: nothing is before a moment that is ever longer where no reading
 * mends it. Returns how long that is. */
int64_t lead_unread(struct lead *lead, struct backoff *backoff, const struct err *err);

/* ── lead_take.c ── */

/* The lease is free in that row of lead_look: it is taken where nobody is faster. */
void lead_take_over(struct lead *lead, const struct db_rows *looked);
