#include "gateway/tasks_list.h"

#include "conf/table.h"

/* Whatever the order, ids settle what is equal. Numbers stand in cursors: never used again. */
struct tasks_order {
    const char *name;
    int column; /* the id: no other */
    uint8_t number;
    bool is_descending;
};

static const struct tasks_order orders[] = {
    { "CREATED_DESC", COL_tasks_id, 1, true },         { "CREATED_ASC", COL_tasks_id, 2, false },
    { "UPDATED_DESC", COL_tasks_updated_at, 3, true }, { "RUN_AT_ASC", COL_tasks_run_at, 4, false },
    { "PRIORITY_DESC", COL_tasks_priority, 5, true },
};

const struct tasks_order *tasks_order_of(struct str name)
{
    size_t i = 0;
    while (i < countof(orders) && !str_eq_c(name, orders[i].name))
        i++;
    assert(i < countof(orders));
    return &orders[i];
}

/* By id alone, which is in order of creation. */
static bool order_is_by_id(const struct tasks_order *order)
{
    return order->column == COL_tasks_id;
}

struct list_plan {
    uint64_t columns;
    bool wants_rows, wants_total, wants_edges;
};

/* One parent's page, a TaskConnection. */
struct connection {
    struct page_view view;
    void **objects; /* records, in the order of the list */
    struct edge *edges;
    void **edge_objects; /* NULL: nobody asks for them */
    int64_t total;
};

/* A TaskEdge. */
struct edge {
    const struct page_view *view;
    struct record *task;
    const struct tasks_order *order;
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
    plan->wants_edges = gql_child(f, "edges") != NULL;
    plan->wants_rows = gql_child(f, "nodes") || plan->wants_edges || gql_child(f, "pageInfo");
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

void tasks_list_fail(struct gql_step *step, const char *dearest, const struct err *why)
{
    struct err e = *why;
    if (e.code == ERR_TIMEOUT)
        err_set(&e, ERR_TIMEOUT,
                "%s: looked through too many tasks for the time there is; narrow it, "
                "for instance by createdAfter, type or status",
                dearest);
    (void)gql_step_fail(step, &e);
}

static void got_totals(struct gql_step *step, const struct db_reply *reply)
{
    const struct listing *list = step->host;
    if (reply->err != NULL) {
        tasks_list_fail(step, list->query.dearest, reply->err);
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
    struct db_step count = { select_count_statement(step->arena, &list->select, PAGE_COUNT_MAX),
                             select_count_args(step->arena, &list->select) };
    return await_db_any(step, DB_LANE_SLOW, &count, 1, got_totals);
}

/* ── pages ── */

/* The order's key as a cursor holds it: microseconds of a time, the number of a label. */
static struct cursor_row place_of(const struct tasks_order *order, const struct record *task)
{
    struct cursor_row row = { .id = record_uuid(task, COL_tasks_id) };
    if (order_is_by_id(order))
        return row;
    row.key = tasks_table()->columns[order->column].type == SCHEMA_ENUM
                  ? record_label(task, order->column)
                  : record_time(task, order->column);
    return row;
}

static void show(struct connection *connection, const struct gql_step *step, struct record *records,
                 size_t found)
{
    const struct list_plan *plan = step->field->plan_data;
    const struct listing *list = step->host;
    const struct tasks_order *order = list->query.order;
    size_t count = page_view_init(&connection->view, &list->page, found);
    connection->objects = arena_new_array(step->arena, count, void *);
    for (size_t i = 0; i < count; i++)
        connection->objects[i] = &records[page_view_row(&connection->view, i)];
    if (count > 0) {
        connection->view.first = place_of(order, connection->objects[0]);
        connection->view.last = place_of(order, connection->objects[count - 1]);
    }
    if (!plan->wants_edges)
        return;
    connection->edges = arena_new_array(step->arena, count, struct edge);
    connection->edge_objects = arena_new_array(step->arena, count, void *);
    for (size_t i = 0; i < count; i++) {
        connection->edges[i] = (struct edge){ &connection->view, connection->objects[i], order };
        connection->edge_objects[i] = &connection->edges[i];
    }
}

static void got_pages(struct gql_step *step, const struct db_reply *reply)
{
    const struct list_plan *plan = step->field->plan_data;
    const struct listing *list = step->host;
    if (reply->err != NULL) {
        tasks_list_fail(step, list->query.dearest, reply->err);
        return;
    }
    struct db_rows *rows = reply->rows[0];
    uint64_t columns = list->select.columns;
    struct record *records = record_rows(step->arena, tasks_table(), rows, columns);
    size_t count = db_rows_count(rows), at = 0;
    size_t whose = select_column_count(columns); /* the column behind them */
    for (size_t i = 0; i < step->count; i++) {
        size_t from = at;
        while (at < count &&
               (!list->query.is_of_each || db_rows_i64(rows, at, whose) == (int64_t)i + 1))
            at++;
        show(&list->connections[i], step, records + from, at - from);
    }
    if (plan->wants_total) {
        (void)ask_totals(step);
    } else {
        fill(step);
        gql_step_finish(step);
    }
}

static const struct uuid *parent_ids(const struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++)
        ids[i] = record_uuid(step->parents[i], 0);
    return ids;
}

/* The values of a place, one an order; NULL: no bound. */
static const struct str *bound_of(const struct tasks_order *order, const struct cursor_row *row,
                                  struct arena *a)
{
    const struct schema_column *column = &tasks_table()->columns[order->column];
    if (row == NULL)
        return NULL;
    struct str *values = arena_new_array(a, 2, struct str);
    struct str id = record_cell_of_uuid(a, row->id);
    values[0] = values[1] = id;
    if (order_is_by_id(order))
        return values;
    if (column->type == SCHEMA_ENUM) {
        assert(row->key >= 0 && (size_t)row->key < column->enumeration->label_count);
        values[0] = column->enumeration->labels[row->key].text;
    } else {
        values[0] = record_cell_of_time(a, row->key);
    }
    return values;
}

static void select_pages(struct listing *list, const struct gql_step *step)
{
    const struct list_plan *plan = step->field->plan_data;
    const struct tasks_order *order = list->query.order;
    const struct page *page = &list->page;
    bool is_descending = order->is_descending != page->is_backward;
    struct select_order *by = arena_new_array(step->arena, 2, struct select_order);
    by[0] = (struct select_order){ order->column, is_descending };
    by[1] = (struct select_order){ COL_tasks_id, is_descending };
    list->select = (struct select){
        .table = tasks_table(),
        .columns = plan->columns | SELECT_BIT(order->column),
        .filter = list->query.filter,
        .orders = by,
        .order_count = order_is_by_id(order) ? 1 : 2,
        .after = bound_of(order, page->is_backward ? page->before : page->after, step->arena),
        .until = bound_of(order, page->is_backward ? page->after : page->before, step->arena),
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
    const struct cursor_scope scope = { .list = query->is_of_each ? CURSOR_JOB_RUNS : CURSOR_TASKS,
                                        .order = query->order->number,
                                        .filter = page_filter(query->filter) };
    struct listing *list = arena_new(step->arena, struct listing);
    struct err e;
    list->query = *query;
    step->host = list;
    list->connections = arena_new_array(step->arena, step->count, struct connection);
    if (!page_read(step, &scope, &list->page, &e))
        return gql_step_fail(step, &e);
    select_pages(list, step);
    const struct db_step read = { select_statement(step->arena, &list->select),
                                  select_args(step->arena, &list->select) };
    if (plan->wants_rows)
        return await_db_any(step, query->is_bounded ? DB_LANE_READ : DB_LANE_SLOW, &read, 1,
                            got_pages);
    if (plan->wants_total)
        return ask_totals(step);
    fill(step);
    return GQL_DONE;
}

/* ── Query.tasks ── */

struct task_filter_clock tasks_list_clock(const struct gql_step *step)
{
    const struct conf *conf = await_request(step)->loop->gateway->conf;
    return (struct task_filter_clock){ conf_duration_us(conf, CONF_ID_PAST),
                                       conf_duration_us(conf, CONF_ID_FUTURE) };
}

static enum gql_next resolve_tasks(struct gql_step *step)
{
    const struct task_filter_clock clock = tasks_list_clock(step);
    struct task_filter filter;
    struct err e;
    if (!task_filter_read(gql_arg(step, "filter"), step->arena, &filter, &e))
        return gql_step_fail(step, &e);
    const struct gql_value *order_by = gql_arg(step, "orderBy");
    const struct tasks_order *order =
        tasks_order_of(gql_is_null(order_by) ? STR("CREATED_DESC") : order_by->text);
    bool is_by_id = order_is_by_id(order);
    const struct tasks_list_query query = {
        .filter = task_filter_select(&filter, &clock, step->arena),
        .order = order,
        .is_bounded = is_by_id ? task_filter_is_bounded(&filter) : task_filter_is_few(&filter),
        .dearest = is_by_id || task_filter_needs_table(&filter) != NULL
                       ? task_filter_dearest(&filter)
                       : "orderBy",
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

static void get_edges(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct connection *connection = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(connection->edge_objects, connection->view.count);
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
    *ret_value = gql_bool(connection->total < PAGE_COUNT_MAX);
}

static void get_cursor(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct edge *edge = parent;
    (void)f;
    *ret_value = page_view_cursor(edge->view, ctx, place_of(edge->order, edge->task));
}

static void get_task(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct edge *edge = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(edge->task);
}

const struct gateway_binding bindings_tasks_list[] = {
    { "Query.tasks", { .resolve = resolve_tasks, .prepare = tasks_list_prepare } },
    { "TaskConnection.nodes", { .get = get_nodes } },
    { "TaskConnection.edges", { .get = get_edges } },
    { "TaskConnection.pageInfo", { .get = get_page_info } },
    { "TaskConnection.totalCount", { .get = get_total } },
    { "TaskConnection.totalCountIsExact", { .get = get_is_exact } },
    { "TaskConnection.source", { .get = tasks_get_table_source } },
    { "TaskEdge.cursor", { .get = get_cursor } },
    { "TaskEdge.node", { .get = get_task } },
    { 0 },
};
