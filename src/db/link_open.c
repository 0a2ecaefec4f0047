#include "base/log.h"
#include "base/mem.h"
#include "db/link_priv.h"
#include "db/rows_priv.h"
#include "db/url_priv.h"

static void on_notice(void *owner, const PGresult *notice)
{
    (void)owner;
    const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    log_debug("db.notice", "sqlstate=%s message=%s", sqlstate ? sqlstate : "",
              log_quote(str_of_c(message)));
}

struct link_connecting {
    char *url, *application_name;
    int64_t timeout_ms;
    PGconn *pq;
};

/* Blocking, on a thread of its own: only so does libpq honour connect_timeout and try each host of
 * a list, and name resolution holds up nobody. */
static void connect_work(void *data)
{
    struct link_connecting *c = data;
    c->pq = db_url_connect(c->url, NULL, c->application_name, c->timeout_ms);
}

static void connect_discard(void *data)
{
    struct link_connecting *c = data;
    PQfinish(c->pq);
    mem_free(c->url);
    mem_free(c->application_name);
    mem_free(c);
}

/* Takes the connection in, on the loop. */
static bool adopt(struct db_link *link, struct err *e)
{
    struct db_pool *pool = link->lane->pool;
    if (PQstatus(link->pq) != CONNECTION_OK) {
        char reason[160];
        db_connection_reason(link->pq, reason, sizeof reason);
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE, "no connection: %s", reason);
    }
    if (!db_session_check(link->pq, e))
        return false;
    (void)PQsetNoticeReceiver(link->pq, on_notice, NULL);
    if (PQsetnonblocking(link->pq, 1) != 0 || PQenterPipelineMode(link->pq) != 1)
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_INTERNAL, "no pipeline on a connection");
    return io_poll_create(pool->loop, PQsocket(link->pq), link_on_ready, link, &link->poll, e);
}

static void wait_and_retry(struct db_link *link)
{
    link->state = LINK_WAITING;
    io_timer_start(link->retry, backoff_next_ms(&link->backoff));
}

static void on_connected(void *owner)
{
    struct db_link *link = owner;
    struct err e = { 0 };
    link->pq = take(link->connect_data->pq);
    link->connecting = NULL;
    if (!adopt(link, &e)) {
        PQfinish(link->pq);
        link->pq = NULL;
        link->lane->stats.connect_failures++;
        wait_and_retry(link);
        pool_link_failed(link->lane->pool, false, &e);
        return;
    }
    link->state = LINK_OPEN;
    link->lane->stats.connects++;
    prepared_cache_init(&link->prepared, link->lane->pool->options.composed_max);
    io_poll_set(link->poll, IO_READABLE);
    link_send_session(link);
    pool_link_opened(link->lane->pool);
}

static void connect_now(void *owner)
{
    struct db_link *link = owner;
    const struct db_pool_options *options = &link->lane->pool->options;
    struct link_connecting *c = mem_new(struct link_connecting);
    c->url = mem_cstr(options->url);
    c->application_name = mem_cstr(str_of_c(options->application_name));
    c->timeout_ms = options->connect_timeout_ms;
    link->state = LINK_CONNECTING;
    link->connect_data = c;
    link->connecting = io_detached_start(link->lane->pool->loop,
                                         &(struct io_detached_spec){ .work = connect_work,
                                                                     .done = on_connected,
                                                                     .discard = connect_discard,
                                                                     .data = c,
                                                                     .owner = link });
    if (!link->connecting)
        wait_and_retry(link);
}

void link_init(struct db_link *link, struct db_lane_queue *lane)
{
    const struct db_pool_options *options = &lane->pool->options;
    *link = (struct db_link){ .lane = lane,
                              .backoff = { .min_ms = options->backoff_first_ms,
                                           .max_ms = options->backoff_max_ms } };
    link->retry = io_timer_create(lane->pool->loop, connect_now, link);
    link->watch = io_timer_create(lane->pool->loop, link_look, link);
    list_init(&link->in_flight);
}

void link_open(struct db_link *link)
{
    assert(link->state == LINK_CLOSED);
    connect_now(link);
}

static void drop_connection(struct db_link *link)
{
    io_detached_abandon(take(link->cancelling));
    io_timer_stop(link->watch);
    link->cancelled_us = 0;
    io_poll_destroy(take(link->poll)); /* before libpq closes its descriptor */
    PQfinish(take(link->pq));
    link_drop_ops(link);
    if (link->state == LINK_OPEN)
        prepared_cache_clear(&link->prepared);
    link->is_failing = false;
}

void link_fail(struct db_link *link, const struct err *why)
{
    struct db_lane_queue *lane = link->lane;
    struct list lost;
    list_init(&lost);
    for (struct list *node; (node = list_pop(&link->in_flight));) {
        struct db_request *r = container_of(node, struct db_request, queued);
        r->link = NULL;
        if (!list_is_empty(&lost)) /* only the first may have been what broke it */
            r->tries--;
        list_push(&lost, node);
    }
    link->in_flight_count = 0;
    drop_connection(link);
    lane->stats.connections_lost++;
    wait_and_retry(link);
    pool_link_failed(lane->pool, true, why);
    while (!list_is_empty(&lost)) { /* the last first: those sent again keep their order */
        struct list *node = lost.prev;
        list_remove(node);
        lane->class->lost(container_of(node, struct db_request, queued));
    }
}

void link_close(struct db_link *link)
{
    assert(list_is_empty(&link->in_flight));
    io_detached_abandon(take(link->connecting));
    drop_connection(link);
    io_timer_destroy(take(link->retry));
    io_timer_destroy(take(link->watch));
    mem_free(link->ops);
    link->state = LINK_CLOSED;
}
