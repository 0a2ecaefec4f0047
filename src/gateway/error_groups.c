/*
 * Query.errorGroups: the groups by one statement, their samples by another. A group whose sample
 * was deleted between the two is left out: what it counted is going, too.
 */
#include "base/clock.h"
#include "base/map.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/spans.h"
#include "gateway/tasks.h"
#include "store/public/error_group.h"

enum { GROUPS_MAX = 100, TYPE_CHARS_MAX = 200 };

/* An ErrorGroup. */
struct error_group {
    const struct db_rows *rows;
    size_t row;
    struct record *sample; /* NULL: not asked for, or not found */
};

struct groups {
    struct error_group *items;
    size_t count;
};

static void *prepare_groups(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const sample[] = { "sample", NULL };
    uint64_t columns = 0;
    record_collect(f, sample, &columns);
    return gql_child(f, "sample") ? record_plan_of(tasks_table(), columns, plan_arena) : NULL;
}

static struct uuid sample_id(const struct error_group *group)
{
    return db_rows_uuid(group->rows, group->row, ERROR_GROUP_SAMPLE);
}

static void finish(struct gql_step *step)
{
    const struct groups *groups = step->host;
    void **objects = arena_new_array(step->arena, groups->count, void *);
    size_t shown = 0;
    for (size_t i = 0; i < groups->count; i++)
        if (step->field->plan_data == NULL || groups->items[i].sample != NULL)
            objects[shown++] = &groups->items[i];
    step->results[0] = gql_objects(objects, shown);
    gql_step_finish(step);
}

static void got_samples(struct gql_step *step, const struct db_reply *reply)
{
    const struct record_plan *plan = step->field->plan_data;
    const struct groups *groups = step->host;
    size_t count = db_rows_count(reply->rows[0]);
    struct record *records = record_rows(step->arena, plan->table, reply->rows[0], plan->columns);
    scoped(map_destroyp) struct map *by_id = map_create();
    for (size_t n = 0; n < count; n++) {
        struct uuid id = record_uuid(&records[n], COL_tasks_id);
        (void)map_put(by_id, uuid_bytes(&id), &records[n]);
    }
    for (size_t i = 0; i < groups->count; i++) {
        struct uuid id = sample_id(&groups->items[i]);
        groups->items[i].sample = map_get(by_id, uuid_bytes(&id));
    }
    finish(step);
}

static void ask_samples(struct gql_step *step)
{
    const struct groups *groups = step->host;
    struct uuid *ids = arena_new_array(step->arena, groups->count, struct uuid);
    for (size_t i = 0; i < groups->count; i++)
        ids[i] = sample_id(&groups->items[i]);
    struct db_step by_ids =
        record_by_ids_step(step->field->plan_data, step->arena, ids, groups->count);
    (void)await_db(step, DB_LANE_READ, &by_ids, 1, got_samples);
}

static void got_groups(struct gql_step *step, const struct db_reply *reply)
{
    struct groups *groups = step->host;
    if (reply->err != NULL) {
        struct err e = *reply->err;
        if (e.code == ERR_TIMEOUT)
            err_set(&e, ERR_TIMEOUT,
                    "window: there are too many groups for the time there is; narrow it by a "
                    "shorter one, or by taskType");
        (void)gql_step_fail(step, &e);
        return;
    }
    groups->count = db_rows_count(reply->rows[0]);
    groups->items = arena_new_array(step->arena, groups->count, struct error_group);
    db_rows_keep(reply->rows[0], step->arena);
    for (size_t i = 0; i < groups->count; i++)
        groups->items[i] = (struct error_group){ .rows = reply->rows[0], .row = i };
    if (step->field->plan_data != NULL && groups->count > 0)
        ask_samples(step);
    else
        finish(step);
}

static bool read_type(const struct gql_value *given, struct arena *a, const struct str **ret_type,
                      struct err *e)
{
    *ret_type = NULL;
    if (gql_is_null(given))
        return true;
    struct str *type = arena_new(a, struct str);
    *type = given->text;
    *ret_type = type;
    return check_label("taskType", *type, TYPE_CHARS_MAX, e);
}

static enum gql_next resolve_groups(struct gql_step *step)
{
    const struct gql_value *window = gql_arg(step, "window"), *limit = gql_arg(step, "limit");
    const struct str *type;
    int64_t window_s;
    struct err e;
    if (!spans_read_window(gql_is_null(window) ? STR("24h") : window->text, &window_s, &e) ||
        !read_type(gql_arg(step, "taskType"), step->arena, &type, &e))
        return gql_step_fail(step, &e);
    if (gql_is_null(limit) || limit->integer < 0 || limit->integer > GROUPS_MAX) {
        err_set(&e, ERR_INVALID, "limit: must be 0 to %d", GROUPS_MAX);
        return gql_step_fail(step, &e);
    }
    step->host = arena_new(step->arena, struct groups);
    struct stats_range ranges[SPANS_COUNT];
    const struct error_group_query query = {
        .ranges = ranges,
        .range_count = spans_of_errors(clock_wall_us(), window_s, ranges),
        .type = type,
        .count_max = (size_t)limit->integer,
    };
    struct db_step list = error_group_list_step(step->arena, &query);
    return await_db_any(step, DB_LANE_SLOW, &list, 1, got_groups);
}

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct error_group *group = parent;
    (void)ctx;
    *ret_value = gql_text(db_rows_text(group->rows, group->row, (size_t)binding_number(f)));
}

static void get_count(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct error_group *group = parent;
    (void)f, (void)ctx;
    int64_t count = db_rows_i64(group->rows, group->row, ERROR_GROUP_COUNT);
    *ret_value = gql_int(min_of(count, (int64_t)INT32_MAX));
}

static void get_time(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct error_group *group = parent;
    const struct request *r = ctx;
    *ret_value =
        binding_time(r->arena, db_rows_time(group->rows, group->row, (size_t)binding_number(f)));
}

static void get_sample(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct error_group *group = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(group->sample);
}

#define N(number) .data = BINDING_NUMBER(number)

const struct gateway_binding bindings_error_groups[] = {
    { "Query.errorGroups", { .resolve = resolve_groups, .prepare = prepare_groups } },
    { "ErrorGroup.type", { .get = get_text, N(ERROR_GROUP_TYPE) } },
    { "ErrorGroup.template", { .get = get_text, N(ERROR_GROUP_TEMPLATE) } },
    { "ErrorGroup.count", { .get = get_count } },
    { "ErrorGroup.firstAt", { .get = get_time, N(ERROR_GROUP_FIRST_AT) } },
    { "ErrorGroup.lastAt", { .get = get_time, N(ERROR_GROUP_LAST_AT) } },
    { "ErrorGroup.sample", { .get = get_sample } },
    { 0 },
};
