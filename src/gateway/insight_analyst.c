#include "gateway/insight_analyst.h"

#include "analyst/insights.h"
#include "base/clock.h"
#include "gateway/bindings.h"

static void view_of(struct arena *a, const struct insight *in, struct insight_view *view)
{
    static const struct str severities[] = { [INSIGHT_INFO] = { "INFO", 4 },
                                             [INSIGHT_WARNING] = { "WARNING", 7 },
                                             [INSIGHT_CRITICAL] = { "CRITICAL", 8 } };
    const struct json_value data = tree_value(&in->data);
    *view = (struct insight_view){ .id = binding_id(a, uuid_v7()).text,
                                   .type = str_of_c(insight_type_name(in->type)),
                                   .title = in->title,
                                   .description = in->description,
                                   .severity = severities[in->severity],
                                   .state = STR("OPEN"),
                                   .data_json = binding_json(a, &data).text,
                                   .confidence = in->confidence,
                                   .advice = in->recommendations,
                                   .advice_count = in->recommendation_count };
    view->created_at_us = view->updated_at_us = clock_wall_us();
}

bool insight_analyst_find(struct arena *a, struct str facts_json, struct insight_views *ret_views,
                          struct err *e)
{
    const struct json_value *json;
    struct facts facts;
    size_t count;
    if (!json_parse(a, facts_json, &json, e) || !facts_read(a, json, &facts, e))
        return err_in(e, "read the facts");
    const struct insight *found = insights_find(a, &facts, 0, &count);
    struct insight_views views = { .items = arena_new_array(a, count, struct insight_view),
                                   .objects = arena_new_array(a, count, void *),
                                   .count = count };
    for (size_t i = 0; i < count; i++) {
        view_of(a, &found[i], &views.items[i]);
        views.objects[i] = &views.items[i];
    }
    *ret_views = views;
    return true;
}
