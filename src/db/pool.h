/*
 * pool: one loop's connections to PostgreSQL. Nothing here blocks: a call is queued, sent at the
 * end of the loop's turn, and answered by a callback.
 *
 *   lane   for                            on the wire
 *   READ   bounded reads (points, pages)  all of a turn's calls, then one Sync: they share one
 *                                         transaction, and when one fails, the server skips those
 *                                         behind it; they are sent once more, each alone; one that
 *                                         is late and stands still is cancelled
 *   WRITE  whatever changes something     a call's statements are one transaction with a Sync of
 *                                         its own; success is told after its commit, never before
 *   SLOW   lists and analytics            a connection for itself, statement_timeout inside its
 *                                         transaction, and a cancel when nobody waits any more
 *
 * A lost connection is opened again with back-off; meanwhile calls wait within their deadline. One
 * of READ or SLOW that answers nothing, not even a cancel, is given up after seconds, or, behind a
 * pooler, after half a minute.
 * Reads that were in flight are sent again; a write that was is answered `is_in_doubt`, unless its
 * caller marked it idempotent. PgBouncer in transaction mode may stand between (with
 * `is_prepare_off` where it does not track prepared statements): a lane's settings are its
 * connections' own where these lead to the server itself, and each transaction's where they do not.
 * Source: docs/decisions/0004-read-and-write-lanes.md.   Thread: the loop's.
 */
#pragma once
#include "base/err.h"
#include "db/rows.h"
#include "db/sqlstate.h"
#include "db/statement.h"
#include "io/loop.h"

struct db_pool;
struct db_request;

enum db_lane { DB_LANE_READ, DB_LANE_WRITE, DB_LANE_SLOW, DB_LANE_COUNT };

/* "read", "write", "slow". */
[[nodiscard]] const char *db_lane_name(enum db_lane lane);

/* One of PostgreSQL's: "lock_timeout", "1s". */
struct db_setting {
    struct str name, value;
};

struct db_lane_options {
    size_t connections;
    size_t in_flight_max; /* calls on one connection; the slow lane has one */
    size_t waiting_max;   /* calls that wait for a connection */
    /* Of the write lane: they hold for all its calls, unless a call's own steps set another value.
     * They stay where they are until the pool is gone. */
    const struct db_setting *settings;
    size_t setting_count;
};

/* Called when the first connection opens and when the last one is lost; `why` NULL: it is up. */
typedef void db_state_fn(void *owner, bool is_up, const struct err *why);

/* Called with each statement that the server refuses because it takes no writes at present: it is
 * read-only, or its disk is full. */
typedef void db_refused_fn(void *owner, const struct err *why);

struct db_pool_options {
    struct str url;               /* as in db/conn.h; copied */
    const char *application_name; /* copied */
    struct db_lane_options lanes[DB_LANE_COUNT];
    int64_t connect_timeout_ms; /* for each host and address */
    int64_t backoff_first_ms, backoff_max_ms;
    size_t composed_max;        /* composed statements that a connection keeps prepared */
    bool is_prepare_off;        /* WINDLASS_DB_PREPARE=off */
    bool is_logging_statements; /* WINDLASS_LOG_SQL: name, time, rows at INFO; never a value */
    db_state_fn *on_state;      /* may be NULL */
    db_refused_fn *on_refused;  /* may be NULL */
    void *owner;
};

/* The defaults; the caller sets at least `url`. */
[[nodiscard]] struct db_pool_options db_pool_defaults(void);

/* Begins to connect. Errors: INVALID for the URL or a lane without connections. */
[[nodiscard]] bool db_pool_create(struct io_loop *loop, const struct db_pool_options *options,
                                  struct db_pool **ret_pool, struct err *e);
/* Answers every open call with CANCELLED (a write in flight also `is_in_doubt`), then closes. */
void db_pool_destroy(struct db_pool *pool); /* accepts NULL */
DEFINE_SCOPED(db_pool);

struct db_step {
    const struct db_statement *statement;
    const struct db_args *args; /* NULL: none */
};

struct db_reply {
    const struct err *err; /* NULL: success */
    /* One for each step, only on success; valid during the call: db_rows_ref or db_rows_keep. */
    struct db_rows *const *rows;
    size_t rows_count;
    /* A write's outcome is unknown: it was sent, and the answer did not come. */
    bool is_in_doubt;
    const char *sqlstate;   /* "" where the server did not say */
    const char *constraint; /* of a 23xxx, else "" */
};

/* Comes once, from the loop and never from within db_pool_call, unless the call is forgotten. */
typedef void db_reply_fn(void *owner, const struct db_reply *reply);
/* Tells `fn` of a call that could not begin, for callers whose `fn` is to hear of that, too. */
void db_reply_fail(db_reply_fn *fn, void *owner, const struct err *e);

struct db_call {
    enum db_lane lane;
    const struct db_step *steps; /* copied; READ and SLOW take one */
    size_t step_count;
    int64_t deadline_us; /* clock_mono_us */
    /* A write that may be sent again when its connection was lost. */
    bool is_idempotent;
    /* Of those that wait for a connection it goes before others: what its caller began holds
     * memory until it ends. */
    bool goes_first;
    db_reply_fn *fn;
    void *owner;
};

enum { DB_STEPS_MAX = 24 };

/*
 * Queues a call. Its statements and args must stay alive until the reply or db_request_forget.
 *
 * Reply:   UNAVAILABLE (origin DATABASE) when no connection came within the deadline or it was
 *          lost; TIMEOUT, for a write in flight with `is_in_doubt`; CANCELLED by db_pool_destroy;
 *          else what db/sqlstate.h makes of the server's error.
 * Errors:  nothing was queued and no reply comes: UNAVAILABLE (origin DATABASE) when the lane's
 *          queue is full or the pool drains, INVALID or LIMIT for bad values.
 * Cost:    reads: one Sync a turn for all.  writes: one commit each.
 */
[[nodiscard]] bool db_pool_call(struct db_pool *pool, const struct db_call *call,
                                struct db_request **ret_request /* may be NULL */, struct err *e);
/*
 * The caller goes away: no reply comes, and the request is no longer his. What was not sent is not
 * sent; a slow statement is cancelled; a write in flight goes on.
 */
void db_request_forget(struct db_request *request);

/*
 * Somebody will call soon, perhaps: wakes the server's process that the lane's next call would go
 * to, if it sleeps. To wake it takes an idle machine as long as to make the call.
 */
void db_pool_rouse(struct db_pool *pool, enum db_lane lane);

/* Refuses new calls from now on and calls `fn` once when none is open (soon, if none is now). */
void db_pool_drain(struct db_pool *pool, io_fn *fn, void *owner);

/* At least one connection of every lane is open. */
[[nodiscard]] bool db_pool_is_up(const struct db_pool *pool);
/* Why the last connection was refused or lost; code ERR_NONE while there is nothing to say. */
[[nodiscard]] const struct err *db_pool_last_error(const struct db_pool *pool);

/* Upper bounds of the latency buckets, seconds; the last bucket has none. */
enum { DB_BUCKET_COUNT = 14 };
extern const double db_bucket_bounds_s[DB_BUCKET_COUNT - 1];

struct db_lane_stats {
    size_t connections, connections_open;
    size_t waiting, in_flight;
    uint64_t done, failed, refused; /* refused: the queue was full */
    uint64_t timeouts, in_doubt, resent, cancels;
    uint64_t connects, connect_failures, connections_lost;
    uint64_t syncs;
    /* From db_pool_call to the reply. */
    uint64_t latency_buckets[DB_BUCKET_COUNT];
    double latency_sum_s;
};

void db_pool_stats(const struct db_pool *pool, enum db_lane lane, struct db_lane_stats *ret_stats);
