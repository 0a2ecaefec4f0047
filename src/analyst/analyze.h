/*
 * analyze: data in, what can be said of it out: figures, a trend, what does not fit, what comes
 * next. Pure. Source: docs/protocol.md, POST /v1/analyze.
 */
#pragma once
#include "analyst/insights.h"
#include "analyst/table.h"
#include "analyst/tree.h"

enum analyze_kind {
    ANALYZE_AUTO, /* everything that the data allows */
    ANALYZE_SUMMARY,
    ANALYZE_ANOMALIES,
    ANALYZE_TREND,
    ANALYZE_FORECAST,
    ANALYZE_CORRELATION,
    ANALYZE_KIND_COUNT
};

enum {
    ANALYZE_FINDINGS_MAX = 20,
    ANALYZE_SERIES_POINTS_MAX = 1'000, /* a column; longer ones are thinned for the chart */
};

struct finding {
    struct str title, detail;
    enum insight_severity severity;
    int64_t at_us;     /* 0: of no time */
    double confidence; /* NaN: it is a plain figure */
    struct json_value data;
};

struct analysis {
    enum analyze_kind kind;
    struct str summary;
    struct finding findings[ANALYZE_FINDINGS_MAX];
    size_t finding_count, findings_left_out;
    struct json_value statistics, series; /* null: there is none */
    double confidence;                    /* the least of the findings'; NaN without any */
};

/* "anomalies". */
[[nodiscard]] const char *analyze_kind_name(enum analyze_kind kind);
[[nodiscard]] bool analyze_kind_of(struct str name, enum analyze_kind *ret_kind);

/*
 * `horizon` is how many points to forecast; 0 is none, FORECAST_HORIZON_MAX the most.
 *
 * Errors: INVALID where the data are too few for the kind; AUTO leaves out what cannot be said.
 * Cost:   up to seconds for TABLE_ROWS_MAX rows of many columns: not for a loop's thread.
 */
[[nodiscard]] bool analyze(struct arena *a, const struct table *t, enum analyze_kind kind,
                           size_t horizon, struct analysis *ret_analysis, struct err *e);
