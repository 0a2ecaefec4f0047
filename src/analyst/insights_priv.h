/* insights_priv: how the rules add what they found. For the files of insights alone. */
#pragma once
#include "analyst/insights.h"

struct insight_list {
    struct arena *arena;
    const struct facts *facts;
    struct insight *items;
    size_t count, capacity;
    size_t looks; /* places each rule searches */
    /* Types whose failures one insight explains already. */
    struct str *explained;
    size_t explained_count;
};

/* Adds one with its data still empty; NULL below INSIGHT_CONFIDENCE_MIN. The pointer lives until
 * the next call. */
[[nodiscard]] struct insight *insights_add(struct insight_list *list, enum insight_type type,
                                           enum insight_severity severity, double confidence);
void insight_advise(struct insight *in, struct str text);

/* The rules. */
void insights_of_failures(struct insight_list *list);
void insights_of_errors(struct insight_list *list); /* after failures */
void insights_of_latency(struct insight_list *list);
void insights_of_throughput(struct insight_list *list);
void insights_of_backlog(struct insight_list *list);
void insights_of_jobs(struct insight_list *list);

/* Sums over buckets [from, to). */
[[nodiscard]] double insights_sum(const double *buckets, size_t from, size_t to);
/* The last bucket that has passed wholly; false where there is none. */
[[nodiscard]] bool insights_last_whole(const struct facts *f, size_t *ret_bucket);
/* A type's name within a sentence. */
[[nodiscard]] struct str insights_name(struct insight_list *list, struct str type);
/* "the last 2 h": from the beginning of the bucket to now. */
[[nodiscard]] struct str insights_since(struct insight_list *list, size_t bucket);
