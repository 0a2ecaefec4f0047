/*
 * Query.mirrorAudits, SystemHealth.mirrorAudits, Mutation.auditMirrors: how the comparisons of the
 * copies of tasks and jobs with the worker's ended, and the wish for one now, which the gateway
 * that keeps them fulfils.
 */
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/mirror_priv.h"
#include "store/public/mirror_audit.h"

/* A MirrorAudit. */
struct audit_view {
    const struct db_rows *rows;
    size_t row;
    const struct json_value *report; /* NULL: none has ended */
};

enum { NAME, ASKED_AT, BEGAN_AT, ENDED_AT, REPORT };

static void show(struct gql_step *step, struct db_rows *rows)
{
    size_t count = db_rows_count(rows);
    struct audit_view *views = arena_new_array(step->arena, count, struct audit_view);
    void **objects = arena_new_array(step->arena, count, void *);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct err e;
        views[i] = (struct audit_view){ .rows = rows, .row = i };
        objects[i] = &views[i];
        if (!db_rows_is_null(rows, i, REPORT) &&
            !json_parse(step->arena, db_rows_text(rows, i, REPORT), &views[i].report, &e))
            views[i].report = NULL;
    }
    step->results[0] = gql_objects(objects, count);
    gql_step_finish(step);
}

static void got_audits(struct gql_step *step, const struct db_reply *reply)
{
    show(step, reply->rows[reply->rows_count - 1]);
}

/* One a shard. */
static const struct str *names_of(const struct gql_step *step, size_t *ret_count)
{
    size_t count = await_request(step)->loop->gateway->shard_count;
    struct str *names = arena_new_array(step->arena, count, struct str);
    for (size_t i = 0; i < count; i++) {
        char name[MIRROR_NAME_MAX];
        mirror_name(i, name);
        names[i] = arena_copy(step->arena, str_of_c(name));
    }
    *ret_count = count;
    return names;
}

static enum gql_next resolve_audits(struct gql_step *step)
{
    size_t count;
    const struct str *names = names_of(step, &count);
    const struct db_step read = mirror_audit_read_step(step->arena, names, count);
    return await_db(step, DB_LANE_READ, &read, 1, got_audits);
}

/* A look at the system's health says no more than this of a database that is away. */
static enum gql_next resolve_of_health(struct gql_step *step)
{
    if (await_request(step)->loop->is_database_up)
        return resolve_audits(step);
    step->results[0] = gql_null();
    return GQL_DONE;
}

static enum gql_next resolve_ask(struct gql_step *step)
{
    size_t count;
    const struct str *names = names_of(step, &count);
    const struct db_step steps[] = { mirror_audit_ask_step(step->arena, names, count),
                                     mirror_audit_read_step(step->arena, names, count) };
    return await_db(step, DB_LANE_WRITE, steps, countof(steps), got_audits);
}

static void get_mirror(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct audit_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(db_rows_text(view->rows, view->row, NAME));
}

static void get_time(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct audit_view *view = parent;
    const struct request *r = ctx;
    size_t column = (size_t)binding_number(f);
    if (!db_rows_is_null(view->rows, view->row, column))
        *ret_value = binding_time(r->arena, db_rows_time(view->rows, view->row, column));
}

/* Of the member that has the field's name. */
static void get_figure(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct audit_view *view = parent;
    const struct json_value *member = json_get(view->report, f->name);
    int64_t number;
    (void)ctx;
    if (member != NULL && json_to_i64(member, &number))
        *ret_value = gql_int(min_of(number, (int64_t)INT32_MAX));
}

static void get_error(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct audit_view *view = parent;
    const struct json_value *member = json_get_c(view->report, "error");
    (void)f, (void)ctx;
    if (member != NULL && member->type == JSON_STRING)
        *ret_value = gql_text(member->text);
}

#define N(number) .data = BINDING_NUMBER(number)

const struct gateway_binding bindings_mirror_audit[] = {
    { "Query.mirrorAudits", { .resolve = resolve_audits } },
    { "SystemHealth.mirrorAudits", { .resolve = resolve_of_health } },
    { "Mutation.auditMirrors", { .resolve = resolve_ask } },
    { "MirrorAudit.mirror", { .get = get_mirror } },
    { "MirrorAudit.askedAt", { .get = get_time, N(ASKED_AT) } },
    { "MirrorAudit.beganAt", { .get = get_time, N(BEGAN_AT) } },
    { "MirrorAudit.endedAt", { .get = get_time, N(ENDED_AT) } },
    { "MirrorAudit.days", { .get = get_figure } },
    { "MirrorAudit.rows", { .get = get_figure } },
    { "MirrorAudit.missing", { .get = get_figure } },
    { "MirrorAudit.extra", { .get = get_figure } },
    { "MirrorAudit.wrong", { .get = get_figure } },
    { "MirrorAudit.jobs", { .get = get_figure } },
    { "MirrorAudit.counts", { .get = get_figure } },
    { "MirrorAudit.error", { .get = get_error } },
    { 0 },
};
