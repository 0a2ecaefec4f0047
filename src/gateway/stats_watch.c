/*
 * Subscription.statsChanged: a reading now, and one each so many seconds. All of a loop that follow
 * the figures share its readings: who asks in the same second is told the same one, and the clocks
 * of equal periods strike together. What cannot be read is passed over until the next time.
 */
#include "base/clock.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/stats_priv.h"
#include "gateway/subscription.h"
#include "io/timer.h"

enum { EVERY_S_MAX = 3'600 };

struct stats_watch {
    struct event_source base;
    struct gateway_loop *loop;
    struct io_timer *timer;
    int64_t every_ms;
    struct stats_waiter waiter;
    struct reading *reading; /* yet to be told; NULL: none */
    int64_t told_us;         /* when the last one was generated that was told */
};

static void keep(struct stats_watch *w, struct reading *reading)
{
    if (reading->generated_at_us == w->told_us)
        return;
    reading_ref(reading);
    reading_unref(w->reading); /* the watcher was slow: he gets the newest */
    w->reading = reading;
}

static void got_reading(void *owner, struct reading *reading, const struct err *e)
{
    struct stats_watch *w = owner;
    (void)e;
    if (reading == NULL)
        return;
    keep(w, reading);
    w->base.wake(w->base.waker);
}

/* `since_us`: wall; see stats_ask. */
static void ask(struct stats_watch *w, int64_t since_us)
{
    struct reading *reading;
    struct err e;
    bool is_waiting = !list_is_empty(&w->waiter.link);
    if (!is_waiting &&
        stats_ask(w->loop->stats, STR("24h"), STATS_ALL_PARTS, since_us, &w->waiter, &reading,
                  &e) &&
        reading != NULL)
        keep(w, reading);
}

static void start_timer(struct stats_watch *w)
{
    int64_t now_ms = clock_mono_us() / CLOCK_MS;
    io_timer_start(w->timer, w->every_ms - now_ms % w->every_ms);
}

/* The clocks strike at whole seconds: the reading that another began at this stroke is new. */
static void time_came(void *owner)
{
    struct stats_watch *w = owner;
    start_timer(w);
    ask(w, clock_wall_us() - clock_mono_us() % CLOCK_S);
    w->base.wake(w->base.waker);
}

static bool next_reading(struct event_source *base, struct arena *a, void **ret_event,
                         struct err *e)
{
    struct stats_watch *w = container_of(base, struct stats_watch, base);
    (void)e;
    if (w->reading == NULL)
        return true;
    struct reading *reading = take(w->reading);
    w->told_us = reading->generated_at_us;
    arena_defer(a, reading_unref, reading);
    *ret_event = reading;
    return true;
}

static void close_watch(struct event_source *base)
{
    struct stats_watch *w = container_of(base, struct stats_watch, base);
    stats_forget(&w->waiter);
    io_timer_destroy(w->timer);
    reading_unref(w->reading);
}

static enum gql_next subscribe_stats(struct gql_step *step)
{
    static const struct event_source_class class = { next_reading, close_watch };
    const struct gql_value *every = gql_arg(step, "everySeconds");
    int64_t every_s = gql_is_null(every) ? 2 : every->integer;
    struct err e;
    if (every_s < 1 || every_s > EVERY_S_MAX) {
        err_set(&e, ERR_INVALID, "everySeconds: must be 1 to %d", EVERY_S_MAX);
        return gql_step_fail(step, &e);
    }
    struct stats_watch *w = arena_new(step->arena, struct stats_watch);
    w->base.class = &class;
    w->loop = await_request(step)->loop;
    w->every_ms = every_s * 1'000;
    w->waiter = (struct stats_waiter){ .fn = got_reading, .owner = w };
    list_init(&w->waiter.link);
    w->timer = io_timer_create(w->loop->io, time_came, w);
    start_timer(w);
    ask(w, 0);
    step->results[0] = gql_object(w);
    return GQL_DONE;
}

static void get_event(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

const struct gateway_binding bindings_stats_watch[] = {
    { "Subscription.statsChanged", { .get = get_event, .subscribe = subscribe_stats } },
    { 0 },
};
