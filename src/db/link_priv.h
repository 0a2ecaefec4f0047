/*
 * link: one pipelined connection of a lane, and what it has in flight.
 *
 *               link_open
 *   CLOSED ────────────────▶ CONNECTING ──▶ (done) ── refused ──▶ WAITING ─┐
 *     ▲                          ▲                └─ accepted ──▶ OPEN     │ back-off over
 *     │ link_close               └─────────────────────────────────────────┘
 *     └── any state                 OPEN ── (server gone) ──▶ WAITING
 *
 * link.c sends and receives, link_open.c opens, loses and closes, link_watch.c cancels and gives up
 * what stands still. Nobody else talks to libpq's pipeline. A lane gives it the steps of a request
 * and the Syncs between; the answers come back in that order through the lane's class.
 */
#pragma once
#include <libpq-fe.h>

#include "base/backoff.h"
#include "db/pool_priv.h"
#include "db/prepared_priv.h"
#include "io/detached.h"
#include "io/poll.h"

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_WAITING, LINK_OPEN };

enum op_kind { OP_PARSE, OP_STEP, OP_EXTRA, OP_FORGET, OP_SESSION, OP_SYNC };

/* What the server will answer next, in the order of sending. */
struct op {
    enum op_kind kind;
    unsigned step;              /* STEP */
    struct db_request *request; /* STEP, EXTRA, and SYNC when it ends one request's transaction */
    struct prepared *prepared;  /* PARSE, and STEP when it used one */
    bool is_session;            /* SYNC: it ends the transaction of the settings */
};

struct link_connecting;

struct db_link {
    struct db_lane_queue *lane;
    enum link_state state;
    PGconn *pq;
    struct io_poll *poll;
    struct io_timer *retry;
    struct backoff backoff;
    struct io_detached *connecting, *cancelling;
    struct link_connecting *connect_data; /* the thread's, while it connects */
    struct prepared_cache prepared;
    struct op *ops; /* a ring of a power of two */
    size_t op_first, op_count, op_capacity;
    unsigned cancel_count;
    int64_t cancelled_us;   /* of the last cancel */
    int64_t heard_us;       /* when bytes came last */
    unsigned given_up;      /* connections, since the last answer to a request */
    struct io_timer *watch; /* somebody's time was over */
    bool is_own;            /* no pooler stands between; the lane's settings hold */
    bool will_be_own;       /* once their transaction has ended */
    bool has_answered;      /* the first op has given its result; a NULL follows */
    bool is_failing;        /* libpq refused something: lost as soon as nobody is in the middle */
    struct list in_flight;  /* struct db_request */
    size_t in_flight_count;
    int64_t quiet_since_us; /* something is in flight, and no answer has come since */
};

void link_init(struct db_link *link, struct db_lane_queue *lane);
/* Begins to connect. */
void link_open(struct db_link *link);
/* Closes at once. Nothing may be in flight. */
void link_close(struct db_link *link);
/* The connection is lost: what was in flight goes to the lane's class, then it is opened again. */
void link_fail(struct db_link *link, const struct err *why);

/* The request's step, prepared before where that is wanted. The request is in the link's care. */
void link_send_step(struct db_link *link, struct db_request *r, size_t step);
/* A statement of ours that belongs to the request's transaction. */
void link_send_extra(struct db_link *link, struct db_request *r,
                     const struct db_statement *statement, const struct db_args *args);
/* The lane's settings: to a new connection, which tells then whether it is the server's own, and to
 * each transaction of one that is not. */
void link_send_session(struct db_link *link);
void link_send_settings(struct db_link *link, struct db_request *r);
/* Wakes the server's process with a Flush, which asks for nothing. Not through a pooler, which
 * would lend a server's connection for it. */
void link_rouse(struct db_link *link);
/* Ends the transaction; `r` NULL: of several requests. */
void link_sync(struct db_link *link, struct db_request *r);
/* After a turn's sending: hands to the kernel what it takes. */
void link_flush(struct db_link *link);

/* Asks the server to stop what the link runs now. The link is no longer picked until that is over.
 */
void link_cancel(struct db_link *link);
/*
 * Somebody's time was over while the link had his read. If nothing comes any more, and nobody waits
 * for what stands first, that is cancelled; if nothing comes even then, the connection is given up
 * and opened anew. Not for writes: of those that others sent behind, the outcome would be in doubt.
 */
void link_watch(struct db_link *link);

/* Between the files of the link. */
void link_on_ready(void *link, int events);
void link_look(void *link);
void link_drop_ops(struct db_link *link);
