#include "gateway/trends_priv.h"

#include <math.h>

#include "base/clock.h"
#include "gateway/await.h"
#include "gateway/figures.h"
#include "gateway/spans.h"
#include "io/offload.h"
#include "schema/entities.h"

enum { TASK_TYPE_BYTES_MAX = 800, JUDGE_BYTES = 64 << 20 };

struct bucket_kind {
    struct str name;
    int64_t bucket_s, span_s; /* and the roll-ups that it is made of */
    int64_t points;           /* where no beginning is given */
};
static const struct bucket_kind bucket_kinds[] = {
    { { "MINUTE", 6 }, SPAN_MINUTE_S, SPAN_MINUTE_S, 60 },
    { { "HOUR", 4 }, SPAN_HOUR_S, SPAN_HOUR_S, 48 },
    { { "DAY", 3 }, SPAN_DAY_S, SPAN_DAY_S, 30 },
    { { "WEEK", 4 }, SPAN_WEEK_S, SPAN_DAY_S, 12 },
};

/* The kinds of rows that metrics are made of, read one after the other. */
enum series_kind { SERIES_TASKS, SERIES_TIMES, SERIES_USERS, SERIES_MESSAGES, SERIES_COUNT };
static const enum series_kind series_of[TREND_METRIC_COUNT] = {
    [TREND_TASKS_CREATED] = SERIES_TASKS, [TREND_TASKS_COMPLETED] = SERIES_TASKS,
    [TREND_TASKS_FAILED] = SERIES_TASKS,  [TREND_FAILURE_RATE] = SERIES_TASKS,
    [TREND_WAIT_P50] = SERIES_TIMES,      [TREND_WAIT_P99] = SERIES_TIMES,
    [TREND_RUN_P50] = SERIES_TIMES,       [TREND_RUN_P99] = SERIES_TIMES,
    [TREND_USERS_CREATED] = SERIES_USERS, [TREND_CHAT_MESSAGES] = SERIES_MESSAGES,
};

/* What one bucket holds of each kind. */
struct sums {
    int64_t created, completed, failed, users, messages;
    bool is_gap; /* nobody counted */
    struct trend_times wait, run;
};

/* One historicalTrends, from its arguments to its answer. */
struct history {
    struct gql_step *step;
    const struct bucket_kind *kind;
    struct stats_buckets buckets;
    size_t count; /* of buckets */
    int64_t now_us;
    unsigned needs; /* a set of series_kind; those still to be read */
    enum series_kind reading;
    struct sums *sums;
    struct trend *trends;
    void **objects;
    size_t trend_count;
    struct trend_wishes wishes;
    struct arena *judge_arena; /* the thread's */
};

/* ── arguments ── */

static bool read_metrics(struct history *h, struct err *e)
{
    const struct gql_value *metrics = gql_arg(h->step, "metrics");
    if (metrics->count == 0 || metrics->count > TREND_METRICS_MAX)
        return err_set(e, ERR_INVALID, "metrics: 1 to %d, not %u", TREND_METRICS_MAX,
                       metrics->count);
    h->trends = arena_new_array(h->step->arena, metrics->count, struct trend);
    h->objects = arena_new_array(h->step->arena, metrics->count, void *);
    for (uint32_t i = 0; i < metrics->count; i++)
        for (int metric = 0; metric < TREND_METRIC_COUNT; metric++)
            if (str_eq(trend_metric_names[metric], metrics->items[i].text)) {
                h->trends[i] = (struct trend){ .metric = (enum trend_metric)metric,
                                               .bucket = h->kind->name,
                                               .bucket_s = h->kind->bucket_s };
                h->objects[i] = &h->trends[i];
                h->needs |= 1U << series_of[metric];
                h->buckets.has_waits |= metric == TREND_WAIT_P50 || metric == TREND_WAIT_P99;
                h->buckets.has_runs |= metric == TREND_RUN_P50 || metric == TREND_RUN_P99;
            }
    h->trend_count = metrics->count;
    return true;
}

/* Full buckets that hold `from` and `to`, none of which lies ahead. */
static bool read_times(struct history *h, struct err *e)
{
    const struct gql_value *from = gql_arg(h->step, "from"), *to = gql_arg(h->step, "to");
    int64_t bucket_us = h->kind->bucket_s * CLOCK_S;
    int64_t to_us = gql_is_null(to) ? h->now_us : min_of(to->integer, h->now_us);
    int64_t end_us = spans_floor(to_us + bucket_us - 1, h->kind->bucket_s);
    int64_t from_us = gql_is_null(from) ? end_us - h->kind->points * bucket_us : from->integer;
    if (from_us >= to_us)
        return err_set(e, ERR_INVALID, "from: must be before %s",
                       gql_is_null(to) || to->integer > h->now_us ? "now" : "to");
    from_us = spans_floor(from_us, h->kind->bucket_s);
    if ((end_us - from_us) / bucket_us > TREND_POINTS_MAX)
        return err_set(e, ERR_LIMIT, "from: at most %d points, not %lld; take a longer bucket",
                       TREND_POINTS_MAX, (long long)((end_us - from_us) / bucket_us));
    h->count = (size_t)((end_us - from_us) / bucket_us);
    h->buckets.from_us = from_us;
    h->buckets.to_us = end_us;
    return true;
}

static bool read_arguments(struct history *h, struct err *e)
{
    const struct gql_value *bucket = gql_arg(h->step, "bucket");
    const struct gql_value *type = gql_arg(h->step, "taskType");
    const struct gql_value *forecast = gql_arg(h->step, "forecast");
    struct str name = gql_is_null(bucket) ? STR("HOUR") : bucket->text;
    for (size_t i = 0; i < countof(bucket_kinds); i++)
        if (str_eq(bucket_kinds[i].name, name))
            h->kind = &bucket_kinds[i];
    h->buckets.bucket_s = h->kind->bucket_s;
    h->buckets.span_s = h->kind->span_s;
    if (!gql_is_null(type)) {
        if (type->text.len > TASK_TYPE_BYTES_MAX ||
            (type->text.len > 0 && memchr(type->text.ptr, '\0', type->text.len)))
            return err_set(e, ERR_INVALID, "taskType: no type has U+0000 or more than %d bytes",
                           TASK_TYPE_BYTES_MAX);
        h->buckets.task_type = type->text;
    }
    int64_t points = gql_is_null(forecast) ? 0 : forecast->integer;
    if (points < 0 || points > TREND_FORECAST_MAX)
        return err_set(e, ERR_INVALID, "forecast: must be 0 to %d points, not %lld",
                       TREND_FORECAST_MAX, (long long)points);
    h->wishes = (struct trend_wishes){
        .anomalies = gql_child(h->step->field, "anomalies") != NULL,
        .change = gql_child(h->step->field, "changePercent") != NULL,
        .slope = gql_child(h->step->field, "slopePerBucket") != NULL,
        .forecast = gql_child(h->step->field, "forecast") != NULL ? (size_t)points : 0,
    };
    return read_metrics(h, e) && read_times(h, e);
}

/* ── answer ── */

static void answer(struct history *h)
{
    h->step->results[0] = gql_objects(h->objects, h->trend_count);
    gql_step_finish(h->step);
}

static void judge(void *owner)
{
    struct history *h = owner;
    for (size_t i = 0; i < h->trend_count; i++)
        trend_judge(&h->trends[i], &h->wishes, h->judge_arena);
}

static void judged(void *owner)
{
    answer(owner);
}

static void destroy_arena(void *owned)
{
    arena_destroy(owned);
}

static double value_of(enum trend_metric metric, const struct sums *sums)
{
    int64_t ended = sums->completed + sums->failed;
    switch (metric) {
    case TREND_TASKS_CREATED:
        return sums->is_gap ? (double)NAN : (double)sums->created;
    case TREND_TASKS_COMPLETED:
        return sums->is_gap ? (double)NAN : (double)sums->completed;
    case TREND_TASKS_FAILED:
        return sums->is_gap ? (double)NAN : (double)sums->failed;
    case TREND_FAILURE_RATE:
        return ended > 0 ? (double)sums->failed / (double)ended : (double)NAN;
    case TREND_WAIT_P50:
        return trend_times_quantile(&sums->wait, 0.5);
    case TREND_WAIT_P99:
        return trend_times_quantile(&sums->wait, 0.99);
    case TREND_RUN_P50:
        return trend_times_quantile(&sums->run, 0.5);
    case TREND_RUN_P99:
        return trend_times_quantile(&sums->run, 0.99);
    case TREND_USERS_CREATED:
        return (double)sums->users;
    case TREND_CHAT_MESSAGES:
        return (double)sums->messages;
    case TREND_METRIC_COUNT:
        break;
    }
    return NAN;
}

static void make_points(const struct history *h, struct trend *trend)
{
    struct arena *a = h->step->arena;
    int64_t bucket_us = h->kind->bucket_s * CLOCK_S;
    trend->points = arena_new_array(a, h->count, struct trend_point);
    trend->objects = arena_new_array(a, h->count, void *);
    trend->count = h->count;
    for (size_t i = 0; i < h->count; i++) {
        trend->points[i].at_us = h->buckets.from_us + (int64_t)i * bucket_us;
        trend->points[i].value = value_of(trend->metric, &h->sums[i]);
        trend->objects[i] = &trend->points[i];
        if (trend->points[i].at_us + bucket_us <= h->now_us)
            trend->whole_count = i + 1;
    }
}

/* What began before that was counted, and is not kept any more. */
static int64_t kept_from_us(const struct history *h)
{
    const struct conf *conf = await_request(h->step)->loop->gateway->conf;
    if (h->buckets.span_s == SPAN_DAY_S)
        return INT64_MIN;
    return h->now_us - conf_duration_us(conf, h->buckets.span_s == SPAN_HOUR_S
                                                  ? CONF_HOURS_RETENTION
                                                  : CONF_MINUTES_RETENTION);
}

static void tell_trends(struct history *h)
{
    const struct trend_wishes *w = &h->wishes;
    const int64_t from_us = kept_from_us(h);
    struct err e;
    for (size_t i = 0; i < h->count; i++)
        if (h->buckets.from_us + (int64_t)i * h->kind->bucket_s * CLOCK_S < from_us)
            h->sums[i].is_gap = true;
    for (size_t i = 0; i < h->trend_count; i++)
        make_points(h, &h->trends[i]);
    if (!w->anomalies && !w->change && !w->slope && w->forecast == 0) {
        answer(h);
        return;
    }
    h->judge_arena = arena_create(JUDGE_BYTES);
    arena_defer(h->step->arena, destroy_arena, h->judge_arena);
    if (!io_offload_submit(await_request(h->step)->loop->judges, judge, judged, h, &e))
        (void)gql_step_fail(h->step, &e);
}

/* ── reading ── */

static void read_next(struct history *h);

static void add_tasks(struct sums *sums, const struct db_rows *rows, size_t row)
{
    sums->is_gap |= db_rows_bool(rows, row, STATS_TREND_IS_GAP);
    if (!db_rows_bool(rows, row, STATS_TREND_IS_COUNTED))
        return;
    sums->created += db_rows_i64(rows, row, STATS_TREND_CREATED);
    sums->completed += db_rows_i64(rows, row, STATS_TREND_COMPLETED);
    sums->failed += db_rows_i64(rows, row, STATS_TREND_FAILED);
}

/* The place among the buckets; false: it is in none. */
static bool find_bucket(const struct history *h, int64_t at_us, size_t *ret_bucket)
{
    int64_t bucket_us = h->kind->bucket_s * CLOCK_S;
    if (at_us < h->buckets.from_us || at_us >= h->buckets.to_us)
        return false;
    *ret_bucket = (size_t)((at_us - h->buckets.from_us) / bucket_us);
    return true;
}

static void take_times(const struct history *h, const struct db_rows *rows)
{
    struct str ats = db_rows_text(rows, 0, STATS_TREND_ATS),
               waits = db_rows_text(rows, 0, STATS_TREND_WAIT),
               runs = db_rows_text(rows, 0, STATS_TREND_RUN), cell;
    struct arena *a = h->step->arena;
    int64_t at_us;
    size_t bucket;
    while (trend_times_next(&ats, &at_us)) {
        bool is_one = find_bucket(h, at_us, &bucket);
        if (trend_times_cell(&waits, &cell) && is_one)
            trend_times_add(&h->sums[bucket].wait, a, cell);
        if (trend_times_cell(&runs, &cell) && is_one)
            trend_times_add(&h->sums[bucket].run, a, cell);
    }
}

static void add_row(const struct history *h, struct sums *sums, const struct db_rows *rows,
                    size_t row)
{
    switch (h->reading) {
    case SERIES_TASKS:
        add_tasks(sums, rows, row);
        break;
    case SERIES_USERS:
        sums->users = db_rows_i64(rows, row, STATS_TREND_COUNT);
        break;
    case SERIES_MESSAGES:
        sums->messages = db_rows_i64(rows, row, STATS_TREND_COUNT);
        break;
    case SERIES_TIMES:
    case SERIES_COUNT:
        break;
    }
}

static void got_series(struct gql_step *step, const struct db_reply *reply)
{
    struct history *h = step->host;
    const struct db_rows *rows = reply->rows[0];
    db_rows_keep(reply->rows[0], step->arena);
    if (h->reading == SERIES_TIMES) {
        take_times(h, rows);
        read_next(h);
        return;
    }
    for (size_t row = 0; row < db_rows_count(rows); row++) {
        size_t bucket;
        if (find_bucket(h, db_rows_i64(rows, row, STATS_TREND_AT_S) * CLOCK_S, &bucket))
            add_row(h, &h->sums[bucket], rows, row);
    }
    read_next(h);
}

static struct db_step series_step(const struct history *h)
{
    struct arena *a = h->step->arena;
    switch (h->reading) {
    case SERIES_TASKS:
        return stats_trend_tasks_step(a, &h->buckets);
    case SERIES_TIMES:
        return stats_trend_times_step(a, &h->buckets);
    case SERIES_USERS:
        return stats_trend_users_step(a, &h->buckets);
    case SERIES_MESSAGES:
    case SERIES_COUNT:
        break;
    }
    return stats_trend_messages_step(a, &h->buckets);
}

static void read_next(struct history *h)
{
    if (h->needs == 0) {
        tell_trends(h);
        return;
    }
    h->reading = (enum series_kind)__builtin_ctz(h->needs);
    h->needs &= h->needs - 1;
    const struct db_step step = series_step(h);
    (void)await_db(h->step, DB_LANE_SLOW, &step, 1, got_series);
}

enum gql_next trends_resolve(struct gql_step *step)
{
    struct history *h = arena_new(step->arena, struct history);
    struct err e;
    *h = (struct history){ .step = step, .now_us = clock_wall_us() };
    step->host = h;
    if (!read_arguments(h, &e))
        return gql_step_fail(step, &e);
    h->sums = arena_new_array(step->arena, h->count, struct sums);
    read_next(h);
    return GQL_WAIT;
}
