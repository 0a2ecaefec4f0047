/* Flow: how long tasks wait and run, how many come, and whether they pile up. */
#include "analyst/insights_priv.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/missing.h"
#include "analyst/usual.h"
#include "analyst/words.h"

/* Judges the last whole bucket of `values` against those before it. */
static bool judge(struct insight_list *list, const double *values, double scale_min,
                  struct usual *ret_usual)
{
    const struct facts *f = list->facts;
    size_t whole;
    return insights_last_whole(f, &whole) &&
           usual_judge(list->arena, values, whole, f->bucket_s, whole, values[whole], scale_min,
                       ret_usual);
}

/* ── latency ── */

static const double slower_min = 1.5;      /* times as long as usual */
static const double log_scale_min = 0.2;   /* percentiles come from buckets that grow by 1.41 */
static const double duration_floor = 1e-3; /* s, so that logarithms exist */

struct latency {
    const char *verb, *share, *key; /* "run", "half of the tasks", "run_p50" */
    const double *values;
    double tasks_min; /* finished in the bucket, for the percentile to say something */
    double rise_min_s;
};

static bool judge_latency(struct insight_list *list, const struct latency *l, double tasks,
                          size_t whole, struct usual *ret_usual)
{
    double *logs = arena_new_array(list->arena, whole + 1, double);
    for (size_t i = 0; i <= whole; i++)
        logs[i] = log(l->values[i] + duration_floor);
    struct usual u;
    if (tasks < l->tasks_min || !judge(list, logs, log_scale_min, &u))
        return false;
    double expected = exp(u.expected) - duration_floor;
    if (u.z <= 0 || l->values[whole] < expected * slower_min ||
        l->values[whole] < expected + l->rise_min_s)
        return false;
    u.expected = expected;
    *ret_usual = u;
    return true;
}

static void tell_latency(struct insight_list *list, const struct facts_series *s,
                         const struct latency *l, double now_s, const struct usual *u)
{
    struct arena *a = list->arena;
    double times = now_s / fmax(u->expected, duration_floor);
    bool is_wait = strcmp(l->verb, "wait") == 0;
    enum { QUANTITIES = 4 };
    struct insight *in =
        insights_add(list, INSIGHT_LATENCY, times >= 5 ? INSIGHT_WARNING : INSIGHT_INFO,
                     chance_confidence(u->p, list->looks * QUANTITIES));
    if (in == NULL)
        return;
    struct str name = insights_name(list, s->type), now = words_duration(a, now_s);
    struct str usual = words_duration(a, u->expected);
    struct str span = words_duration(a, (double)list->facts->bucket_s);
    in->title = arena_printf(a, "%.*s: tasks %s %.*s, usually %.*s", STR_FMT(name), l->verb,
                             STR_FMT(now), STR_FMT(usual));
    in->description =
        arena_printf(a, "In the last whole span of %.*s, %s %s up to %.*s; %s would be %.*s.",
                     STR_FMT(span), l->share, is_wait ? "waited" : "ran", STR_FMT(now),
                     u->period > 0 ? "usual for this time" : "usual", STR_FMT(usual));
    in->weight = times;
    tree_text(&in->data, "type", s->type);
    tree_text(&in->data, "figure", str_of_c(l->key));
    tree_number(&in->data, "seconds", now_s);
    tree_number(&in->data, "usual_seconds", u->expected);
    tree_number(&in->data, "times", times);
    tree_number(&in->data, "p", u->p);
    if (is_wait)
        insight_advise(in, arena_printf(a,
                                        "Give %.*s more slots or another worker, or spread its "
                                        "tasks over time.",
                                        STR_FMT(name)));
    else
        insight_advise(in, arena_printf(a,
                                        "Compare the log of a slow %.*s task with an earlier one, "
                                        "and look at the services that it calls.",
                                        STR_FMT(name)));
}

void insights_of_latency(struct insight_list *list)
{
    const struct facts *f = list->facts;
    size_t whole;
    if (!insights_last_whole(f, &whole))
        return;
    for (size_t i = 0; i < f->series_count; i++) {
        const struct facts_series *s = &f->series[i];
        double tasks = s->completed[whole] + s->failed[whole];
        const struct latency all[] = {
            { "run", "half of the tasks", "run_p50", s->run_p50_s, 5, 0.1 },
            { "run", "99 of 100 tasks", "run_p99", s->run_p99_s, 50, 0.5 },
            { "wait", "half of the tasks", "wait_p50", s->wait_p50_s, 5, 1 },
            { "wait", "99 of 100 tasks", "wait_p99", s->wait_p99_s, 50, 5 },
        };
        /* One a type and kind: where the median rose, the tail did too. */
        for (size_t k = 0; k < countof(all); k += 2) {
            struct usual u;
            if (judge_latency(list, &all[k], tasks, whole, &u))
                tell_latency(list, s, &all[k], all[k].values[whole], &u);
            else if (judge_latency(list, &all[k + 1], tasks, whole, &u))
                tell_latency(list, s, &all[k + 1], all[k + 1].values[whole], &u);
        }
    }
}

/* ── throughput ── */

static const double root_scale_min = 0.5; /* of the root of a Poisson count */
static const double drop_max = 0.5;       /* at most this share of what is usual came, or ... */
static const double surge_min = 3;        /* ... at least so many times as many */
enum { COUNT_MIN = 10 };                  /* fewer a bucket are not judged */

static void tell_throughput(struct insight_list *list, const struct facts_series *s, double now,
                            double usual, const struct usual *u)
{
    struct arena *a = list->arena;
    bool is_drop = now < usual;
    struct insight *in =
        insights_add(list, INSIGHT_THROUGHPUT, is_drop ? INSIGHT_WARNING : INSIGHT_INFO,
                     chance_confidence(u->p, list->looks));
    if (in == NULL)
        return;
    struct str name = insights_name(list, s->type);
    struct str span = words_duration(a, (double)list->facts->bucket_s);
    struct str count = words_things(a, (int64_t)now, "task", NULL);
    struct str expected = words_count(a, (int64_t)round(usual));
    in->title = arena_printf(a, "%.*s: %.*s in %.*s, usually %.*s", STR_FMT(name), STR_FMT(count),
                             STR_FMT(span), STR_FMT(expected));
    in->description = arena_printf(
        a, "In the last whole span of %.*s %.*s came in; %s would be about %.*s.", STR_FMT(span),
        STR_FMT(count), u->period > 0 ? "usual for this time" : "usual", STR_FMT(expected));
    in->weight = fabs(now - usual);
    tree_text(&in->data, "type", s->type);
    tree_number(&in->data, "created", now);
    tree_number(&in->data, "usual", usual);
    tree_number(&in->data, "p", u->p);
    if (is_drop)
        insight_advise(in, arena_printf(a,
                                        "Check what creates %.*s tasks: a caller or a job may have "
                                        "stopped.",
                                        STR_FMT(name)));
    else
        insight_advise(in, arena_printf(a,
                                        "Find out who creates so many %.*s tasks; a limit of its "
                                        "rate protects the others.",
                                        STR_FMT(name)));
}

void insights_of_throughput(struct insight_list *list)
{
    const struct facts *f = list->facts;
    size_t whole;
    if (!insights_last_whole(f, &whole))
        return;
    for (size_t i = 0; i < f->series_count; i++) {
        const struct facts_series *s = &f->series[i];
        double *roots = arena_new_array(list->arena, whole + 1, double);
        for (size_t k = 0; k <= whole; k++)
            roots[k] = sqrt(s->created[k] + 0.375); /* Anscombe: the spread no longer depends */
        struct usual u;
        if (!judge(list, roots, root_scale_min, &u))
            continue;
        double now = s->created[whole], usual = fmax(0, u.expected * u.expected - 0.375);
        if ((usual >= COUNT_MIN && now <= usual * drop_max) ||
            (now >= 2 * COUNT_MIN && now >= usual * surge_min))
            tell_throughput(list, s, now, usual, &u);
    }
}

/* ── backlog ── */

enum { PENDING_MIN = 20, AGE_MIN_S = 60, STALLED_AGE_MIN_S = 300, STALLED_PENDING_MIN = 5 };

/* How many times the variance of independent arrivals the earlier buckets show. */
static double burstiness(const struct facts_series *s, size_t count)
{
    double mean = 0, squares = 0, events = 0;
    for (size_t i = 0; i < count; i++) {
        mean += (s->created[i] - s->completed[i] - s->failed[i]) / (double)count;
        events += s->created[i] + s->completed[i] + s->failed[i];
    }
    for (size_t i = 0; i < count; i++) {
        double off = s->created[i] - s->completed[i] - s->failed[i] - mean;
        squares += off * off;
    }
    return count > 1 && events > 0 ? fmax(1, squares * (double)count / (double)(count - 1) / events)
                                   : 1;
}

static void describe_backlog(struct insight_list *list, struct insight *in,
                             const struct facts_series *s, const struct facts_total *t)
{
    in->weight = t->pending;
    tree_text(&in->data, "type", s->type);
    tree_number(&in->data, "pending", t->pending);
    tree_number(&in->data, "in_progress", t->in_progress);
    tree_number(&in->data, "oldest_pending_seconds", list->facts->oldest_pending_s);
}

/* Nothing finishes although tasks wait: `rate` a second is what used to finish. */
static bool tell_stalled(struct insight_list *list, const struct facts_series *s,
                         const struct facts_total *t, size_t from)
{
    struct arena *a = list->arena;
    const struct facts *f = list->facts;
    double seconds = (double)(f->now_us - f->from_us) / 1e6 - (double)from * (double)f->bucket_s;
    double before = insights_sum(s->completed, 0, from) + insights_sum(s->failed, 0, from);
    double now = insights_sum(s->completed, from, f->bucket_count) +
                 insights_sum(s->failed, from, f->bucket_count);
    if (now > 0 || before <= 0 || t->in_progress > 0 || t->pending < STALLED_PENDING_MIN ||
        f->oldest_pending_s < STALLED_AGE_MIN_S)
        return false;
    double rate = before / ((double)from * (double)f->bucket_s);
    double p = chance_poisson_below(0, rate * seconds / burstiness(s, from));
    struct insight *in =
        insights_add(list, INSIGHT_BACKLOG, INSIGHT_CRITICAL, chance_confidence(p, list->looks));
    if (in == NULL)
        return false;
    struct str name = insights_name(list, s->type), since = insights_since(list, from);
    struct str waiting = words_things(a, (int64_t)t->pending, "task", NULL);
    struct str expected = words_count(a, (int64_t)round(rate * seconds));
    in->title =
        arena_printf(a, "%.*s: nothing runs while %.*s wait", STR_FMT(name), STR_FMT(waiting));
    in->description = arena_printf(a,
                                   "In the last %.*s no task of this type finished, where about "
                                   "%.*s would be usual, and none runs now.",
                                   STR_FMT(since), STR_FMT(expected));
    describe_backlog(list, in, s, t);
    tree_number(&in->data, "usually_finished", rate * seconds);
    insight_advise(in,
                   arena_printf(a,
                                "Check that a worker for %.*s is connected and that neither the "
                                "type nor its queue is paused.",
                                STR_FMT(name)));
    return true;
}

static void tell_growing(struct insight_list *list, const struct facts_series *s,
                         const struct facts_total *t, size_t from)
{
    struct arena *a = list->arena;
    const struct facts *f = list->facts;
    double came = insights_sum(s->created, from, f->bucket_count);
    double went = insights_sum(s->completed, from, f->bucket_count) +
                  insights_sum(s->failed, from, f->bucket_count);
    double grown = came - went;
    if (t->pending < PENDING_MIN || f->oldest_pending_s < AGE_MIN_S || grown < PENDING_MIN ||
        came < went * 1.1)
        return;
    double p = chance_normal_above(grown / sqrt((came + went) * burstiness(s, from)));
    double seconds = (double)(f->now_us - f->from_us) / 1e6 - (double)from * (double)f->bucket_s;
    double drain_s = went > 0 ? t->pending / (went / seconds) : MISSING;
    bool is_grave = went <= 0 || drain_s > 86'400;
    struct insight *in =
        insights_add(list, INSIGHT_BACKLOG, is_grave ? INSIGHT_CRITICAL : INSIGHT_WARNING,
                     chance_confidence(p, list->looks));
    if (in == NULL)
        return;
    struct str name = insights_name(list, s->type), since = insights_since(list, from);
    struct str waiting = words_things(a, (int64_t)t->pending, "task", NULL);
    struct str came_text = words_count(a, (int64_t)came), went_text = words_count(a, (int64_t)went);
    struct str oldest = words_duration(a, f->oldest_pending_s);
    in->title = arena_printf(a, "%.*s: tasks come faster than they finish", STR_FMT(name));
    in->description = arena_printf(a,
                                   "In the last %.*s %.*s came and %.*s finished; %.*s wait, the "
                                   "oldest task of all types for %.*s.",
                                   STR_FMT(since), STR_FMT(came_text), STR_FMT(went_text),
                                   STR_FMT(waiting), STR_FMT(oldest));
    describe_backlog(list, in, s, t);
    tree_number(&in->data, "created", came);
    tree_number(&in->data, "finished", went);
    tree_number(&in->data, "drain_seconds", drain_s);
    tree_number(&in->data, "p", p);
    if (went > 0) {
        struct str drain = words_duration(a, drain_s);
        struct str times = words_number(a, ceil(came / went * 10) / 10);
        insight_advise(in, arena_printf(a,
                                        "Raise the slots for %.*s to at least %.*s times what they "
                                        "are: at the present pace what waits alone takes %.*s.",
                                        STR_FMT(name), STR_FMT(times), STR_FMT(drain)));
    } else {
        insight_advise(in, arena_printf(a, "Connect a worker that runs %.*s.", STR_FMT(name)));
    }
}

void insights_of_backlog(struct insight_list *list)
{
    const struct facts *f = list->facts;
    size_t whole;
    if (!insights_last_whole(f, &whole) || isnan(f->oldest_pending_s))
        return;
    for (size_t i = 0; i < f->series_count; i++) {
        const struct facts_total *t = facts_total_of(f, f->series[i].type);
        /* A quarter of the window, since piles grow slowly; at least the last whole bucket. */
        size_t from = min_of(whole, f->bucket_count - f->bucket_count / 4);
        if (t != NULL && !tell_stalled(list, &f->series[i], t, whole))
            tell_growing(list, &f->series[i], t, from);
    }
}
