#include "gateway/audit_filter.h"

#include "base/clock.h"
#include "gateway/check.h"
#include "gateway/record.h"

enum { SUBJECT_CHARS_MAX = 400, ACTION_CHARS_MAX = 100, CONDITIONS_MAX = 8 };
/* How far the gateways' clocks, which make the ids, may be from the database's. */
static const int64_t id_slack_us = INT64_C(3600) * CLOCK_S;

bool audit_filter_check(const struct audit_filter *f, struct err *e)
{
    return (f->subject.ptr == NULL || check_label("subject", f->subject, SUBJECT_CHARS_MAX, e)) &&
           (f->action.ptr == NULL || check_label("action", f->action, ACTION_CHARS_MAX, e)) &&
           (f->search.ptr == NULL || check_search("search", f->search, e));
}

struct conditions {
    struct arena *a;
    struct select_filter items[CONDITIONS_MAX];
    size_t count;
};

static void add(struct conditions *c, enum select_op op, int column, struct str value)
{
    assert(c->count < CONDITIONS_MAX);
    c->items[c->count++] = (struct select_filter){ .op = op, .column = column, .value = value };
}

static void add_search(struct conditions *c, struct str text)
{
    static const int columns[] = { COL_audit_log_action, COL_audit_log_subject,
                                   COL_audit_log_actor_label, COL_audit_log_detail };
    struct select_filter *any = arena_new_array(c->a, countof(columns), struct select_filter);
    for (size_t i = 0; i < countof(columns); i++)
        any[i] =
            (struct select_filter){ .op = SELECT_CONTAINS, .column = columns[i], .value = text };
    assert(c->count < CONDITIONS_MAX);
    c->items[c->count++] =
        (struct select_filter){ .op = SELECT_ANY, .items = any, .item_count = countof(columns) };
}

static void add_time(struct conditions *c, enum select_op op, int64_t bound_us)
{
    int64_t slack_us = op == SELECT_GREATER ? -id_slack_us : id_slack_us;
    /* From that time on: the columns hold whole microseconds. */
    add(c, op, COL_audit_log_at,
        record_cell_of_time(c->a, op == SELECT_GREATER ? bound_us - 1 : bound_us));
    add(c, op, COL_audit_log_id, record_cell_of_uuid(c->a, uuid_floor(bound_us + slack_us)));
}

const struct select_filter *audit_filter_select(const struct audit_filter *f, struct arena *a,
                                                bool *ret_is_indexed)
{
    struct conditions *c = arena_new(a, struct conditions);
    struct select_filter *all = arena_new(a, struct select_filter);
    bool has_search = audit_filter_has_search(f);
    c->a = a;
    if (f->subject.ptr != NULL)
        add(c, SELECT_EQ, COL_audit_log_subject, f->subject);
    if (f->has_actor)
        add(c, SELECT_EQ, COL_audit_log_actor_id, record_cell_of_uuid(a, f->actor_id));
    if (f->action.ptr != NULL)
        add(c, SELECT_EQ, COL_audit_log_action, f->action);
    if (f->has_from)
        add_time(c, SELECT_GREATER, f->from_us);
    if (f->has_to)
        add_time(c, SELECT_LESS, f->to_us);
    if (has_search)
        add_search(c, str_trim(f->search));
    *all = (struct select_filter){ .op = SELECT_ALL, .items = c->items, .item_count = c->count };
    *ret_is_indexed = c->count <= 1 && !has_search;
    return all;
}
