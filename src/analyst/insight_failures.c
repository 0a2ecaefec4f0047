/* Failures: rates that rose, rates that are high, and the errors behind them. */
#include "analyst/insights_priv.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/words.h"

enum {
    FINISHED_MIN = 20, /* tasks; fewer say nothing about a rate */
    FAILURES_MIN = 3,
    TEMPLATE_SHOWN_BYTES = 160,
};
static const double rise_min = 1.5;          /* times the usual rate, and ... */
static const double rise_points_min = 0.02;  /* ... so much above it */
static const double standing_rate_min = 0.1; /* that goes on like this all the time */
static const double share_that_rules = 0.5;  /* of a type's failures, by one error */

/* Failures and finished tasks of the newest buckets and of those before. */
struct rates {
    size_t split; /* the first of the newest buckets */
    double failed, finished, failed_before, finished_before;
    double clumping; /* how many times the variance of independent failures; at least 1 */
};

/*
 * The newest buckets: the last whole one and the one that runs; more, up to a quarter of all, where
 * they hold too few tasks. The choice looks at numbers of tasks alone, never at their outcome.
 */
static size_t choose_split(const struct facts *f, const struct facts_series *s)
{
    size_t whole;
    if (!insights_last_whole(f, &whole))
        return 0;
    size_t split = whole, least = f->bucket_count - f->bucket_count / 4;
    while (split > least && insights_sum(s->completed, split, f->bucket_count) +
                                    insights_sum(s->failed, split, f->bucket_count) <
                                FINISHED_MIN)
        split--;
    return split;
}

/* Pearson's statistic over its degrees of freedom, of the earlier buckets. */
static double clumping_of(const struct facts_series *s, size_t count, double rate)
{
    double sum = 0, buckets = 0;
    for (size_t i = 0; i < count; i++) {
        double n = s->completed[i] + s->failed[i];
        double expected = n * rate, variance = n * rate * (1 - rate);
        if (!(n > 0) || !(variance > 0))
            continue;
        /* Of rare failures a single one would count as a clump: half an event of grace. */
        double off = fmax(0, fabs(s->failed[i] - expected) - 0.5);
        sum += off * off / variance;
        buckets++;
    }
    return buckets > 1 ? fmax(1, sum / (buckets - 1)) : 1;
}

static struct rates rates_of(const struct facts *f, const struct facts_series *s)
{
    struct rates r = { .split = choose_split(f, s), .clumping = 1 };
    r.failed = insights_sum(s->failed, r.split, f->bucket_count);
    r.finished = r.failed + insights_sum(s->completed, r.split, f->bucket_count);
    r.failed_before = insights_sum(s->failed, 0, r.split);
    r.finished_before = r.failed_before + insights_sum(s->completed, 0, r.split);
    if (r.finished_before > 0)
        r.clumping = clumping_of(s, r.split, r.failed_before / r.finished_before);
    return r;
}

/* The error that most of the type's failures share; NULL where none was told. */
static const struct facts_error *main_error(const struct facts *f, struct str type,
                                            double *ret_share)
{
    const struct facts_error *most = NULL;
    double all = 0;
    for (size_t i = 0; i < f->error_count; i++) {
        const struct facts_error *error = &f->errors[i];
        if (!str_eq(error->type, type))
            continue;
        all += error->count;
        most = most == NULL || error->count > most->count ? error : most;
    }
    *ret_share = most != NULL && all > 0 ? most->count / all : 0;
    return most;
}

static struct str shown_template(struct insight_list *list, const struct facts_error *error)
{
    return words_quoted(list->arena, error->template_text, TEMPLATE_SHOWN_BYTES);
}

static void add_cause(struct insight_list *list, struct insight *in, const struct facts_series *s)
{
    double share;
    const struct facts_error *error = main_error(list->facts, s->type, &share);
    struct str name = insights_name(list, s->type);
    list->explained[list->explained_count++] = s->type;
    if (error == NULL || !(share > 0)) {
        insight_advise(in, arena_printf(list->arena,
                                        "Open the latest failed %.*s tasks and read their errors.",
                                        STR_FMT(name)));
        return;
    }
    struct str text = shown_template(list, error), part = words_percent(list->arena, share);
    in->description =
        arena_printf(list->arena, "%.*s The most frequent error, %.*s of them: \"%.*s\".",
                     STR_FMT(in->description), STR_FMT(part), STR_FMT(text));
    tree_text(&in->data, "error", text);
    tree_number(&in->data, "error_share", share);
    insight_advise(in, arena_printf(list->arena,
                                    "Look at the cause of \"%.*s\" in %.*s; once it is gone, retry "
                                    "the failed tasks in bulk by that error.",
                                    STR_FMT(text), STR_FMT(name)));
}

static enum insight_severity severity_of(double failed, double finished)
{
    return chance_wilson(failed, finished, 1.64).low >= 0.5 ? INSIGHT_CRITICAL : INSIGHT_WARNING;
}

static bool tell_rise(struct insight_list *list, const struct facts_series *s,
                      const struct rates *r)
{
    struct arena *a = list->arena;
    double rate = r->failed / r->finished, before = r->failed_before / r->finished_before;
    if (r->failed < FAILURES_MIN || rate < before * rise_min || rate < before + rise_points_min)
        return false;
    /* Clumped failures are worth so many fewer independent ones. */
    double p = chance_hits_above(r->failed / r->clumping, r->finished / r->clumping,
                                 r->failed_before / r->clumping,
                                 (r->finished_before - r->failed_before) / r->clumping);
    struct insight *in =
        insights_add(list, INSIGHT_FAILURE_RATE, severity_of(r->failed, r->finished),
                     chance_confidence(p, list->looks));
    if (in == NULL)
        return false;
    struct str name = insights_name(list, s->type), now = words_percent(a, rate);
    struct str usual = words_percent(a, before), since = insights_since(list, r->split);
    struct str failed = words_count(a, (int64_t)r->failed);
    struct str finished = words_things(a, (int64_t)r->finished, "task", NULL);
    in->title = arena_printf(a, "%.*s: %.*s of the tasks fail, usually %.*s", STR_FMT(name),
                             STR_FMT(now), STR_FMT(usual));
    in->description = arena_printf(
        a, "In the last %.*s, %.*s of %.*s failed (%.*s); before that it was %.*s.", STR_FMT(since),
        STR_FMT(failed), STR_FMT(finished), STR_FMT(now), STR_FMT(usual));
    in->weight = r->failed;
    tree_text(&in->data, "type", s->type);
    tree_number(&in->data, "failed", r->failed);
    tree_number(&in->data, "finished", r->finished);
    tree_number(&in->data, "rate", rate);
    tree_number(&in->data, "usual_rate", before);
    tree_number(&in->data, "p", p);
    add_cause(list, in, s);
    return true;
}

/* No change, but too many all the time. */
static void tell_standing(struct insight_list *list, const struct facts_series *s,
                          const struct rates *r)
{
    struct arena *a = list->arena;
    double failed = r->failed + r->failed_before, finished = r->finished + r->finished_before;
    double rate = failed / finished, worth = finished / r->clumping;
    if (failed < FAILURES_MIN || finished < FINISHED_MIN || rate <= standing_rate_min)
        return;
    if (r->finished > 0 && r->failed / r->finished < standing_rate_min)
        return; /* it is over */
    double z =
        (rate - standing_rate_min) / sqrt(standing_rate_min * (1 - standing_rate_min) / worth);
    struct insight *in = insights_add(list, INSIGHT_FAILURE_RATE, severity_of(failed, finished),
                                      1 - chance_normal_above(z));
    if (in == NULL)
        return;
    struct str name = insights_name(list, s->type), share = words_percent(a, rate);
    struct str since = insights_since(list, 0), count = words_count(a, (int64_t)failed);
    struct str all = words_things(a, (int64_t)finished, "task", NULL);
    in->title = arena_printf(a, "%.*s: %.*s of the tasks fail", STR_FMT(name), STR_FMT(share));
    in->description =
        arena_printf(a, "In the last %.*s, %.*s of %.*s failed, and it is no passing rise.",
                     STR_FMT(since), STR_FMT(count), STR_FMT(all));
    in->weight = failed;
    tree_text(&in->data, "type", s->type);
    tree_number(&in->data, "failed", failed);
    tree_number(&in->data, "finished", finished);
    tree_number(&in->data, "rate", rate);
    add_cause(list, in, s);
}

void insights_of_failures(struct insight_list *list)
{
    const struct facts *f = list->facts;
    for (size_t i = 0; i < f->series_count; i++) {
        struct rates r = rates_of(f, &f->series[i]);
        bool can_compare = r.finished_before >= FINISHED_MIN && r.finished > 0;
        if (!can_compare || !tell_rise(list, &f->series[i], &r))
            tell_standing(list, &f->series[i], &r);
    }
}

/* ── errors ── */

static bool is_explained(const struct insight_list *list, struct str type)
{
    for (size_t i = 0; i < list->explained_count; i++)
        if (str_eq(list->explained[i], type))
            return true;
    return false;
}

/*
 * An error that came up: all of its `count` lie in the newest part of the window. Were it an old
 * one of even rate, that part would hold all of them with probability part^count.
 */
static bool tell_new(struct insight_list *list, const struct facts_error *error)
{
    struct arena *a = list->arena;
    const struct facts *f = list->facts;
    double window_us = (double)(f->now_us - f->from_us),
           age_us = (double)(f->now_us - error->first_at_us);
    if (error->first_at_us == 0 || window_us <= 0 || age_us > window_us / 4 ||
        error->count < FAILURES_MIN)
        return false;
    double part = fmax(age_us, (double)f->bucket_s * 1e6 / 4) / window_us;
    double p = pow(fmin(1, part), error->count);
    struct insight *in = insights_add(list, INSIGHT_ERROR_PATTERN, INSIGHT_WARNING,
                                      chance_confidence(p, f->error_count));
    if (in == NULL)
        return false;
    struct str name = insights_name(list, error->type), text = shown_template(list, error);
    struct str age = words_duration(a, age_us / 1e6), window = words_duration(a, window_us / 1e6);
    struct str times = words_things(a, (int64_t)error->count, "time", NULL);
    in->title = arena_printf(a, "%.*s: a new error, %.*s", STR_FMT(name), STR_FMT(times));
    in->description =
        arena_printf(a, "\"%.*s\" first came up %.*s ago and not in the rest of the last %.*s.",
                     STR_FMT(text), STR_FMT(age), STR_FMT(window));
    in->weight = error->count;
    tree_text(&in->data, "type", error->type);
    tree_text(&in->data, "error", text);
    tree_number(&in->data, "count", error->count);
    tree_number(&in->data, "first_seconds_ago", age_us / 1e6);
    insight_advise(in, arena_printf(a,
                                    "Check what changed %.*s ago: a deployment, a setting, or a "
                                    "service that %.*s depends on.",
                                    STR_FMT(age), STR_FMT(name)));
    return true;
}

/* One error behind most of a type's failures: one repair helps. */
static void tell_ruling(struct insight_list *list, const struct facts_error *error)
{
    enum { COUNT_MIN = 10 };
    struct arena *a = list->arena;
    double share, all;
    if (main_error(list->facts, error->type, &share) != error || share <= share_that_rules ||
        error->count < COUNT_MIN)
        return;
    all = error->count / share;
    double z = (share - share_that_rules) / sqrt(share_that_rules * (1 - share_that_rules) / all);
    struct insight *in =
        insights_add(list, INSIGHT_ERROR_PATTERN, INSIGHT_INFO, 1 - chance_normal_above(z));
    if (in == NULL)
        return;
    struct str name = insights_name(list, error->type), text = shown_template(list, error);
    struct str part = words_percent(a, share), count = words_count(a, (int64_t)error->count);
    struct str failures = words_things(a, (int64_t)round(all), "failure", NULL);
    in->title = arena_printf(a, "%.*s: one error is behind %.*s of the failures", STR_FMT(name),
                             STR_FMT(part));
    in->description = arena_printf(a, "\"%.*s\" ended %.*s of %.*s.", STR_FMT(text), STR_FMT(count),
                                   STR_FMT(failures));
    in->weight = error->count;
    tree_text(&in->data, "type", error->type);
    tree_text(&in->data, "error", text);
    tree_number(&in->data, "count", error->count);
    tree_number(&in->data, "share", share);
    insight_advise(in, arena_printf(a,
                                    "Mend the cause of \"%.*s\" first; then retry those tasks in "
                                    "bulk by that error.",
                                    STR_FMT(text)));
}

void insights_of_errors(struct insight_list *list)
{
    const struct facts *f = list->facts;
    for (size_t i = 0; i < f->error_count; i++)
        if (!is_explained(list, f->errors[i].type) && !tell_new(list, &f->errors[i]))
            tell_ruling(list, &f->errors[i]);
}
