/*
 * Query.taskCounts: from the mirror's counters where they can tell; else every status is counted,
 * to 10,000.
 */
#include "gateway/bindings.h"
#include "gateway/stats_priv.h"
#include "gateway/task_filter.h"
#include "gateway/tasks_list.h"

/* What is counted, and what is to be said when that takes too long. */
struct counting {
    struct task_filter filter;
    struct type_stats counts;
};

static void got_counters(struct gql_step *step, const struct db_reply *reply)
{
    const struct schema_enum *labels = &schema_public.enums[ENUM_task_status];
    const struct db_rows *rows = reply->rows[0];
    struct counting *counting = step->host;
    uint32_t statuses = task_filter_statuses(&counting->filter);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int status = schema_label_of(labels, db_rows_text(rows, i, STATS_COUNT_STATUS));
        assert(status >= 0);
        if (statuses & UINT32_C(1) << status &&
            task_filter_has_type(&counting->filter, db_rows_text(rows, i, STATS_COUNT_TYPE)))
            counting->counts.counts[status] += db_rows_i64(rows, i, STATS_COUNT);
    }
    step->results[0] = gql_object(&counting->counts);
    gql_step_finish(step);
}

static void got_counts(struct gql_step *step, const struct db_reply *reply)
{
    struct counting *counting = step->host;
    if (reply->err != NULL) {
        tasks_list_fail(step, task_filter_dearest(&counting->filter), reply->err);
        return;
    }
    for (int status = 0; status < TASK_STATUS_COUNT; status++) {
        int64_t count = db_rows_i64(reply->rows[0], 0, (size_t)status);
        counting->counts.counts[status] = count;
        counting->counts.is_capped |= count == PAGE_COUNT_MAX;
    }
    step->results[0] = gql_object(&counting->counts);
    gql_step_finish(step);
}

static enum gql_next resolve_counts(struct gql_step *step)
{
    struct counting *counting = arena_new(step->arena, struct counting);
    const struct task_filter *filter = &counting->filter;
    struct err e;
    step->host = counting;
    if (!task_filter_read(gql_arg(step, "filter"), step->arena, &counting->filter, &e))
        return gql_step_fail(step, &e);
    if (task_filter_is_counted(filter)) {
        struct db_step counters = stats_task_counts_step();
        return await_db(step, DB_LANE_READ, &counters, 1, got_counters);
    }
    const struct task_filter_clock clock = tasks_list_clock(step);
    const struct select select = { .table = tasks_table(),
                                   .filter = task_filter_select(filter, &clock, step->arena) };
    struct db_step count = { select_label_counts_statement(step->arena, &select, COL_tasks_status,
                                                           PAGE_COUNT_MAX),
                             select_count_args(step->arena, &select) };
    return await_db_any(step, task_filter_is_few(filter) ? DB_LANE_READ : DB_LANE_SLOW, &count, 1,
                        got_counts);
}

const struct gateway_binding bindings_task_counts[] = {
    { "Query.taskCounts", { .resolve = resolve_counts } },
    { 0 },
};
