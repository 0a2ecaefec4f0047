/* stats_priv: a reading of the dashboard's figures, for stats.c, which makes it, and
 * stats_fields.c, which shows it. */
#pragma once
#include "gateway/figures.h"
#include "gateway/spans.h"
#include "schema/entities.h"

/* Tasks of one type, or of all. */
struct type_stats {
    struct str type;
    int64_t counts[TASK_STATUS_COUNT];
    bool is_capped;         /* some count stopped before the end */
    struct figures figures; /* of the window */
};

/* A DashboardStats. */
struct reading {
    struct arena *arena;
    size_t refs;
    struct str window;
    struct spans_period now, before;
    struct type_stats all, *types;
    struct figures figures_before;
    void **type_objects;
    size_t type_count;
    int64_t totals[STATS_OLDEST_PENDING];
    double oldest_pending_s; /* below 0: nothing is pending */
    int64_t generated_at_us; /* wall */
    int64_t fresh_until_us;
};

struct gql_step;
/* The field's results are readings; see stats.h. */
enum gql_next stats_resolve(struct gql_step *step);
