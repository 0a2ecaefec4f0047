/*
 * lane_write: each call is a transaction with its own Sync, spread over the connections so that
 * the server can flush several commits at once.
 *
 *   sent ──▶ Sync, no failure ──▶ committed: success
 *     │        └─ failure ──▶ rolled back: error, or sent again where that was only bad luck
 *     ├─ connection lost ──▶ in doubt; sent again when the caller marked it idempotent
 *     └─ deadline ──▶ in doubt; the server is asked to stop it once it is the one that runs
 */
#include "db/link_priv.h"
#include "db/pool_priv.h"

static void write_send(struct db_lane_queue *lane)
{
    for (struct db_request *r; (r = lane_first_waiting(lane));) {
        struct db_link *link = lane_pick_link(lane);
        if (!link)
            break;
        request_launch(r, link);
        link_send_settings(link, r);
        for (size_t step = 0; step < r->step_count; step++)
            link_send_step(link, r, step);
        link_sync(link, r);
    }
    for (size_t i = 0; i < lane->options.connections; i++)
        link_flush(&lane->links[i]);
}

static void write_step_done(struct db_request *r, size_t step, struct db_rows *rows)
{
    r->steps[step].rows = rows;
}

/* What waits behind a call that nobody waits for any more should not have to. */
static void cancel_if_unwanted(struct db_link *link)
{
    if (list_is_empty(&link->in_flight))
        return;
    if (container_of(link->in_flight.next, struct db_request, queued)->is_unwanted)
        link_cancel(link);
}

static void write_synced(struct db_request *r)
{
    struct db_link *link = r->link;
    if (r->failure && request_had_bad_luck(r) && request_may_retry(r)) {
        request_retry(r);
    } else {
        if (r->failure)
            request_reply_failure(r);
        else
            request_reply_done(r);
        request_free(r);
    }
    cancel_if_unwanted(link);
}

static void write_lost(struct db_request *r)
{
    if (r->failure) { /* rolled back before the connection went */
        request_reply_failure(r);
    } else if (r->is_idempotent && request_may_retry(r)) {
        request_retry(r);
        return;
    } else if (r->fn) {
        struct err e = { 0 };
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                     "the connection to the database was lost before it answered; the change may "
                     "or may not have been made");
        err_in(&e, "%s", r->steps[0].step.statement->name);
        request_reply_error(r, &e, true);
    }
    request_free(r);
}

static void write_abandoned(struct db_request *r, bool is_late)
{
    r->is_unwanted = is_late;
    if (r->link) /* NULL while the link's loss is being told */
        cancel_if_unwanted(r->link);
}

const struct db_lane_class db_write_class = {
    .send = write_send,
    .step_done = write_step_done,
    .synced = write_synced,
    .lost = write_lost,
    .abandoned = write_abandoned,
};
