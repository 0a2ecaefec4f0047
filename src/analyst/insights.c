#include "analyst/insights_priv.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/words.h"

static const char *const type_names[INSIGHT_TYPE_COUNT] = {
    [INSIGHT_FAILURE_RATE] = "failure-rate", [INSIGHT_LATENCY] = "latency",
    [INSIGHT_BACKLOG] = "backlog",           [INSIGHT_MISSED_RUN] = "missed-run",
    [INSIGHT_THROUGHPUT] = "throughput",     [INSIGHT_ERROR_PATTERN] = "error-pattern",
};

const char *insight_type_name(enum insight_type type)
{
    assert(type < INSIGHT_TYPE_COUNT);
    return type_names[type];
}

bool insight_type_of(struct str name, enum insight_type *ret_type)
{
    for (unsigned i = 0; i < INSIGHT_TYPE_COUNT; i++)
        if (str_eq_c(name, type_names[i])) {
            *ret_type = (enum insight_type)i;
            return true;
        }
    return false;
}

const char *insight_severity_name(enum insight_severity severity)
{
    static const char *const names[] = { "info", "warning", "critical" };
    return names[severity];
}

/* ── what the rules use ── */

struct insight *insights_add(struct insight_list *list, enum insight_type type,
                             enum insight_severity severity, double confidence)
{
    if (!(confidence >= INSIGHT_CONFIDENCE_MIN) || list->count == list->capacity)
        return NULL;
    struct insight *in = &list->items[list->count++];
    *in = (struct insight){ .type = type, .severity = severity };
    in->confidence = fmin(confidence, CHANCE_CONFIDENCE_MAX);
    in->data = tree_create(list->arena);
    return in;
}

void insight_advise(struct insight *in, struct str text)
{
    assert(in->recommendation_count < INSIGHT_RECOMMENDATIONS_MAX);
    in->recommendations[in->recommendation_count++] = text;
}

double insights_sum(const double *buckets, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += buckets[i];
    return sum;
}

bool insights_last_whole(const struct facts *f, size_t *ret_bucket)
{
    const double whole = 0.999;
    size_t behind = f->last_part >= whole ? 1 : 2;
    if (f->bucket_count < behind)
        return false;
    *ret_bucket = f->bucket_count - behind;
    return true;
}

struct str insights_name(struct insight_list *list, struct str type)
{
    enum { NAME_BYTES_MAX = 60 };
    return words_quoted(list->arena, type, NAME_BYTES_MAX);
}

struct str insights_since(struct insight_list *list, size_t bucket)
{
    const struct facts *f = list->facts;
    int64_t from_us = f->from_us + (int64_t)bucket * f->bucket_s * 1'000'000;
    return words_duration(list->arena, (double)(f->now_us - from_us) / 1e6);
}

/* ── the list ── */

static int compare(const void *one, const void *other)
{
    struct insight x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    if (x.severity != y.severity)
        return x.severity > y.severity ? -1 : 1;
    double mine = x.confidence * log1p(x.weight), others = y.confidence * log1p(y.weight);
    if (mine > others || mine < others)
        return mine > others ? -1 : 1;
    if (x.type != y.type)
        return x.type < y.type ? -1 : 1;
    return str_cmp(x.title, y.title);
}

const struct insight *insights_find(struct arena *a, const struct facts *f, unsigned types,
                                    size_t *ret_count)
{
    static const struct {
        enum insight_type type;
        void (*fn)(struct insight_list *list);
    } rules[] = {
        { INSIGHT_FAILURE_RATE, insights_of_failures },
        { INSIGHT_ERROR_PATTERN, insights_of_errors },
        { INSIGHT_LATENCY, insights_of_latency },
        { INSIGHT_THROUGHPUT, insights_of_throughput },
        { INSIGHT_BACKLOG, insights_of_backlog },
        { INSIGHT_MISSED_RUN, insights_of_jobs },
    };
    enum { PER_TYPE_MAX = 5 };
    struct insight_list list = { .arena = a, .facts = f, .looks = f->series_count };
    list.capacity = PER_TYPE_MAX * (f->series_count + 1) + f->job_count + f->error_count;
    list.items = arena_new_array(a, list.capacity, struct insight);
    list.explained = arena_new_array(a, f->series_count + 1, struct str);
    for (size_t i = 0; i < countof(rules); i++)
        rules[i].fn(&list);
    size_t kept = 0;
    for (size_t i = 0; i < list.count; i++)
        if (types == 0 || types & (1U << list.items[i].type))
            list.items[kept++] = list.items[i];
    qsort(list.items, kept, sizeof *list.items, compare);
    *ret_count = min_of(kept, (size_t)INSIGHTS_MAX);
    return list.items;
}

/* ── recommendations ── */

static bool is_told(const struct recommendation *list, size_t count, struct str detail)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(list[i].detail, detail))
            return true;
    return false;
}

const struct recommendation *recommendations_find(struct arena *a, const struct facts *f,
                                                  size_t limit, size_t *ret_count)
{
    size_t insight_count, count = 0;
    const struct insight *insights = insights_find(a, f, 0, &insight_count);
    struct recommendation *list =
        arena_new_array(a, insight_count * INSIGHT_RECOMMENDATIONS_MAX + 1, struct recommendation);
    /* The first advice of each insight before the second of any. */
    for (size_t k = 0; k < INSIGHT_RECOMMENDATIONS_MAX; k++)
        for (size_t i = 0; i < insight_count && count < limit; i++) {
            const struct insight *in = &insights[i];
            if (k >= in->recommendation_count || is_told(list, count, in->recommendations[k]))
                continue;
            list[count++] = (struct recommendation){ .title = in->title,
                                                     .detail = in->recommendations[k],
                                                     .impact = in->severity,
                                                     .confidence = in->confidence,
                                                     .insight_type = in->type };
        }
    *ret_count = count;
    return list;
}
