/* The fields of Trend, TrendPoint and ForecastPoint. */
#include <math.h>

#include "gateway/bindings.h"
#include "gateway/request.h"
#include "gateway/tasks.h"
#include "gateway/trends_priv.h"

const struct str trend_metric_names[TREND_METRIC_COUNT] = {
    [TREND_TASKS_CREATED] = { "TASKS_CREATED", 13 },
    [TREND_TASKS_COMPLETED] = { "TASKS_COMPLETED", 15 },
    [TREND_TASKS_FAILED] = { "TASKS_FAILED", 12 },
    [TREND_FAILURE_RATE] = { "FAILURE_RATE", 12 },
    [TREND_WAIT_P50] = { "WAIT_P50", 8 },
    [TREND_WAIT_P99] = { "WAIT_P99", 8 },
    [TREND_RUN_P50] = { "RUN_P50", 7 },
    [TREND_RUN_P99] = { "RUN_P99", 7 },
    [TREND_USERS_CREATED] = { "USERS_CREATED", 13 },
    [TREND_CHAT_MESSAGES] = { "CHAT_MESSAGES", 13 },
};

/* A double of the trend or the point; NaN: null. */
static void get_number(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    double value;
    (void)ctx;
    memcpy(&value, (const char *)parent + binding_number(f), sizeof value);
    if (isfinite(value))
        *ret_value = gql_float(value);
}

static void get_metric(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct trend *trend = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(trend_metric_names[trend->metric]);
}

static void get_bucket(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct trend *trend = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(trend->bucket);
}

/* Users and messages are the gateway's own. */
static void get_source(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct trend *trend = parent;
    if (trend->metric < TREND_USERS_CREATED)
        tasks_get_table_source(f, ctx, parent, ret_value);
    else
        *ret_value = gql_enum(STR("LIVE"));
}

static void get_points(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct trend *trend = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(trend->objects, trend->count);
}

static void get_forecast(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct trend *trend = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(trend->forecast_objects, trend->forecast_count);
}

static void get_anomalies(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct trend *trend = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(trend->anomalies, trend->anomaly_count);
}

static void get_at(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct trend_point *point = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, point->at_us);
}

#define AT(type, member) .data = BINDING_NUMBER(offsetof(type, member))

const struct gateway_binding bindings_trends[] = {
    { "Query.historicalTrends", { .resolve = trends_resolve } },
    { "Trend.metric", { .get = get_metric } },
    { "Trend.bucket", { .get = get_bucket } },
    { "Trend.source", { .get = get_source } },
    { "Trend.points", { .get = get_points } },
    { "Trend.changePercent", { .get = get_number, AT(struct trend, change_percent) } },
    { "Trend.slopePerBucket", { .get = get_number, AT(struct trend, slope) } },
    { "Trend.forecast", { .get = get_forecast } },
    { "Trend.anomalies", { .get = get_anomalies } },
    { "TrendPoint.at", { .get = get_at } },
    { "TrendPoint.value", { .get = get_number, AT(struct trend_point, value) } },
    { "ForecastPoint.at", { .get = get_at } },
    { "ForecastPoint.value", { .get = get_number, AT(struct trend_point, value) } },
    { "ForecastPoint.low", { .get = get_number, AT(struct trend_point, low) } },
    { "ForecastPoint.high", { .get = get_number, AT(struct trend_point, high) } },
    { 0 },
};
