/* Query.auditLog: what was done by whom, the newest first. */
#include "gateway/audit_filter.h"
#include "gateway/bindings.h"
#include "gateway/page.h"
#include "gateway/record.h"
#include "gateway/users.h"

struct audit_plan {
    uint64_t columns;
    bool wants_total;
};

/* An AuditEdge. */
struct edge {
    const struct page_view *view;
    struct record *entry;
};

/* The page while it is read, and then the AuditConnection. */
struct audit {
    struct page page;
    struct select select;
    struct page_view view;
    void **entries, **edges; /* records, and their edges, in the order of the list */
    int64_t total;
};

static const struct schema_table *audit_table(void)
{
    return &schema_public.tables[TABLE_audit_log];
}

static void *prepare(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const nodes[] = { "nodes", NULL }, *const edges[] = { "edges", "node",
                                                                             NULL };
    struct audit_plan *plan = arena_new(plan_arena, struct audit_plan);
    plan->columns = SELECT_BIT(COL_audit_log_id);
    plan->wants_total = gql_child(f, "totalCount") != NULL;
    record_collect(f, nodes, &plan->columns);
    record_collect(f, edges, &plan->columns);
    return plan;
}

/* ── what is asked for ── */

static struct str text_of(const struct gql_value *v)
{
    return gql_is_null(v) ? (struct str){ 0 } : v->text;
}

static bool read_filter(const struct gql_step *step, struct audit_filter *f, struct err *e)
{
    const struct gql_value *actor = gql_arg(step, "actorId"), *from = gql_arg(step, "from"),
                           *to = gql_arg(step, "to");
    *f = (struct audit_filter){ .subject = text_of(gql_arg(step, "subject")),
                                .action = text_of(gql_arg(step, "action")),
                                .search = text_of(gql_arg(step, "search")),
                                .has_actor = !gql_is_null(actor),
                                .has_from = !gql_is_null(from),
                                .has_to = !gql_is_null(to) };
    if (f->has_from)
        f->from_us = from->integer;
    if (f->has_to)
        f->to_us = to->integer;
    return (!f->has_actor || users_read_id("actorId", actor, &f->actor_id, e)) &&
           audit_filter_check(f, e);
}

/* ── reading ── */

static struct cursor_row place_of(const struct record *entry)
{
    return (struct cursor_row){ .id = record_uuid(entry, COL_audit_log_id) };
}

static void got_total(struct gql_step *step, const struct db_reply *reply)
{
    struct audit *audit = step->host;
    audit->total = db_rows_i64(reply->rows[0], 0, 0);
    step->results[0] = gql_object(audit);
    gql_step_finish(step);
}

static void got_page(struct gql_step *step, const struct db_reply *reply)
{
    const struct audit_plan *plan = step->field->plan_data;
    struct audit *audit = step->host;
    struct record *records = record_rows(step->arena, audit_table(), reply->rows[0], plan->columns);
    size_t count = page_view_init(&audit->view, &audit->page, db_rows_count(reply->rows[0]));
    struct edge *edges = arena_new_array(step->arena, count, struct edge);
    audit->entries = arena_new_array(step->arena, count, void *);
    audit->edges = arena_new_array(step->arena, count, void *);
    for (size_t i = 0; i < count; i++) {
        struct record *entry = &records[page_view_row(&audit->view, i)];
        edges[i] = (struct edge){ &audit->view, entry };
        audit->entries[i] = entry;
        audit->edges[i] = &edges[i];
    }
    if (count > 0) {
        audit->view.first = place_of(audit->entries[0]);
        audit->view.last = place_of(audit->entries[count - 1]);
    }
    if (!plan->wants_total) {
        step->results[0] = gql_object(audit);
        gql_step_finish(step);
        return;
    }
    struct db_step total = { select_count_statement(step->arena, &audit->select, PAGE_COUNT_MAX),
                             select_count_args(step->arena, &audit->select) };
    (void)await_search(step, &total, "search", got_total);
}

static const struct str *bound_of(struct arena *a, const struct cursor_row *row)
{
    if (row == NULL)
        return NULL;
    struct str *bound = arena_new(a, struct str);
    *bound = record_cell_of_uuid(a, row->id);
    return bound;
}

static enum gql_next resolve_audit_log(struct gql_step *step)
{
    static const struct select_order newest = { COL_audit_log_id, true },
                                     oldest = { COL_audit_log_id, false };
    const struct audit_plan *plan = step->field->plan_data;
    struct audit *audit = arena_new(step->arena, struct audit);
    struct audit_filter filter;
    bool is_indexed;
    const struct page *page = &audit->page;
    struct err e;
    step->host = audit;
    if (!read_filter(step, &filter, &e))
        return gql_step_fail(step, &e);
    const struct select_filter *all = audit_filter_select(&filter, step->arena, &is_indexed);
    const struct cursor_scope scope = { .list = CURSOR_AUDIT_LOG, .filter = page_filter(all) };
    if (!page_read(step, &scope, &audit->page, &e))
        return gql_step_fail(step, &e);
    audit->select = (struct select){
        .table = audit_table(),
        .columns = plan->columns,
        .filter = all,
        .orders = page->is_backward ? &oldest : &newest,
        .order_count = 1,
        .after = bound_of(step->arena, page->is_backward ? page->before : page->after),
        .until = bound_of(step->arena, page->is_backward ? page->after : page->before),
        .limit = page->size + 1,
    };
    struct db_step read = { select_statement(step->arena, &audit->select),
                            select_args(step->arena, &audit->select) };
    /* One member an index serves in this order; of more, it does not know all. */
    return is_indexed
               ? await_db(step, DB_LANE_READ, &read, 1, got_page)
               : await_search(step, &read, audit_filter_has_search(&filter) ? "search" : "from",
                              got_page);
}

/* ── fields ── */

static enum gql_next resolve_actor(struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++)
        if (!record_is_null(step->parents[i], COL_audit_log_actor_id))
            ids[i] = record_uuid(step->parents[i], COL_audit_log_actor_id);
    return users_resolve_each(step, ids);
}

static void get_nodes(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct audit *audit = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(audit->entries, audit->view.count);
}

static void get_edges(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct audit *audit = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(audit->edges, audit->view.count);
}

static void get_page_info(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    struct audit *audit = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(&audit->view);
}

static void get_total(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct audit *audit = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(audit->total);
}

static void get_cursor(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct edge *edge = parent;
    (void)f;
    *ret_value = page_view_cursor(edge->view, ctx, place_of(edge->entry));
}

static void get_entry(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct edge *edge = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(edge->entry);
}

#define FIELD(column) .data = RECORD_FIELD(SELECT_BIT(COL_audit_log_##column))

const struct gateway_binding bindings_audit[] = {
    { "Query.auditLog", { .resolve = resolve_audit_log, .prepare = prepare } },
    { "AuditConnection.nodes", { .get = get_nodes } },
    { "AuditConnection.edges", { .get = get_edges } },
    { "AuditConnection.pageInfo", { .get = get_page_info } },
    { "AuditConnection.totalCount", { .get = get_total } },
    { "AuditEdge.cursor", { .get = get_cursor } },
    { "AuditEdge.node", { .get = get_entry } },
    { "AuditEntry.id", { .get = record_get_text, FIELD(id) } },
    { "AuditEntry.actor", { .resolve = resolve_actor, .prepare = users_prepare, FIELD(actor_id) } },
    { "AuditEntry.actorLabel", { .get = record_get_text, FIELD(actor_label) } },
    { "AuditEntry.action", { .get = record_get_text, FIELD(action) } },
    { "AuditEntry.subject", { .get = record_get_text, FIELD(subject) } },
    { "AuditEntry.detail", { .get = record_get_json, FIELD(detail) } },
    { "AuditEntry.at", { .get = record_get_time, FIELD(at) } },
    { 0 },
};
