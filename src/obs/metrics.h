/*
 * metrics: counters, gauges and histograms, and their text for Prometheus. Every metric and every
 * label value is declared before it is used, so what a scrape costs is known and no id can become
 * a label. Recording is one relaxed atomic addition, to memory that few threads share.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

struct metrics; /* a registry; one a process */
struct metric;  /* one name, with a series for each combination of its label values */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What is recorded; the text always has base units. Histograms have fixed buckets for each. */
enum metric_unit {
    METRIC_PLAIN,   /* buckets 1, 2, 5, 10 … 1000 */
    METRIC_SECONDS, /* recorded in microseconds; buckets 100 us, 250 us, 500 us … 10 s */
    METRIC_BYTES,   /* buckets 64 B, 256 B, 1 KiB … 16 MiB */
};

struct metric_label {
    const char *name;
    const char *const *values;
    size_t value_count;
};

enum { METRIC_LABELS_MAX = 2, METRIC_SERIES_MAX = 512 };

/* What it points to must outlive the registry; literals do. */
struct metric_spec {
    enum metric_type type;
    enum metric_unit unit;
    const char *name; /* "windlass_…", counters end in "_total", units in "_seconds" or "_bytes" */
    const char *help;                              /* one line */
    struct metric_label labels[METRIC_LABELS_MAX]; /* unused ones have no name */
};

[[nodiscard]] struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m); /* accepts NULL */
DEFINE_SCOPED(metrics);

/* Thread: one at a time. Names and labels are checked by assertion: they are the program's own. */
[[nodiscard]] struct metric *metrics_add(struct metrics *m, const struct metric_spec *spec);

/* The series of label values `first` and `second`, indices into what was declared. */
[[nodiscard]] size_t metric_series(const struct metric *metric, size_t first, size_t second);

/* Thread: any, for all of these. `series` is 0 without labels. */
void metric_add(struct metric *metric, size_t series, uint64_t n);         /* COUNTER */
void metric_set(struct metric *metric, size_t series, int64_t value);      /* GAUGE */
void metric_move(struct metric *metric, size_t series, int64_t delta);     /* GAUGE */
void metric_observe(struct metric *metric, size_t series, uint64_t value); /* HISTOGRAM */

/*
 * Appends all metrics, then windlass_build_info and the process_* metrics.
 * Cost: a pass over all series, and four small reads of /proc.  Thread: any.
 */
void metrics_write(const struct metrics *m, struct buf *b);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
