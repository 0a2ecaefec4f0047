/*
 * lane_read: all of a turn's reads go to one connection and share one Sync.
 *
 *   sent together ──▶ answered ──▶ done
 *        │               └─ failed ──▶ done
 *        ├─ skipped, because one before it failed ──▶ sent alone ──▶ answered or failed ──▶ done
 *        └─ late ──▶ the link is watched: what stands still is cancelled
 */
#include "db/link_priv.h"
#include "db/pool_priv.h"

/* A failure costs its neighbours a second sending each: not too many of them. */
enum { READS_PER_SYNC_MAX = 128, QUIET_US_MAX = 20 * 1000 };

/*
 * One connection for all is the cheapest (full packets, warm caches) as long as it keeps up; the
 * others are for more than it can do, and for when it is held up by a read that waits for a lock.
 */
static struct db_link *pick_link(const struct db_lane_queue *lane)
{
    int64_t now_us = io_loop_now_us(lane->pool->loop);
    for (size_t i = 0; i < lane->options.connections; i++) {
        struct db_link *link = &lane->links[i];
        bool keeps_up =
            link->in_flight_count == 0 || (link->in_flight_count < READS_PER_SYNC_MAX &&
                                           now_us - link->quiet_since_us < QUIET_US_MAX);
        if (link_has_room(link) && keeps_up)
            return link;
    }
    return lane_pick_link(lane);
}

static void end_group(struct db_link *link, size_t *group)
{
    if (*group)
        link_sync(link, NULL);
    *group = 0;
}

static void read_send(struct db_lane_queue *lane)
{
    struct db_link *link = NULL;
    size_t group = 0;
    for (struct db_request *r; (r = lane_first_waiting(lane));) {
        if (!link || link->is_failing || link->in_flight_count >= lane->options.in_flight_max) {
            if (link)
                end_group(link, &group);
            link = pick_link(lane);
            if (!link)
                break;
        }
        if (r->is_alone || group == READS_PER_SYNC_MAX)
            end_group(link, &group);
        request_launch(r, link);
        link_send_step(link, r, 0);
        group++;
        if (r->is_alone)
            end_group(link, &group);
    }
    if (link)
        end_group(link, &group);
    for (size_t i = 0; i < lane->options.connections; i++)
        link_flush(&lane->links[i]);
}

/* An answer is final when it comes: what fails behind it cannot change what was read. */
static void read_step_done(struct db_request *r, size_t step, struct db_rows *rows)
{
    r->steps[step].rows = rows;
    if (!rows && (!r->failure || request_had_bad_luck(r)) && request_may_retry(r)) {
        request_retry(r);
        return;
    }
    if (rows) {
        request_reply_done(r);
    } else if (r->failure) {
        request_reply_failure(r);
    } else {
        struct err e = { 0 };
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                     "the read was skipped by the server again and again");
        request_reply_error(r, &e, false);
    }
    request_free(r);
}

/* It may be what broke the connection, so it goes alone the next time, and not for ever. */
static void read_lost(struct db_request *r)
{
    if (request_may_retry(r)) {
        request_retry(r);
        return;
    }
    if (r->fn) {
        struct err e = { 0 };
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                     "the connection to the database was lost");
        err_in(&e, "%s", r->steps[0].step.statement->name);
        request_reply_error(r, &e, false);
    }
    request_free(r);
}

/* A bounded read ends soon by itself, and its answer finds nobody. One that does not end holds up
 * all that come after it. */
static void read_abandoned(struct db_request *r, bool is_late)
{
    if (is_late && r->link) /* NULL while the link's loss is being told */
        link_watch(r->link);
}

const struct db_lane_class db_read_class = {
    .send = read_send,
    .step_done = read_step_done,
    .lost = read_lost,
    .abandoned = read_abandoned,
};
