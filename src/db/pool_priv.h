/*
 * pool_priv: what the files of the pool share.
 *
 *   pool ── turn (end of each loop turn: every lane sends what waits)
 *    └─ lane × 3: READ WRITE SLOW ── waiting: requests without a connection
 *        │                       └─ open: all its unanswered requests by deadline ── timer
 *        └─ link × n: one pipelined connection (link_priv.h) ── in flight: what it was given
 *
 * A request is WAITING in its lane, IN_FLIGHT on a link, or gone. Its reply unlinks it from `open`;
 * one whose caller has been answered or has left goes on IN_FLIGHT, with `fn` NULL, until the
 * server has said its last word about it.
 */
#pragma once
#include "base/list.h"
#include "db/pool.h"
#include "io/timer.h"

struct db_link;
struct db_lane_class;

enum request_state { REQUEST_WAITING, REQUEST_IN_FLIGHT };

/* What the server said against a request; made only when it did. */
struct db_failure {
    struct err err;
    char sqlstate[DB_SQLSTATE_LEN + 1];
    char constraint[DB_NAME_MAX + 1];
    bool is_stale_plan; /* about our prepared statement, not about the request: send it anew */
};

struct request_step {
    struct db_step step;
    struct db_rows *rows; /* once it has answered */
};

struct db_request {
    struct list queued;      /* in the lane's waiting or the link's in_flight */
    struct list by_deadline; /* in the lane's open, while `fn` */
    struct db_lane_queue *lane;
    struct db_link *link; /* IN_FLIGHT */
    enum request_state state;
    bool is_idempotent;
    bool goes_first;
    bool is_alone;           /* goes between Syncs of its own */
    bool is_unwanted;        /* the server may as well stop it */
    unsigned tries;          /* how often it was sent */
    unsigned cancels_before; /* the link's cancel_count when it was sent */
    int64_t start_us, deadline_us;
    db_reply_fn *fn; /* NULL: nobody waits any more, and the steps' statements may be gone */
    void *owner;
    struct db_failure *failure;
    size_t step_count;
    struct request_step steps[];
};

struct db_lane_queue {
    struct db_pool *pool;
    enum db_lane kind;
    const struct db_lane_class *class;
    struct db_lane_options options;
    struct db_link *links;
    struct list waiting_first, waiting;
    size_t waiting_count; /* of both */
    struct list open;
    struct io_timer *timer;
    int64_t timer_due_us; /* while it runs */
    struct db_lane_stats stats;
};

struct db_pool {
    struct io_loop *loop;
    struct io_turn *turn;
    char *url, *application_name;
    struct db_pool_options options; /* its strings are these two */
    struct db_lane_queue lanes[DB_LANE_COUNT];
    size_t links_open;
    struct err last_error;
    unsigned calls_out; /* replies that are running now */
    bool is_draining;
    io_fn *drained;
    void *drained_owner;
};

/* What makes a lane. */
struct db_lane_class {
    /* At the end of a turn: hands waiting requests to links. */
    void (*send)(struct db_lane_queue *lane);
    /* One of the request's steps has answered. Owns: the rows; NULL: it failed, see `failure`, or
     * was skipped because of a neighbour (then `failure` is NULL too). */
    void (*step_done)(struct db_request *r, size_t step, struct db_rows *rows);
    /* The Sync that ends the request's transaction has come; may be NULL. */
    void (*synced)(struct db_request *r);
    /* The link was lost while the request was in flight; it is on no list. */
    void (*lost)(struct db_request *r);
    /* Its caller was told of the deadline, or has left (`!is_late`), while it was in flight. */
    void (*abandoned)(struct db_request *r, bool is_late);
};

extern const struct db_lane_class db_read_class, db_write_class, db_slow_class;

/* request.c */

[[nodiscard]] struct db_request *request_create(struct db_lane_queue *lane,
                                                const struct db_call *call);
/* Tells the caller and forgets him; the request stays, for whoever holds it. */
void request_reply_done(struct db_request *r);
void request_reply_failure(struct db_request *r);
void request_reply_error(struct db_request *r, const struct err *e, bool is_in_doubt);
/* Off every list, and freed. */
void request_free(struct db_request *r);
/* To the front of the lane's queue, or behind it. */
void request_wait(struct db_request *r, bool is_first);
/* Out of the lane's queue, into the link's care. */
void request_launch(struct db_request *r, struct db_link *link);
/* The failure is no fault of the request, and it was rolled back: another try may succeed. */
[[nodiscard]] bool request_had_bad_luck(const struct db_request *r);
/* Sent and not answered: may it be sent once more? */
enum { REQUEST_TRIES_MAX = 3 };
[[nodiscard]] bool request_may_retry(const struct db_request *r);
/* To be sent once more, alone, before all others; drops what it has got. */
void request_retry(struct db_request *r);

/* Answers whoever is past his deadline, and sets the lane's timer for the next. */
void lane_expire(void *lane);

/* It is open and may be given more. */
[[nodiscard]] bool link_has_room(const struct db_link *link);
/* The link with room and the fewest requests in flight; NULL: none. */
[[nodiscard]] struct db_link *lane_pick_link(const struct db_lane_queue *lane);
[[nodiscard]] struct db_request *lane_first_waiting(const struct db_lane_queue *lane);

/* pool.c */

/* Lets every lane send at the end of this turn. */
void pool_wake(struct db_pool *pool);
/* A link has opened, or was refused or lost (`why`). */
void pool_link_opened(struct db_pool *pool);
void pool_link_failed(struct db_pool *pool, bool was_open, const struct err *why);
