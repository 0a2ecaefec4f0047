/*
 * figures: what roll-ups add up to, and how DashboardStats and trends show it. Plain data.
 */
#pragma once
#include "analyst/histogram.h"
#include "db/rows.h"
#include "gql/gql.h"

/* What happened in a period, of one type or of all. */
struct figures {
    int64_t created, completed, failed;
    struct histogram wait, run;
    double wait_max_s, run_max_s; /* below 0: nothing was measured */
};

[[nodiscard]] struct figures figures_none(void);
/* Adds one row of stats_rollups_step. */
void figures_add_row(struct figures *f, const struct db_rows *rows, size_t row);
/* Adds the counts of an int8[] cell. */
void figures_add_cell(struct histogram *h, struct str cell);

/* Of those that ended; null when none did. */
[[nodiscard]] struct gql_value figures_success_rate(const struct figures *f);
[[nodiscard]] struct gql_value figures_failure_rate(const struct figures *f);
/* `q` of the durations in seconds, at most the longest one (`max_s` below 0: not known); null when
 * none was measured. */
[[nodiscard]] struct gql_value figures_quantile(const struct histogram *h, double max_s, double q);
/* A count as an Int, which ends at 2^31 - 1. */
[[nodiscard]] struct gql_value figures_count(int64_t count);
