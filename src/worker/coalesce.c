#include "worker/coalesce.h"

#include <math.h>

enum {
    SETTLE_BATCHES = 8,  /* of a window, until the callers have fallen into its way */
    WINDOW_BATCHES = 40, /* with those */
    WINDOWS_A_TRIAL = 16,
    IDLE_US = 10'000,    /* after a batch: who comes now was not answered by it */
    PATIENCE_US = 2'000, /* after a batch, for those whom it answered */
};

static const double GAIN_MIN = 0.05;

static enum coalesce_way other_way(enum coalesce_way way)
{
    return way == COALESCE_HALF ? COALESCE_ALL : COALESCE_HALF;
}

/* `chance`: by how much one window differs from the next where callers come as they like. */
static enum coalesce_way best_way(const struct coalesce *c)
{
    double chance = 1 / sqrt((double)max_of(c->intents, (size_t)1));
    double worth = c->us_each[COALESCE_HALF] * (1 - GAIN_MIN - chance);
    bool is_known = c->us_each[COALESCE_ALL] > 0;
    return is_known && c->us_each[COALESCE_ALL] < worth ? COALESCE_ALL : COALESCE_HALF;
}

static void begin_window(struct coalesce *c, enum coalesce_way way)
{
    c->way = way;
    c->batches = 0;
}

static void end_window(struct coalesce *c, int64_t now_us)
{
    double each = (double)(now_us - c->began_us) / (double)max_of(c->intents, (size_t)1);
    double *known = &c->us_each[c->way];
    *known = *known > 0 ? (*known + each) / 2 : each;
    bool is_trial = ++c->windows % WINDOWS_A_TRIAL == 0;
    if (c->us_each[other_way(c->way)] <= 0)
        begin_window(c, other_way(c->way));
    else
        begin_window(c, is_trial ? other_way(best_way(c)) : best_way(c));
}

void coalesce_sent(struct coalesce *c, size_t intents, int64_t now_us)
{
    if (now_us - c->ended_us > IDLE_US)
        begin_window(c, best_way(c));
    else if (c->batches > SETTLE_BATCHES)
        c->intents += c->answered;
    if (c->batches == SETTLE_BATCHES) {
        c->began_us = now_us;
        c->intents = 0;
    }
    if (c->batches++ == WINDOW_BATCHES)
        end_window(c, now_us);
    c->answered = intents;
}

void coalesce_ended(struct coalesce *c, size_t waiting, int64_t now_us)
{
    c->here = waiting;
    c->ended_us = now_us;
}

int64_t coalesce_until_us(const struct coalesce *c, size_t waiting)
{
    size_t all = c->answered + c->here;
    size_t wanted = c->way == COALESCE_ALL ? all : (all + 1) / 2;
    return waiting > 0 && waiting >= wanted ? 0 : c->ended_us + PATIENCE_US;
}
