/* analyze_priv: what an analysis works with. For the files of analyze alone. */
#pragma once
#include "analyst/analyze.h"
#include "analyst/forecast.h"
#include "analyst/outlier.h"
#include "analyst/robust.h"

/* What is worked out of one column, for all that is said of it. */
struct analyze_column {
    const struct table_column *column;
    struct str name;
    size_t known;
    const double *sorted;
    size_t named[SEASON_NAMED_MAX], named_count;
    struct robust_trend trend;
    struct outlier_report outliers;
    struct forecast forecast; /* count 0: none was made */
};

struct analyze_work {
    struct arena *arena;
    const struct table *table;
    enum analyze_kind kind;
    size_t horizon;
    struct analysis *analysis;
    struct analyze_column *views;
};

/* Whether the kind is asked for; AUTO asks for all. */
[[nodiscard]] static inline bool analyze_wants(const struct analyze_work *w, enum analyze_kind kind)
{
    return w->kind == kind || w->kind == ANALYZE_AUTO;
}
/* All that stands out, the columns in their order. */
void analyze_find(struct analyze_work *w);
