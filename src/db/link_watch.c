/*
 * link_watch: what stands still on a connection.
 *
 *   watched ── nothing for STILL, nobody waits for the first ──▶ cancelled ── nothing ──▶ given up
 *      ▲                                                            │
 *      └────────────────────── an answer ───────────────────────────┘
 *
 * A lock, or a client far away, yields to the cancel; a process of the server that is stopped, a
 * disk that stands still and a network that swallows what is sent do not. Nor does the cancel come
 * back where the server takes no connections: then what is in flight is waited for while anything
 * comes, but nothing more is sent, which a late cancel could hit; what gives up such a connection
 * is that there is nothing left to wait for.
 */
#include "db/link_priv.h"

#include <poll.h>

#include "base/clock.h"

/* A process that is given up is left behind, so each time it takes twice as long: a disk that
 * stands still for minutes must not use up the server's connections. */
enum { STILL_MS = 1'000, PATIENCE_US = 2 * CLOCK_S, GIVEN_UP_MAX = 5 };

/* Behind a pooler, nothing may mean that all its connections are lent: it tells nobody, and who
 * opens another connection stands at the end of its line again. */
enum { POOLED_PATIENCE_US = 30 * CLOCK_S };

/* ── cancelling: libpq opens a connection of its own for it, and waits ── */

static void cancel_work(void *data)
{
    char reason[256]; /* nothing can be done about it: the time limits remain */
    (void)PQcancel(data, reason, sizeof reason);
}

static void cancel_discard(void *data)
{
    PQfreeCancel(data);
}

static void on_cancelled(void *owner)
{
    struct db_link *link = owner;
    link->cancelling = NULL;
    pool_wake(link->lane->pool);
}

void link_cancel(struct db_link *link)
{
    if (link->cancelling || link->state != LINK_OPEN)
        return;
    PGcancel *cancel = PQgetCancel(link->pq);
    if (!cancel)
        return;
    link->cancelling = io_detached_start(link->lane->pool->loop,
                                         &(struct io_detached_spec){ .work = cancel_work,
                                                                     .done = on_cancelled,
                                                                     .discard = cancel_discard,
                                                                     .data = cancel,
                                                                     .owner = link });
    if (!link->cancelling)
        return;
    link->cancel_count++;
    link->cancelled_us = io_loop_now_us(link->lane->pool->loop);
    link->lane->stats.cancels++;
}

/* ── watching ── */

/* What has come counts, also where nobody has looked: this process may have stood still itself. */
static void hear(struct db_link *link)
{
    struct pollfd socket = { .fd = PQsocket(link->pq), .events = POLLIN };
    if (poll(&socket, 1, 0) > 0)
        link_on_ready(link, IO_READABLE);
}

static bool is_cancelling(const struct db_link *link)
{
    return link->cancelling && !io_detached_is_over(link->cancelling);
}

static bool has_heard(const struct db_link *link)
{
    return link->heard_us >= link->cancelled_us;
}

/* NULL: there is none yet. */
static const char *reason_to_give_up(const struct db_link *link, int64_t now_us)
{
    bool is_empty = list_is_empty(&link->in_flight);
    int64_t patience_us = (int64_t)(link->is_own ? PATIENCE_US : POOLED_PATIENCE_US)
                          << min_of(link->given_up, (unsigned)GIVEN_UP_MAX);
    int64_t since_us = max_of(link->cancelled_us, link->heard_us);
    bool is_suspect = link->cancelled_us > 0 && (is_cancelling(link) || !has_heard(link));
    if (!is_suspect || now_us - since_us < patience_us)
        return NULL;
    return is_empty ? "connection given up: a cancel of it did not come back"
                    : "connection given up: it did not answer, not even to a cancel";
}

static void give_up(struct db_link *link, const char *reason)
{
    struct err e = { 0 };
    link->given_up++;
    err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE, "%s", reason);
    link_fail(link, &e);
}

static bool stands_still(const struct db_link *link, int64_t now_us)
{
    struct list *first = link->in_flight.next;
    return now_us - link->quiet_since_us >= STILL_MS * CLOCK_MS &&
           !container_of(first, struct db_request, queued)->fn;
}

void link_look(void *owner)
{
    struct db_link *link = owner;
    int64_t now_us = io_loop_now_us(link->lane->pool->loop);
    hear(link);
    bool is_busy = !list_is_empty(&link->in_flight);
    if (link->state != LINK_OPEN || (!is_busy && !is_cancelling(link)))
        return;
    const char *reason = reason_to_give_up(link, now_us);
    if (reason) {
        give_up(link, reason);
        return;
    }
    if (is_busy && has_heard(link) && stands_still(link, now_us))
        link_cancel(link);
    io_timer_start(link->watch, STILL_MS);
}

void link_watch(struct db_link *link)
{
    if (link->state == LINK_OPEN && !io_timer_is_running(link->watch))
        io_timer_start(link->watch, STILL_MS);
}
