/* insights_priv: between what computes insights and the fields that show them. */
#pragma once
#include "gateway/await.h"
#include "gateway/insight_view.h"

/* An InsightsAnswer. */
struct insights_answer {
    struct insight_views views;
    int64_t generated_at_us; /* 0: never */
    int64_t next_at_us;
    bool is_cached, is_stale;
};

enum {
    INSIGHTS_PAUSE_US = 30 * 1000 * 1000
}; /* after a failure of ai, while there are older ones */

/* Query.dashboardInsights. */
enum gql_next insights_resolve_dashboard(struct gql_step *step);

/* Open insights of a list, for fields that show one beside something else. */
[[nodiscard]] struct db_step insights_list_step(const struct gateway_loop *loop, struct arena *a);
