/* The fields of DashboardStats, which is a reading; what stands below it points into that. */
#include "base/clock.h"
#include "gateway/bindings.h"
#include "gateway/stats_priv.h"
#include "gateway/tasks.h"

enum {
    OF_TOTALS = 1 << STATS_PART_TOTALS,
    OF_OLDEST = 1 << STATS_PART_OLDEST,
    OF_COUNTS = 1 << STATS_PART_COUNTS,
    OF_ROLLUPS = 1 << STATS_PART_ROLLUPS,
    OF_TYPES = OF_COUNTS | 1 << STATS_PART_TYPE_ROLLUPS,
};
/* The parts of the reading that fields are made of; one that is not named here may need all. */
static const struct {
    const char *field;
    unsigned parts;
} parts_of[] = {
    { "users", OF_TOTALS },        { "chatMessages", OF_TOTALS },
    { "jobs", OF_TOTALS },         { "oldestPendingSeconds", OF_OLDEST },
    { "tasks", OF_COUNTS },        { "throughputPerMinute", OF_ROLLUPS },
    { "successRate", OF_ROLLUPS }, { "waitSeconds", OF_ROLLUPS },
    { "runSeconds", OF_ROLLUPS },  { "previous", OF_ROLLUPS },
    { "byType", OF_TYPES },        { "window", 0 },
    { "generatedAt", 0 },          { "source", 0 },
    { "__typename", 0 },
};

static unsigned parts_of_field(struct str name)
{
    for (size_t i = 0; i < countof(parts_of); i++)
        if (str_eq_c(name, parts_of[i].field))
            return parts_of[i].parts;
    return STATS_ALL_PARTS;
}

/* A reading is of one part at least, so that there is an answer to wait for. */
static void *prepare_stats(struct gql_field *f, struct arena *plan_arena)
{
    unsigned *parts = arena_new(plan_arena, unsigned);
    for (uint32_t s = 0; s < f->selection->count; s++)
        for (uint32_t i = 0; i < f->selection->sets[s]->count; i++)
            *parts |= parts_of_field(f->selection->sets[s]->fields[i]->name);
    if (*parts == 0)
        *parts = OF_COUNTS;
    return parts;
}

static double minutes_of(const struct spans_period *period)
{
    return (double)(period->to_us - period->from_us) / (60 * (double)CLOCK_S);
}

static void get_window(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(reading->window);
}

static void get_total(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    (void)ctx;
    *ret_value = figures_count(reading->totals[binding_number(f)]);
}

static void get_jobs_total(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    const int64_t *totals = reading->totals;
    (void)f, (void)ctx;
    *ret_value = figures_count(totals[STATS_JOBS_ACTIVE] + totals[STATS_JOBS_PAUSED] +
                               totals[STATS_JOBS_FAILED]);
}

static void get_self(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

static void get_all_types(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    struct reading *reading = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(&reading->all);
}

static void get_oldest(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    (void)f, (void)ctx;
    if (reading->oldest_pending_s >= 0)
        *ret_value = gql_float(reading->oldest_pending_s);
}

static void get_types(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(reading->type_objects, reading->type_count);
}

static void get_generated(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, reading->generated_at_us);
}

/* ── figures of the window, or of the period before it (a PeriodFigures is the reading, too) ── */

static const struct figures *figures_of(const struct gql_field *f, const struct reading *reading)
{
    return str_eq(gql_type_name(f->parent_type), STR("PeriodFigures")) ? &reading->figures_before
                                                                       : &reading->all.figures;
}

static void get_throughput(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct reading *reading = parent;
    const struct figures *figures = figures_of(f, reading);
    const struct spans_period *period =
        figures == &reading->all.figures ? &reading->now : &reading->before;
    (void)ctx;
    *ret_value = gql_float((double)figures->completed / minutes_of(period));
}

static void get_success_rate(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = figures_success_rate(figures_of(f, parent));
}

static void get_created(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = figures_count(figures_of(f, parent)->created);
}

static void get_completed(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = figures_count(figures_of(f, parent)->completed);
}

static void get_failed(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = figures_count(figures_of(f, parent)->failed);
}

/* A Percentiles. */
struct durations {
    const struct histogram *histogram;
    double max_s;
};

static struct gql_value durations_of(const struct request *r, const struct histogram *histogram,
                                     double max_s)
{
    struct durations *durations = arena_new(r->arena, struct durations);
    *durations = (struct durations){ histogram, max_s };
    return gql_object(durations);
}

static void get_wait(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct figures *figures = figures_of(f, parent);
    *ret_value = durations_of(ctx, &figures->wait, figures->wait_max_s);
}

static void get_run(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct figures *figures = figures_of(f, parent);
    *ret_value = durations_of(ctx, &figures->run, figures->run_max_s);
}

static void get_quantile(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct durations *durations = parent;
    (void)ctx;
    *ret_value =
        figures_quantile(durations->histogram, durations->max_s, binding_number(f) / 100.0);
}

static void get_max(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct durations *durations = parent;
    (void)f, (void)ctx;
    if (durations->max_s >= 0)
        *ret_value = gql_float(durations->max_s);
}

/* ── tasks of one type, or of all ── */

static void get_type_name(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct type_stats *type = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(type->type);
}

static void get_type_run(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct type_stats *type = parent;
    (void)f;
    *ret_value = durations_of(ctx, &type->figures.run, type->figures.run_max_s);
}

static void get_failure_rate(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct type_stats *type = parent;
    (void)f, (void)ctx;
    *ret_value = figures_failure_rate(&type->figures);
}

static void get_task_count(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct type_stats *type = parent;
    (void)ctx;
    *ret_value = figures_count(type->counts[binding_number(f)]);
}

static void get_task_total(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct type_stats *type = parent;
    int64_t total = 0;
    (void)f, (void)ctx;
    for (int i = 0; i < TASK_STATUS_COUNT; i++)
        total += type->counts[i];
    *ret_value = figures_count(total);
}

static void get_is_exact(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct type_stats *type = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(!type->is_capped);
}

#define N(number) .data = BINDING_NUMBER(number)

const struct gateway_binding bindings_stats[] = {
    { "Query.dashboardStats", { .resolve = stats_resolve, .prepare = prepare_stats } },
    { "DashboardStats.users", { .get = get_total, N(STATS_USERS) } },
    { "DashboardStats.chatMessages", { .get = get_total, N(STATS_MESSAGES) } },
    { "DashboardStats.jobs", { .get = get_self } },
    { "JobCounts.total", { .get = get_jobs_total } },
    { "JobCounts.active", { .get = get_total, N(STATS_JOBS_ACTIVE) } },
    { "JobCounts.paused", { .get = get_total, N(STATS_JOBS_PAUSED) } },
    { "JobCounts.failed", { .get = get_total, N(STATS_JOBS_FAILED) } },
    { "DashboardStats.tasks", { .get = get_all_types } },
    { "TaskCounts.total", { .get = get_task_total } },
    { "TaskCounts.pending", { .get = get_task_count, N(TASK_STATUS_PENDING) } },
    { "TaskCounts.inProgress", { .get = get_task_count, N(TASK_STATUS_IN_PROGRESS) } },
    { "TaskCounts.completed", { .get = get_task_count, N(TASK_STATUS_COMPLETED) } },
    { "TaskCounts.failed", { .get = get_task_count, N(TASK_STATUS_FAILED) } },
    { "TaskCounts.exact", { .get = get_is_exact } },
    { "TaskCounts.source", { .get = tasks_get_table_source } },
    { "DashboardStats.window", { .get = get_window } },
    { "DashboardStats.throughputPerMinute", { .get = get_throughput } },
    { "DashboardStats.successRate", { .get = get_success_rate } },
    { "DashboardStats.waitSeconds", { .get = get_wait } },
    { "DashboardStats.runSeconds", { .get = get_run } },
    { "DashboardStats.oldestPendingSeconds", { .get = get_oldest } },
    { "DashboardStats.byType", { .get = get_types } },
    { "DashboardStats.previous", { .get = get_self } },
    { "DashboardStats.generatedAt", { .get = get_generated } },
    { "DashboardStats.source", { .get = tasks_get_table_source } },
    { "PeriodFigures.created", { .get = get_created } },
    { "PeriodFigures.completed", { .get = get_completed } },
    { "PeriodFigures.failed", { .get = get_failed } },
    { "PeriodFigures.throughputPerMinute", { .get = get_throughput } },
    { "PeriodFigures.successRate", { .get = get_success_rate } },
    { "PeriodFigures.waitSeconds", { .get = get_wait } },
    { "PeriodFigures.runSeconds", { .get = get_run } },
    { "Percentiles.p50", { .get = get_quantile, N(50) } },
    { "Percentiles.p90", { .get = get_quantile, N(90) } },
    { "Percentiles.p99", { .get = get_quantile, N(99) } },
    { "Percentiles.max", { .get = get_max } },
    { "TaskTypeStats.type", { .get = get_type_name } },
    { "TaskTypeStats.counts", { .get = get_self } },
    { "TaskTypeStats.runSeconds", { .get = get_type_run } },
    { "TaskTypeStats.failureRate", { .get = get_failure_rate } },
    { 0 },
};
