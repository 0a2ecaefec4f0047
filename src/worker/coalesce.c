#include "worker/coalesce.h"

enum {
    SETTLE_BATCHES = 8,  /* of a window, until the callers have fallen into its way */
    WINDOW_BATCHES = 40, /* with those */
    WINDOWS_A_TRIAL = 16,
    IDLE_US = 10'000, /* between two batches: they are no callers that come again */
};

/* Who comes by chance does not come faster for being waited for: to wait must be worth it. */
static const double WORTH = 0.95;

static enum coalesce_way other_way(enum coalesce_way way)
{
    return way == COALESCE_ALL ? COALESCE_HALF : COALESCE_ALL;
}

static enum coalesce_way best_way(const struct coalesce *g)
{
    const double *us = g->us_each;
    return us[COALESCE_ALL] < WORTH * us[COALESCE_HALF] ? COALESCE_ALL : COALESCE_HALF;
}

static void begin_window(struct coalesce *g, enum coalesce_way way)
{
    g->way = way;
    g->batches = 0;
}

static void end_window(struct coalesce *g, int64_t now_us)
{
    double each = (double)(now_us - g->began_us) / (double)max_of(g->intents, (size_t)1);
    double *known = &g->us_each[g->way];
    *known = *known > 0 ? (*known + each) / 2 : each;
    bool is_trial = ++g->windows % WINDOWS_A_TRIAL == 0;
    if (g->us_each[other_way(g->way)] <= 0)
        begin_window(g, other_way(g->way));
    else
        begin_window(g, is_trial ? other_way(best_way(g)) : best_way(g));
}

void coalesce_sent(struct coalesce *g, size_t intents, int64_t now_us)
{
    if (now_us - g->sent_us > IDLE_US)
        begin_window(g, g->way);
    else if (g->batches > SETTLE_BATCHES)
        g->intents += g->answered;
    if (g->batches == SETTLE_BATCHES) {
        g->began_us = now_us;
        g->intents = 0;
    }
    if (g->batches++ == WINDOW_BATCHES)
        end_window(g, now_us);
    g->sent_us = now_us;
    g->answered = intents;
}

void coalesce_ended(struct coalesce *g, size_t waiting)
{
    g->here = waiting;
}

size_t coalesce_wanted(const struct coalesce *g)
{
    size_t all = g->answered + g->here;
    return g->way == COALESCE_ALL ? all : (all + 1) / 2;
}
