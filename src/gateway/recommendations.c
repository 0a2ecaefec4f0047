/*
 * Query.recommendations.
 *
 *   gather facts --> ask ai --> read the insights that they follow from
 */
#include "gateway/await_ai.h"
#include "gateway/bindings.h"
#include "gateway/facts.h"
#include "gateway/insights_priv.h"

enum { RECOMMENDATIONS_MAX = 100, RECOMMENDATION_HOURS = 7 * 24 };

struct recommendation_view {
    struct str title, detail, impact, insight_type;
    double confidence;
    struct insight_view *insight; /* NULL: none that is open */
};

struct recommendations {
    struct recommendation_view *items;
    void **objects;
    size_t count;
};

static bool read_recommendations(struct arena *a, const struct json_value *answer, size_t limit,
                                 struct recommendations *ret_list)
{
    const struct json_value *list = json_get_c(answer, "recommendations");
    if (list == NULL || list->type != JSON_ARRAY)
        return false;
    size_t count = min_of(list->item_count, limit);
    struct recommendation_view *items = arena_new_array(a, count, struct recommendation_view);
    *ret_list = (struct recommendations){ items, arena_new_array(a, count, void *), count };
    for (size_t i = 0; i < count; i++) {
        const struct json_value *v = &list->items[i];
        struct recommendation_view *r = &items[i];
        ret_list->objects[i] = r;
        if (v->type != JSON_OBJECT ||
            !insight_text_of(json_get_c(v, "title"), 1, INSIGHT_TITLE_CHARS_MAX, &r->title) ||
            !insight_text_of(json_get_c(v, "detail"), 0, INSIGHT_TEXT_CHARS_MAX, &r->detail) ||
            !insight_severity_of(json_get_c(v, "impact"), &r->impact) ||
            !insight_confidence_of(json_get_c(v, "confidence"), &r->confidence))
            return false;
        (void)insight_text_of(json_get_c(v, "insight_type"), 1, INSIGHT_TYPE_CHARS_MAX,
                              &r->insight_type);
    }
    return true;
}

static void finish_recommendations(struct gql_step *step)
{
    const struct recommendations *list = step->host;
    step->results[0] = gql_objects(list->objects, list->count);
    gql_step_finish(step);
}

static void got_insights(struct gql_step *step, const struct db_reply *reply)
{
    const struct recommendations *list = step->host;
    struct insight_views views;
    db_rows_keep(reply->rows[0], step->arena);
    insight_views_of_rows(step->arena, reply->rows[0], &views);
    for (size_t i = 0; i < list->count; i++)
        for (size_t k = 0; k < views.count && list->items[i].insight == NULL; k++)
            if (str_eq(views.items[k].type, list->items[i].insight_type))
                list->items[i].insight = &views.items[k];
    finish_recommendations(step);
}

static bool got_recommendations(void *owner, const struct json_value *answer,
                                const struct err *failure)
{
    struct gql_step *step = owner;
    struct recommendations *list = arena_new(step->arena, struct recommendations);
    struct err e;
    step->host = list;
    if (failure != NULL) {
        (void)gql_step_fail(step, failure);
        return false;
    }
    if (!read_recommendations(step->arena, answer, (size_t)gql_arg(step, "limit")->integer, list)) {
        await_ai_no_answer(&e);
        (void)gql_step_fail(step, &e);
        return false;
    }
    if (gql_child(step->field, "insight") == NULL) {
        finish_recommendations(step);
    } else {
        struct db_step open = insights_list_step(await_request(step)->loop, step->arena);
        (void)await_db(step, DB_LANE_READ, &open, 1, got_insights);
    }
    return true;
}

static void gathered(void *owner, struct str facts, const struct err *failure)
{
    struct gql_step *step = owner;
    if (failure != NULL) {
        (void)gql_step_fail(step, failure);
        return;
    }
    struct str body = arena_printf(step->arena, "{\"limit\":%lld,\"facts\":%.*s}",
                                   (long long)gql_arg(step, "limit")->integer, STR_FMT(facts));
    (void)await_ai(step, "/v1/recommendations", body, got_recommendations);
}

static enum gql_next resolve_recommendations(struct gql_step *step)
{
    const struct request *r = await_request(step);
    const struct gql_value *limit = gql_arg(step, "limit");
    struct err e;
    if (gql_is_null(limit) || limit->integer < 1 || limit->integer > RECOMMENDATIONS_MAX) {
        err_set(&e, ERR_INVALID, "limit: must be 1 to %d", RECOMMENDATIONS_MAX);
        return gql_step_fail(step, &e);
    }
    if (!facts_gather(r->loop, step->arena, RECOMMENDATION_HOURS, r->deadline_us - AWAIT_MARGIN_US,
                      gathered, step, &e))
        return gql_step_fail(step, &e);
    return GQL_WAIT;
}

enum recommendation_member { RECOMMENDATION_TITLE, RECOMMENDATION_DETAIL };

static void get_recommendation_text(const struct gql_field *f, void *ctx, void *parent,
                                    struct gql_value *ret_value)
{
    const struct recommendation_view *r = parent;
    (void)ctx;
    *ret_value = gql_text(binding_number(f) == RECOMMENDATION_TITLE ? r->title : r->detail);
}

static void get_impact(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct recommendation_view *r = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(r->impact);
}

static void get_recommendation_confidence(const struct gql_field *f, void *ctx, void *parent,
                                          struct gql_value *ret_value)
{
    const struct recommendation_view *r = parent;
    (void)f, (void)ctx;
    *ret_value = insight_confidence_value(r->confidence);
}

static void get_insight(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct recommendation_view *r = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(r->insight);
}

const struct gateway_binding bindings_recommendations[] = {
    { "Query.recommendations", { .resolve = resolve_recommendations } },
    { "Recommendation.title",
      { .get = get_recommendation_text, .data = BINDING_NUMBER(RECOMMENDATION_TITLE) } },
    { "Recommendation.detail",
      { .get = get_recommendation_text, .data = BINDING_NUMBER(RECOMMENDATION_DETAIL) } },
    { "Recommendation.impact", { .get = get_impact } },
    { "Recommendation.confidence", { .get = get_recommendation_confidence } },
    { "Recommendation.insight", { .get = get_insight } },
    { 0 },
};
