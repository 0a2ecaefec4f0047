#include "gateway/insight_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/insight_view.h"
#include "gateway/subscription.h"
#include "io/timer.h"
#include "store/public/insight.h"

enum {
    LOOK_EVERY_MS = 2'000,
    LOOK_DEADLINE_US = 10 * CLOCK_S,
    BATCH_BYTES = 16 << 20,
    UNTOLD_MAX = 500, /* of a follower */
};

/* What one look found; shared by all whom it is told. */
struct batch {
    struct arena *arena;
    size_t refs;
    struct insight_views views;
};

struct follower {
    struct event_source base;
    struct list by_watch;
    struct insight_watch *watch;
    struct list untold; /* struct portion */
    size_t untold_count;
    struct err failure; /* ends the subscription */
};

/* Of a batch, what a follower has yet to be told. */
struct portion {
    struct list link;
    struct batch *batch;
    size_t at;
};

struct insight_watch {
    struct gateway_loop *loop;
    struct list followers;
    struct io_timer *timer; /* runs while there are some */
    struct batch *look;     /* under way; NULL: none */
    struct db_request *request;
    int64_t since_us; /* runs up to this one have been told of */
};

/* ── batches ── */

static void batch_unref(void *owned)
{
    struct batch *batch = owned;
    if (batch != NULL && --batch->refs == 0)
        arena_destroy(batch->arena);
}

static struct batch *batch_create(void)
{
    struct arena *a = arena_create(BATCH_BYTES);
    struct batch *batch = arena_new(a, struct batch);
    batch->arena = a;
    batch->refs = 1;
    return batch;
}

/* ── telling ── */

static void drop(struct portion *portion)
{
    list_remove(&portion->link);
    batch_unref(portion->batch);
    mem_free(portion);
}

static void give(struct follower *f, struct batch *batch)
{
    f->untold_count += batch->views.count;
    if (f->untold_count > UNTOLD_MAX) {
        err_set(&f->failure, ERR_LIMIT, "more insights than can be followed; read them anew");
    } else {
        struct portion *portion = mem_new(struct portion);
        portion->batch = batch;
        batch->refs++;
        list_push(&f->untold, &portion->link);
    }
    f->base.wake(f->base.waker);
}

/* Who follows first begins anew: what a look finds meanwhile is nobody's. */
static void rest(struct insight_watch *watch)
{
    io_timer_stop(watch->timer);
    if (watch->request != NULL)
        db_request_forget(take(watch->request));
    batch_unref(take(watch->look));
}

static bool next_insight(struct event_source *base, struct arena *a, void **ret_event,
                         struct err *e)
{
    struct follower *f = container_of(base, struct follower, base);
    if (f->failure.code != ERR_NONE) {
        *e = f->failure;
        return false;
    }
    if (list_is_empty(&f->untold))
        return true;
    struct portion *portion = container_of(f->untold.next, struct portion, link);
    struct batch *batch = portion->batch;
    *ret_event = batch->views.objects[portion->at++];
    batch->refs++;
    arena_defer(a, batch_unref, batch);
    f->untold_count--;
    if (portion->at == batch->views.count)
        drop(portion);
    return true;
}

static void close_follower(struct event_source *base)
{
    struct follower *f = container_of(base, struct follower, base);
    list_each (node, &f->untold)
        drop(container_of(node, struct portion, link));
    list_remove(&f->by_watch);
    if (list_is_empty(&f->watch->followers))
        rest(f->watch);
}

/* ── looking ── */

static void looked(void *owner, const struct db_reply *reply)
{
    struct insight_watch *watch = owner;
    struct batch *batch = take(watch->look);
    watch->request = NULL;
    if (reply->err != NULL) { /* the next look finds it all */
        log_debug("insights.look", "error=%s", log_quote(str_of_c(reply->err->message)));
        batch_unref(batch);
        return;
    }
    struct db_rows *rows = reply->rows[0];
    db_rows_keep(rows, batch->arena);
    insight_views_of_rows(batch->arena, rows, &batch->views);
    if (!db_rows_is_null(rows, 0, INSIGHT_GENERATED_AT))
        watch->since_us = db_rows_time(rows, 0, INSIGHT_GENERATED_AT);
    list_each (node, &watch->followers)
        if (batch->views.count > 0)
            give(container_of(node, struct follower, by_watch), batch);
    batch_unref(batch);
}

static void look(void *owner)
{
    struct insight_watch *watch = owner;
    struct err e;
    if (watch->look != NULL)
        return;
    watch->look = batch_create();
    const struct db_step step = insight_added_step(watch->look->arena, watch->since_us);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + LOOK_DEADLINE_US,
                                  .fn = looked,
                                  .owner = watch };
    if (!db_pool_call(watch->loop->pool, &call, &watch->request, &e))
        batch_unref(take(watch->look));
}

/* ── following ── */

static void follow(struct gql_step *step)
{
    static const struct event_source_class class = { next_insight, close_follower };
    struct insight_watch *watch = await_request(step)->loop->insight_watch;
    struct follower *f = arena_new(step->arena, struct follower);
    f->base.class = &class;
    f->watch = watch;
    list_init(&f->untold);
    list_push(&watch->followers, &f->by_watch);
    if (!io_timer_is_running(watch->timer))
        io_timer_repeat(watch->timer, LOOK_EVERY_MS);
    step->results[0] = gql_object(&f->base);
    gql_step_finish(step);
}

/* From which run on: the last one before the stream begins. */
static void got_last_run(struct gql_step *step, const struct db_reply *reply)
{
    struct insight_watch *watch = await_request(step)->loop->insight_watch;
    const struct db_rows *rows = reply->rows[0];
    if (list_is_empty(&watch->followers))
        watch->since_us = db_rows_is_null(rows, 0, INSIGHT_GENERATED_AT)
                              ? 0
                              : db_rows_time(rows, 0, INSIGHT_GENERATED_AT);
    follow(step);
}

static enum gql_next subscribe_insights(struct gql_step *step)
{
    const struct db_step last_run = insight_added_step(step->arena, clock_wall_us());
    return await_db(step, DB_LANE_READ, &last_run, 1, got_last_run);
}

/* ── the watch ── */

struct insight_watch *insight_watch_create(struct gateway_loop *loop)
{
    struct insight_watch *watch = mem_new(struct insight_watch);
    watch->loop = loop;
    list_init(&watch->followers);
    watch->timer = io_timer_create(loop->io, look, watch);
    return watch;
}

void insight_watch_destroy(struct insight_watch *watch)
{
    if (watch == NULL)
        return;
    assert(list_is_empty(&watch->followers));
    rest(watch);
    io_timer_destroy(watch->timer);
    mem_free(watch);
}

static void get_event(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

const struct gateway_binding bindings_insight_watch[] = {
    { "Subscription.insightAdded", { .get = get_event, .subscribe = subscribe_insights } },
    { 0 },
};
