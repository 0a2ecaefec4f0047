/*
 * lane_slow: one call at a time on a connection, in a transaction that first sets its own time
 * limit (set_config(…, true): nothing of it outlives the transaction). What nobody waits for any
 * more is cancelled.
 */
#include "base/clock.h"
#include "db/link_priv.h"
#include "db/pool_priv.h"
#include "db/db_transaction_sql.h"

/* What is left until the deadline, in milliseconds; never 0, which would be no limit. */
static void send_limit(struct db_link *link, struct db_request *r)
{
    char text[24];
    int64_t left_ms = max_of((r->deadline_us - clock_mono_us()) / CLOCK_MS, (int64_t)1);
    snprintf(text, sizeof text, "%d", (int)min_of(left_ms, (int64_t)INT32_MAX));
    struct db_args args = { .count = 2, .values = { "statement_timeout", text } };
    link_send_extra(link, r, &db_transaction_set, &args);
}

static void slow_send(struct db_lane_queue *lane)
{
    for (struct db_request *r; (r = lane_first_waiting(lane));) {
        struct db_link *link = lane_pick_link(lane);
        if (!link)
            break;
        request_launch(r, link);
        send_limit(link, r);
        link_send_step(link, r, 0);
        link_sync(link, r);
    }
    for (size_t i = 0; i < lane->options.connections; i++)
        link_flush(&lane->links[i]);
}

static void slow_step_done(struct db_request *r, size_t step, struct db_rows *rows)
{
    r->steps[step].rows = rows;
}

static void slow_synced(struct db_request *r)
{
    if (r->failure && request_may_retry(r) && request_had_bad_luck(r)) {
        request_retry(r);
        return;
    }
    if (r->failure)
        request_reply_failure(r);
    else
        request_reply_done(r);
    request_free(r);
}

static void slow_abandoned(struct db_request *r, bool is_late)
{
    (void)is_late;
    r->is_unwanted = true;
    if (r->link) {
        link_cancel(r->link);
        link_watch(r->link);
    }
}

static void slow_lost(struct db_request *r)
{
    db_read_class.lost(r);
}

const struct db_lane_class db_slow_class = {
    .send = slow_send,
    .step_done = slow_step_done,
    .synced = slow_synced,
    .lost = slow_lost,
    .abandoned = slow_abandoned,
};
