/* stats_priv: a reading of the dashboard's figures, for stats.c, which makes it, stats_fields.c,
 * which shows it, and stats_watch.c, which tells it again and again. */
#pragma once
#include "base/err.h"
#include "base/list.h"
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

void reading_ref(struct reading *reading);
void reading_unref(void *reading); /* a struct reading; accepts NULL */

struct stats_board;

/* What a reading is made of, a statement each; sets of them are bits 1 << part. */
enum stats_part {
    STATS_PART_TOTALS,
    STATS_PART_COUNTS,
    STATS_PART_ROLLUPS,
    STATS_PART_TYPE_ROLLUPS,
    STATS_PARTS
};
enum { STATS_ALL_PARTS = (1 << STATS_PARTS) - 1 };

/* Of one who asks for a reading; he keeps it alive. */
struct stats_waiter {
    struct list link;
    /* `reading` NULL: `e` says why. Comes once, never from within stats_ask. */
    void (*fn)(void *owner, struct reading *reading, const struct err *e);
    void *owner;
};

/*
 * `parts`, at least one, are what is looked at of it; others may be all zero.
 * `*ret_reading`: one that is fresh and was generated at `since_us` (wall) or later; NULL: the
 * waiter's `fn` comes, unless he is forgotten.
 *
 * Errors: INVALID for the window; UNAVAILABLE, RATE: then `fn` never comes.
 */
[[nodiscard]] bool stats_ask(struct stats_board *board, struct str window, unsigned parts,
                             int64_t since_us, struct stats_waiter *waiter,
                             struct reading **ret_reading, struct err *e);
void stats_forget(struct stats_waiter *waiter); /* harmless when he does not wait */

struct gql_step;
/* The field's results are readings, of the parts that its plan_data points to; see stats.h. */
enum gql_next stats_resolve(struct gql_step *step);
