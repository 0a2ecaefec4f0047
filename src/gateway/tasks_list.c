#include "gateway/tasks_list.h"

#include "conf/table.h"
#include "gateway/task_filter.h"

enum { TOTAL_MAX = 10'001 }; /* 10,000 exactly, then "more" */

struct list_plan {
    uint64_t columns;
    bool wants_rows, wants_total;
};

/* One parent's page, a TaskConnection. */
struct connection {
    struct page_view view;
    void **objects; /* records, in the order of the list */
    int64_t total;
};

/* A step's pages while they are read. */
struct listing {
    struct tasks_list_query query;
    struct page page;
    struct select select;
    struct connection *connections; /* one a parent */
};

void *tasks_list_prepare(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const nodes[] = { "nodes", NULL }, *const edges[] = { "edges", "node",
                                                                             NULL };
    struct list_plan *plan = arena_new(plan_arena, struct list_plan);
    plan->columns = SELECT_BIT(COL_tasks_id);
    plan->wants_rows = gql_child(f, "nodes") || gql_child(f, "edges") || gql_child(f, "pageInfo");
    plan->wants_total = gql_child(f, "totalCount") || gql_child(f, "totalCountIsExact");
    record_collect(f, nodes, &plan->columns);
    record_collect(f, edges, &plan->columns);
    return plan;
}

static void fill(struct gql_step *step)
{
    const struct listing *list = step->host;
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_object(&list->connections[i]);
}

/* A slow list that took too long says which filter made it slow. */
static void failed(struct gql_step *step, const struct err *why)
{
    const struct listing *list = step->host;
    struct err e = *why;
    if (e.code == ERR_TIMEOUT)
        err_set(&e, ERR_TIMEOUT,
                "%s: looked through too many tasks for the time there is; narrow it, "
                "for instance by createdAfter, type or status",
                list->query.dearest);
    (void)gql_step_fail(step, &e);
}

static void got_totals(struct gql_step *step, const struct db_reply *reply)
{
    const struct listing *list = step->host;
    if (reply->err != NULL) {
        failed(step, reply->err);
        return;
    }
    for (size_t i = 0; i < step->count; i++)
        list->connections[i].total = db_rows_i64(reply->rows[0], i, 0);
    fill(step);
    gql_step_finish(step);
}

static enum gql_next ask_totals(struct gql_step *step)
{
    const struct listing *list = step->host;
    struct db_step count = { select_count_statement(step->arena, &list->select, TOTAL_MAX),
                             select_count_args(step->arena, &list->select) };
    return await_db_any(step, DB_LANE_SLOW, &count, 1, got_totals);
}

/* ── pages ── */

static void show(struct connection *connection, const struct listing *list, struct arena *a,
                 struct record *records, size_t found)
{
    size_t count = page_view_init(&connection->view, CURSOR_TASKS, &list->page, found);
    connection->objects = arena_new_array(a, count, void *);
    for (size_t i = 0; i < count; i++)
        connection->objects[i] = &records[page_view_row(&connection->view, i)];
    if (count == 0)
        return;
    connection->view.first = record_uuid(connection->objects[0], COL_tasks_id);
    connection->view.last = record_uuid(connection->objects[count - 1], COL_tasks_id);
}

static void got_pages(struct gql_step *step, const struct db_reply *reply)
{
    const struct list_plan *plan = step->field->plan_data;
    const struct listing *list = step->host;
    if (reply->err != NULL) {
        failed(step, reply->err);
        return;
    }
    struct db_rows *rows = reply->rows[0];
    struct record *records = record_rows(step->arena, tasks_table(), rows, plan->columns);
    size_t count = db_rows_count(rows), at = 0;
    size_t whose = select_column_count(plan->columns); /* the column behind them */
    for (size_t i = 0; i < step->count; i++) {
        size_t from = at;
        while (at < count &&
               (!list->query.is_of_each || db_rows_i64(rows, at, whose) == (int64_t)i + 1))
            at++;
        show(&list->connections[i], list, step->arena, records + from, at - from);
    }
    if (plan->wants_total) {
        (void)ask_totals(step);
    } else {
        fill(step);
        gql_step_finish(step);
    }
}

/* The bound that the page's own direction does not give, beside the filter. */
static const struct select_filter *bounded_filter(const struct listing *list, struct arena *a)
{
    const struct page *page = &list->page;
    const struct uuid *bound = page->is_backward ? page->after : page->before;
    if (bound == NULL)
        return list->query.filter;
    struct select_filter *all = arena_new(a, struct select_filter);
    struct select_filter *items = arena_new_array(a, 2, struct select_filter);
    bool is_above = list->query.is_ascending == page->is_backward;
    items[0] = (struct select_filter){ .op = is_above ? SELECT_GREATER : SELECT_LESS,
                                       .column = COL_tasks_id,
                                       .value = record_cell_of_uuid(a, *bound) };
    *all = (struct select_filter){ .op = SELECT_ALL, .items = items, .item_count = 1 };
    if (list->query.filter != NULL)
        items[all->item_count++] = *list->query.filter;
    return all;
}

static const struct uuid *parent_ids(const struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++)
        ids[i] = record_uuid(step->parents[i], 0);
    return ids;
}

static void select_pages(struct listing *list, const struct gql_step *step)
{
    static const struct select_order ascending = { COL_tasks_id, false };
    static const struct select_order descending = { COL_tasks_id, true };
    const struct list_plan *plan = step->field->plan_data;
    const struct page *page = &list->page;
    const struct uuid *from = page->is_backward ? page->before : page->after;
    struct str *after = NULL;
    if (from != NULL) {
        after = arena_new(step->arena, struct str);
        *after = record_cell_of_uuid(step->arena, *from);
    }
    list->select = (struct select){
        .table = tasks_table(),
        .columns = plan->columns,
        .filter = bounded_filter(list, step->arena),
        .orders = list->query.is_ascending == page->is_backward ? &descending : &ascending,
        .order_count = 1,
        .after = after,
        .limit = page->size + 1,
    };
    if (!list->query.is_of_each)
        return;
    list->select.parents = parent_ids(step);
    list->select.parent_count = step->count;
    list->select.each_column = list->query.each_column;
}

enum gql_next tasks_list_read(struct gql_step *step, const struct tasks_list_query *query)
{
    const struct list_plan *plan = step->field->plan_data;
    const struct cursor_key *key = &await_request(step)->loop->gateway->cursor_key;
    struct listing *list = arena_new(step->arena, struct listing);
    struct err e;
    list->query = *query;
    step->host = list;
    list->connections = arena_new_array(step->arena, step->count, struct connection);
    if (!page_read(step, key, CURSOR_TASKS, &list->page, &e))
        return gql_step_fail(step, &e);
    select_pages(list, step);
    const struct db_step read = { select_statement(step->arena, &list->select),
                                  select_args(step->arena, &list->select) };
    list->select.filter = query->filter; /* the total is of the filter, whatever page is shown */
    if (plan->wants_rows)
        return await_db_any(step, query->is_bounded ? DB_LANE_READ : DB_LANE_SLOW, &read, 1,
                            got_pages);
    if (plan->wants_total)
        return ask_totals(step);
    fill(step);
    return GQL_DONE;
}

/* ── Query.tasks ── */

static enum gql_next resolve_tasks(struct gql_step *step)
{
    const struct conf *conf = await_request(step)->loop->gateway->conf;
    const struct task_filter_clock clock = { conf_duration_us(conf, CONF_ID_PAST),
                                             conf_duration_us(conf, CONF_ID_FUTURE) };
    struct task_filter filter;
    struct err e;
    if (!task_filter_read(gql_arg(step, "filter"), step->arena, &filter, &e))
        return gql_step_fail(step, &e);
    const struct tasks_list_query query = {
        .filter = task_filter_select(&filter, &clock, step->arena),
        .is_ascending = str_eq(gql_arg(step, "orderBy")->text, STR("CREATED_ASC")),
        .is_bounded = task_filter_is_bounded(&filter),
        .dearest = task_filter_dearest(&filter),
    };
    return tasks_list_read(step, &query);
}

static void get_nodes(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct connection *connection = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(connection->objects, connection->view.count);
}

static void get_page_info(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    struct connection *connection = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(&connection->view);
}

static void get_total(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct connection *connection = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(connection->total);
}

static void get_is_exact(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct connection *connection = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(connection->total < TOTAL_MAX);
}

static void get_source(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct request *r = ctx;
    (void)f, (void)parent;
    *ret_value = tasks_source(r->loop);
}

static void get_cursor(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct request *r = ctx;
    (void)f;
    *ret_value = gql_text(cursor_make(&r->loop->gateway->cursor_key, CURSOR_TASKS,
                                      record_uuid(parent, COL_tasks_id), r->arena));
}

static void get_self(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

const struct gateway_binding bindings_tasks_list[] = {
    { "Query.tasks", { .resolve = resolve_tasks, .prepare = tasks_list_prepare } },
    { "TaskConnection.nodes", { .get = get_nodes } },
    { "TaskConnection.edges", { .get = get_nodes } },
    { "TaskConnection.pageInfo", { .get = get_page_info } },
    { "TaskConnection.totalCount", { .get = get_total } },
    { "TaskConnection.totalCountIsExact", { .get = get_is_exact } },
    { "TaskConnection.source", { .get = get_source } },
    { "TaskEdge.cursor", { .get = get_cursor } },
    { "TaskEdge.node", { .get = get_self } },
    { 0 },
};
