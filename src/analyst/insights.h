/*
 * insights: what a person who runs the installation should know, from the facts: few, ranked, each
 * with the numbers it rests on, what to do, and how sure it is. Nothing to say gives none.
 *
 * The newest buckets are compared with the earlier ones. Counts of the last, incomplete bucket are
 * added to those of the last complete one; where a bucket must be whole (throughput, latency) the
 * last complete one is judged.
 *
 * Confidence is calibrated: of the insights stated at 0.9, nine in ten hold. What rests on a test
 * takes it from the test's p (chance_confidence); what rests on a share, from the posterior of that
 * share; what is plainly so, such as an overdue run, is CHANCE_CONFIDENCE_MAX. Less than
 * INSIGHT_CONFIDENCE_MIN is not stated at all. An effect must also matter: each rule names the
 * least size that does.
 */
#pragma once
#include "analyst/facts.h"
#include "analyst/tree.h"

enum insight_type {
    INSIGHT_FAILURE_RATE,
    INSIGHT_LATENCY,
    INSIGHT_BACKLOG,
    INSIGHT_MISSED_RUN,
    INSIGHT_THROUGHPUT,
    INSIGHT_ERROR_PATTERN,
    INSIGHT_TYPE_COUNT
};
enum insight_severity { INSIGHT_INFO, INSIGHT_WARNING, INSIGHT_CRITICAL };

#define INSIGHT_CONFIDENCE_MIN 0.8
enum { INSIGHTS_MAX = 12, INSIGHT_RECOMMENDATIONS_MAX = 3 };

struct insight {
    enum insight_type type;
    enum insight_severity severity;
    double confidence;
    double weight; /* tasks or runs concerned: ranks equals */
    struct str title, description;
    struct tree data; /* the numbers */
    struct str recommendations[INSIGHT_RECOMMENDATIONS_MAX];
    size_t recommendation_count;
};

/* "failure-rate"; "info". */
[[nodiscard]] const char *insight_type_name(enum insight_type type);
[[nodiscard]] bool insight_type_of(struct str name, enum insight_type *ret_type);
[[nodiscard]] const char *insight_severity_name(enum insight_severity severity);

/*
 * Those of the types in the set (1 << type; 0: all), the gravest first, INSIGHTS_MAX at most. They
 * live in the arena and point into the facts.
 */
[[nodiscard]] const struct insight *insights_find(struct arena *a, const struct facts *f,
                                                  unsigned types, size_t *ret_count);

struct recommendation {
    struct str title, detail;
    enum insight_severity impact;
    double confidence;
    enum insight_type insight_type; /* what it follows from */
};

/* What to do, the most urgent first, each thing once. */
[[nodiscard]] const struct recommendation *
recommendations_find(struct arena *a, const struct facts *f, size_t limit, size_t *ret_count);
