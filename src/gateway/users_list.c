/* Query.users and its pages. */
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/page.h"
#include "gateway/record.h"
#include "gateway/users.h"

struct users_plan {
    uint64_t columns;
    bool wants_total;
};

static void *prepare_users(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const nodes[] = { "nodes", NULL }, *const edges[] = { "edges", "node",
                                                                             NULL };
    static const char *const *const paths[] = { nodes, edges, NULL };
    struct users_plan *plan = arena_new(plan_arena, struct users_plan);
    plan->columns = users_columns_below(f, paths);
    plan->wants_total = gql_child(f, "totalCount") != NULL;
    return plan;
}

/* A user in a page, and its UserEdge. */
struct paged_user {
    struct user_row user;
    const struct page_view *view;
};

/* The page while it is read, and then the UserConnection. */
struct users_page {
    struct page page;
    struct select select;
    struct page_view view;
    void **objects; /* paged users, in the order of the list */
    int64_t total;
};

static struct cursor_row place_of(const struct user_row *user)
{
    return (struct cursor_row){ .id = users_object_id(user) };
}

static void read_page(struct users_page *page, const struct gql_step *step, struct db_rows *rows)
{
    size_t count = page_view_init(&page->view, &page->page, db_rows_count(rows));
    struct paged_user *users = arena_new_array(step->arena, count, struct paged_user);
    page->objects = arena_new_array(step->arena, count, void *);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < count; i++) {
        users[i] = (struct paged_user){ { rows, page_view_row(&page->view, i) }, &page->view };
        page->objects[i] = &users[i].user;
    }
    if (count > 0) {
        page->view.first = place_of(&users[0].user);
        page->view.last = place_of(&users[count - 1].user);
    }
}

static void got_total(struct gql_step *step, const struct db_reply *reply)
{
    struct users_page *page = step->host;
    page->total = db_rows_i64(reply->rows[0], 0, 0);
    step->results[0] = gql_object(page);
    gql_step_finish(step);
}

static void got_page(struct gql_step *step, const struct db_reply *reply)
{
    const struct users_plan *plan = step->field->plan_data;
    struct users_page *page = step->host;
    read_page(page, step, reply->rows[0]);
    if (!plan->wants_total) {
        step->results[0] = gql_object(page);
        gql_step_finish(step);
        return;
    }
    struct db_step count = { select_count_statement(step->arena, &page->select, PAGE_COUNT_MAX),
                             select_count_args(step->arena, &page->select) };
    (void)await_search(step, &count, "search", got_total);
}

/* Email or name contains it; NULL: all. */
static const struct select_filter *users_filter(struct arena *a, const struct gql_value *search)
{
    static const int columns[] = { COL_users_email, COL_users_name };
    if (gql_is_null(search) || str_is_empty(str_trim(search->text)))
        return NULL;
    struct select_filter *either = arena_new(a, struct select_filter);
    struct select_filter *items = arena_new_array(a, countof(columns), struct select_filter);
    for (size_t i = 0; i < countof(columns); i++)
        items[i] = (struct select_filter){ .op = SELECT_CONTAINS,
                                           .column = columns[i],
                                           .value = str_trim(search->text) };
    *either =
        (struct select_filter){ .op = SELECT_ANY, .items = items, .item_count = countof(columns) };
    return either;
}

static const struct str *bound_of(struct arena *a, const struct cursor_row *row)
{
    if (row == NULL)
        return NULL;
    struct str *bound = arena_new(a, struct str);
    *bound = record_cell_of_uuid(a, row->id);
    return bound;
}

static enum gql_next resolve_users(struct gql_step *step)
{
    static const struct select_order forward = { COL_users_id, false };
    static const struct select_order backward = { COL_users_id, true };
    const struct users_plan *plan = step->field->plan_data;
    const struct gql_value *search = gql_arg(step, "search");
    struct users_page *list = arena_new(step->arena, struct users_page);
    const struct page *page = &list->page;
    struct err e;
    step->host = list;
    if (!gql_is_null(search) && !check_search("search", search->text, &e))
        return gql_step_fail(step, &e);
    const struct select_filter *filter = users_filter(step->arena, search);
    const struct cursor_scope scope = { .list = CURSOR_USERS, .filter = page_filter(filter) };
    if (!page_read(step, &scope, &list->page, &e))
        return gql_step_fail(step, &e);
    list->select = (struct select){
        .table = users_table(),
        .columns = plan->columns,
        .filter = filter,
        .orders = page->is_backward ? &backward : &forward,
        .order_count = 1,
        .after = bound_of(step->arena, page->is_backward ? page->before : page->after),
        .until = bound_of(step->arena, page->is_backward ? page->after : page->before),
        .limit = page->size + 1,
    };
    struct db_step read = { select_statement(step->arena, &list->select),
                            select_args(step->arena, &list->select) };
    return filter != NULL ? await_search(step, &read, "search", got_page)
                          : await_db(step, DB_LANE_READ, &read, 1, got_page);
}

static void get_nodes(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct users_page *page = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(page->objects, page->view.count);
}

static void get_total(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct users_page *page = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(page->total);
}

static void get_self(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

static void get_page_info(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    struct users_page *page = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(&page->view);
}

static void get_cursor(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct paged_user *paged = container_of(parent, struct paged_user, user);
    (void)f;
    *ret_value = page_view_cursor(paged->view, ctx, place_of(&paged->user));
}

const struct gateway_binding bindings_users_list[] = {
    { "Query.users", { .resolve = resolve_users, .prepare = prepare_users } },
    { "UserConnection.nodes", { .get = get_nodes } },
    { "UserConnection.edges", { .get = get_nodes } },
    { "UserConnection.pageInfo", { .get = get_page_info } },
    { "UserConnection.totalCount", { .get = get_total } },
    { "UserEdge.cursor", { .get = get_cursor } },
    { "UserEdge.node", { .get = get_self } },
    { 0 },
};
