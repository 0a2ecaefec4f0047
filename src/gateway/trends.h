/*
 * trends: Query.historicalTrends. The series are read from roll-ups, users and messages, one
 * statement for each kind; what is said of them is computed on another thread.
 *
 *   read tasks, times, users, messages (those that the metrics need) --> (thread) judge --> answer
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    TREND_METRICS_MAX = 10,
    TREND_POINTS_MAX = 1'500,  /* of one trend: a day of minutes, two months of hours */
    TREND_JUDGED_MAX = 500,    /* the newest points, from which anomalies and forecasts come */
    TREND_FORECAST_MAX = 500,  /* points */
    TREND_JUDGES_WAITING = 32, /* requests, a loop; one is judged at once */
};
