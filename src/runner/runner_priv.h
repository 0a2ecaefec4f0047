/* runner_priv: the runner, as its own files see it. */
#pragma once
#include "base/map.h"
#include "http/client.h"
#include "http/guard.h"
#include "runner/acks.h"
#include "runner/http_secrets.h"
#include "runner/mailer.h"
#include "runner/sql_connections.h"
#include "runner/tally.h"
#include "runner/runner.h"
#include "runner/session.h"
#include "runner/attempt.h"

struct runner {
    struct io_loop *loop;
    size_t slots;
    struct list running; /* struct attempt */
    struct map *by_id;   /* the same, by the task's id */
    size_t running_count;
    struct acks acks;
    struct session *session;
    struct tally *tally;
    struct http_guard *guard;
    struct http_client *web; /* of http.request, as are the secrets */
    struct http_secrets *http_secrets;
    char *spawner;                           /* of command; empty: none */
    struct io_timer *spawner_look;           /* runs while the spawner is away */
    struct sql_connections *sql_connections; /* NULL: sql is not offered */
    struct mailer *mailer;                   /* NULL: email is not offered */
};

/* attempts.c */

/* Starts it, or acknowledges at once why not. `deadline_in_us` INT64_MAX: none. */
void runner_start_task(struct runner *r, const struct wire_lease *lease, int64_t deadline_in_us);
/* The running attempt of that lease, or NULL. */
[[nodiscard]] struct attempt *runner_find_task(const struct runner *r, struct str id,
                                               struct str fence);
/* Stops it and acknowledges that as `outcome`. */
void runner_stop_task(struct attempt *t, enum ack_outcome outcome, struct str error);
/* Stops it and says nothing: the lease is somebody else's now. */
void runner_lose_task(struct attempt *t);
/* The same for all. */
void runner_stop_all(struct runner *r, enum ack_outcome outcome, struct str error);
void runner_lose_all(struct runner *r);
