/* insights, dashboardInsights, dismissInsight, and what a DashboardInsight shows. */
#include "base/clock.h"
#include "gateway/await_ai.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/facts.h"
#include "gateway/insights_priv.h"
#include "gateway/users.h"
#include "json/writer.h"
#include "store/public/insight.h"

enum { REASON_CHARS_MAX = 1'000, TYPES_MAX = 20 };

/* ── DashboardInsight ── */

enum view_member { VIEW_ID, VIEW_TYPE, VIEW_TITLE, VIEW_DESCRIPTION, VIEW_REASON };

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    const struct str members[] = { [VIEW_ID] = view->id,
                                   [VIEW_TYPE] = view->type,
                                   [VIEW_TITLE] = view->title,
                                   [VIEW_DESCRIPTION] = view->description,
                                   [VIEW_REASON] = view->dismissed_reason };
    struct str text = members[binding_number(f)];
    (void)ctx;
    if (text.ptr != NULL)
        *ret_value = gql_text(text);
}

static void get_severity(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(view->severity);
}

static void get_state(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(view->state);
}

static void get_data(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    (void)f, (void)ctx;
    if (!str_is_empty(view->data_json))
        *ret_value = gql_raw(view->data_json);
}

static void get_confidence(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = insight_confidence_value(view->confidence);
}

static void get_advice(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    const struct request *r = ctx;
    struct gql_value *items = arena_new_array(r->arena, view->advice_count, struct gql_value);
    (void)f;
    for (size_t i = 0; i < view->advice_count; i++)
        items[i] = gql_text(view->advice[i]);
    *ret_value = gql_list(items, view->advice_count);
}

static void get_created(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, view->created_at_us);
}

static void get_updated(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct insight_view *view = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, view->updated_at_us);
}

/* ── InsightsAnswer ── */

static void get_insights(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct insights_answer *answer = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(answer->views.objects, answer->views.count);
}

static void get_generated(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct insights_answer *answer = parent;
    const struct request *r = ctx;
    (void)f;
    if (answer->generated_at_us > 0)
        *ret_value = binding_time(r->arena, answer->generated_at_us);
}

static void get_next(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct insights_answer *answer = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, answer->next_at_us);
}

static void get_is_cached(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct insights_answer *answer = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(answer->is_cached);
}

static void get_is_stale(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct insights_answer *answer = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(answer->is_stale);
}

/* ── insights: check --> gather facts --> ask ai ── */

static bool ai_answered(void *owner, const struct json_value *answer, const struct err *failure)
{
    struct gql_step *step = owner;
    struct insight_views views;
    struct err e;
    bool is_read = failure == NULL && insight_views_of_json(step->arena, answer, &views, &e);
    if (is_read) {
        step->results[0] = gql_objects(views.objects, views.count);
        gql_step_finish(step);
    } else {
        (void)gql_step_fail(step, failure != NULL ? failure : &e);
    }
    return is_read;
}

static struct str insights_body(const struct gql_step *step, struct str facts)
{
    const struct gql_value *types = gql_arg(step, "types");
    struct buf body;
    struct json_writer w = json_writer_to(&body);
    buf_init(&body, 0);
    json_begin_object(&w);
    json_key_c(&w, "facts");
    json_write_raw(&w, facts);
    json_key_c(&w, "types");
    json_begin_array(&w);
    for (uint32_t i = 0; !gql_is_null(types) && i < types->count; i++)
        json_write_string(&w, types->items[i].text);
    json_end_array(&w);
    json_end_object(&w);
    struct str text = arena_copy(step->arena, buf_str(&body));
    buf_clear(&body);
    return text;
}

static void gathered(void *owner, struct str facts, const struct err *failure)
{
    struct gql_step *step = owner;
    if (failure != NULL)
        (void)gql_step_fail(step, failure);
    else
        (void)await_ai(step, "/v1/insights", insights_body(step, facts), ai_answered);
}

static enum gql_next resolve_insights(struct gql_step *step)
{
    const struct request *r = await_request(step);
    const struct gql_value *types = gql_arg(step, "types"), *since = gql_arg(step, "sinceHours");
    int64_t hours = gql_is_null(since) ? 24 : since->integer;
    struct err e;
    if (hours < 1 || hours > FACTS_HOURS_MAX) {
        err_set(&e, ERR_INVALID, "sinceHours: must be 1 to %d, not %lld", FACTS_HOURS_MAX,
                (long long)hours);
        return gql_step_fail(step, &e);
    }
    if (!gql_is_null(types) && types->count > TYPES_MAX) {
        err_set(&e, ERR_LIMIT, "types: must be at most %d", TYPES_MAX);
        return gql_step_fail(step, &e);
    }
    if (!facts_gather(r->loop, step->arena, (int)hours, r->deadline_us - AWAIT_MARGIN_US, gathered,
                      step, &e))
        return gql_step_fail(step, &e);
    return GQL_WAIT;
}

/* ── dismissInsight ── */

static void dismissed(struct gql_step *step, const struct db_reply *reply)
{
    struct insight_views views;
    struct err e;
    if (db_rows_count(reply->rows[0]) == 0) {
        err_set(&e, ERR_NOT_FOUND, "id: there is no such insight that is open");
        (void)gql_step_fail(step, &e);
        return;
    }
    db_rows_keep(reply->rows[0], step->arena);
    insight_views_of_rows(step->arena, reply->rows[0], &views);
    step->results[0] = gql_object(views.objects[0]);
    gql_step_finish(step);
}

static enum gql_next resolve_dismiss(struct gql_step *step)
{
    const struct gql_value *reason = gql_arg(step, "reason"), *until = gql_arg(step, "until");
    struct uuid id;
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &id, &e))
        return gql_step_fail(step, &e);
    if (!gql_is_null(reason) &&
        (check_chars(reason->text) > REASON_CHARS_MAX || str_find_char(reason->text, '\0') >= 0)) {
        err_set(&e, ERR_INVALID, "reason: must have at most %d characters, none of them U+0000",
                REASON_CHARS_MAX);
        return gql_step_fail(step, &e);
    }
    if (!gql_is_null(until) && until->integer <= clock_wall_us()) {
        err_set(&e, ERR_INVALID, "until: has passed already");
        return gql_step_fail(step, &e);
    }
    struct db_step dismiss =
        insight_dismiss_step(step->arena, id, gql_is_null(reason) ? NULL : &reason->text,
                             gql_is_null(until) ? NULL : &until->integer);
    return await_db(step, DB_LANE_WRITE, &dismiss, 1, dismissed);
}

const struct gateway_binding bindings_insights[] = {
    { "Query.insights", { .resolve = resolve_insights } },
    { "Query.dashboardInsights", { .resolve = insights_resolve_dashboard } },
    { "Mutation.dismissInsight", { .resolve = resolve_dismiss } },
    { "InsightsAnswer.insights", { .get = get_insights } },
    { "InsightsAnswer.generatedAt", { .get = get_generated } },
    { "InsightsAnswer.cached", { .get = get_is_cached } },
    { "InsightsAnswer.nextAt", { .get = get_next } },
    { "InsightsAnswer.stale", { .get = get_is_stale } },
    { "DashboardInsight.id", { .get = get_text, .data = BINDING_NUMBER(VIEW_ID) } },
    { "DashboardInsight.type", { .get = get_text, .data = BINDING_NUMBER(VIEW_TYPE) } },
    { "DashboardInsight.title", { .get = get_text, .data = BINDING_NUMBER(VIEW_TITLE) } },
    { "DashboardInsight.description",
      { .get = get_text, .data = BINDING_NUMBER(VIEW_DESCRIPTION) } },
    { "DashboardInsight.severity", { .get = get_severity } },
    { "DashboardInsight.data", { .get = get_data } },
    { "DashboardInsight.confidence", { .get = get_confidence } },
    { "DashboardInsight.recommendations", { .get = get_advice } },
    { "DashboardInsight.state", { .get = get_state } },
    { "DashboardInsight.dismissedReason",
      { .get = get_text, .data = BINDING_NUMBER(VIEW_REASON) } },
    { "DashboardInsight.createdAt", { .get = get_created } },
    { "DashboardInsight.updatedAt", { .get = get_updated } },
    { 0 },
};
