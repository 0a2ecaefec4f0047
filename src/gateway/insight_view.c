#include "gateway/insight_view.h"

#include <math.h>

#include "base/clock.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "json/members.h"
#include "schema/entities.h"
#include "store/public/insight.h"

/* ── of rows ── */

static struct str label(const struct db_rows *rows, size_t row, enum insight_column column,
                        enum schema_public_enum labels)
{
    const struct schema_enum *enumeration = &schema_public.enums[labels];
    int found = schema_label_of(enumeration, db_rows_text(rows, row, column));
    assert(found >= 0);
    return enumeration->labels[found].name;
}

static void view_of_row(struct arena *a, const struct db_rows *rows, size_t row,
                        struct insight_view *view)
{
    struct str *advice = NULL;
    bool is_array = db_array_parse(a, db_rows_text(rows, row, INSIGHT_RECOMMENDATIONS), &advice,
                                   &view->advice_count);
    assert(is_array);
    view->advice = advice;
    view->id = db_rows_text(rows, row, INSIGHT_ID);
    view->type = db_rows_text(rows, row, INSIGHT_TYPE);
    view->title = db_rows_text(rows, row, INSIGHT_TITLE);
    view->description = db_rows_text(rows, row, INSIGHT_DESCRIPTION);
    view->severity = label(rows, row, INSIGHT_SEVERITY, ENUM_insight_severity);
    view->state = label(rows, row, INSIGHT_STATE, ENUM_insight_state);
    view->data_json = db_rows_text(rows, row, INSIGHT_DATA);
    view->confidence = db_rows_is_null(rows, row, INSIGHT_CONFIDENCE)
                           ? (double)NAN
                           : db_rows_double(rows, row, INSIGHT_CONFIDENCE);
    if (!db_rows_is_null(rows, row, INSIGHT_DISMISSED_REASON))
        view->dismissed_reason = db_rows_text(rows, row, INSIGHT_DISMISSED_REASON);
    view->created_at_us = db_rows_time(rows, row, INSIGHT_CREATED_AT);
    view->updated_at_us = db_rows_time(rows, row, INSIGHT_UPDATED_AT);
}

static struct insight_views make_views(struct arena *a, size_t count)
{
    struct insight_views views = { .items = arena_new_array(a, count, struct insight_view),
                                   .objects = arena_new_array(a, count, void *),
                                   .count = count };
    for (size_t i = 0; i < count; i++)
        views.objects[i] = &views.items[i];
    return views;
}

void insight_views_of_rows(struct arena *a, const struct db_rows *rows,
                           struct insight_views *ret_views)
{
    size_t count = db_rows_count(rows);
    if (count > 0 && db_rows_is_null(rows, 0, INSIGHT_ID))
        count = 0; /* the one row tells of the run alone */
    *ret_views = make_views(a, count);
    for (size_t i = 0; i < count; i++)
        view_of_row(a, rows, i, &ret_views->items[i]);
}

/* ── of the ai service's answer ── */

static bool is_null(const struct json_value *v)
{
    return v == NULL || v->type == JSON_NULL;
}

bool insight_severity_of(const struct json_value *v, struct str *ret_name)
{
    const struct schema_enum *severities = &schema_public.enums[ENUM_insight_severity];
    int found = is_null(v) || v->type != JSON_STRING ? -1 : schema_label_of(severities, v->text);
    if (found < 0)
        return false;
    *ret_name = severities->labels[found].name;
    return true;
}

bool insight_confidence_of(const struct json_value *v, double *ret_confidence)
{
    *ret_confidence = (double)NAN;
    if (is_null(v))
        return true;
    return v->type == JSON_NUMBER && json_to_double(v, ret_confidence) && *ret_confidence >= 0 &&
           *ret_confidence <= 1;
}

struct gql_value insight_confidence_value(double confidence)
{
    return isnan(confidence) ? gql_null() : gql_float(confidence);
}

bool insight_text_of(const struct json_value *v, size_t chars_min, size_t chars_max,
                     struct str *ret_text)
{
    if (is_null(v) || v->type != JSON_STRING)
        return false;
    size_t chars = check_chars(v->text);
    *ret_text = v->text;
    return chars >= chars_min && chars <= chars_max;
}

static bool read_advice(struct arena *a, const struct json_value *list, struct insight_view *view)
{
    if (is_null(list))
        return true;
    if (list->type != JSON_ARRAY)
        return false;
    size_t count = min_of(list->item_count, (size_t)INSIGHT_ADVICE_MAX);
    struct str *advice = arena_new_array(a, count, struct str);
    for (size_t i = 0; i < count; i++)
        if (!insight_text_of(&list->items[i], 1, INSIGHT_TEXT_CHARS_MAX, &advice[i]))
            return false;
    view->advice = advice;
    view->advice_count = count;
    return true;
}

static bool read_view(struct arena *a, const struct json_value *v, struct insight_view *view)
{
    if (v->type != JSON_OBJECT ||
        !insight_text_of(json_get_c(v, "type"), 1, INSIGHT_TYPE_CHARS_MAX, &view->type) ||
        !insight_text_of(json_get_c(v, "title"), 1, INSIGHT_TITLE_CHARS_MAX, &view->title) ||
        !insight_text_of(json_get_c(v, "description"), 0, INSIGHT_TEXT_CHARS_MAX,
                         &view->description) ||
        !insight_severity_of(json_get_c(v, "severity"), &view->severity) ||
        !insight_confidence_of(json_get_c(v, "confidence"), &view->confidence) ||
        !read_advice(a, json_get_c(v, "recommendations"), view))
        return false;
    struct gql_value data = binding_json(a, json_get_c(v, "data"));
    view->data_json = gql_is_null(&data) ? STR("") : data.text;
    view->id = binding_id(a, uuid_v7()).text;
    view->state = STR("OPEN");
    view->created_at_us = view->updated_at_us = clock_wall_us();
    return true;
}

bool insight_views_of_json(struct arena *a, const struct json_value *answer,
                           struct insight_views *ret_views, struct err *e)
{
    const struct json_value *list = json_get_c(answer, "insights");
    bool is_good = !is_null(list) && list->type == JSON_ARRAY;
    struct insight_views views = { 0 };
    if (is_good)
        views = make_views(a, min_of(list->item_count, (size_t)INSIGHT_VIEWS_MAX));
    for (size_t i = 0; is_good && i < views.count; i++)
        is_good = read_view(a, &list->items[i], &views.items[i]);
    if (!is_good)
        return err_set_from(e, ERR_ORIGIN_AI, ERR_UNAVAILABLE,
                            "the ai service gave insights that are none");
    *ret_views = views;
    return true;
}

/* ── to the store ── */

static struct str severity_label(struct str name)
{
    const struct schema_enum *severities = &schema_public.enums[ENUM_insight_severity];
    for (size_t i = 0; i < severities->label_count; i++)
        if (str_eq(severities->labels[i].name, name))
            return severities->labels[i].text;
    base_abort("an insight of no severity");
}

static void write_view(struct json_writer *w, const struct insight_view *view)
{
    json_begin_object(w);
    json_put_text(w, "id", view->id);
    json_put_text(w, "type", view->type);
    json_put_text(w, "title", view->title);
    json_put_text(w, "description", view->description);
    json_put_text(w, "severity", severity_label(view->severity));
    json_put_maybe_raw(w, "data", !str_is_empty(view->data_json), view->data_json);
    json_key_c(w, "confidence");
    json_write_double(w, view->confidence); /* null where there is none */
    json_key_c(w, "recommendations");
    json_begin_array(w);
    for (size_t i = 0; i < view->advice_count; i++)
        json_write_string(w, view->advice[i]);
    json_end_array(w);
    json_end_object(w);
}

struct str insight_views_json(struct arena *a, const struct insight_views *views)
{
    struct buf out;
    struct json_writer w = json_writer_to(&out);
    buf_init(&out, 0);
    json_begin_array(&w);
    for (size_t i = 0; i < views->count; i++)
        write_view(&w, &views->items[i]);
    json_end_array(&w);
    struct str json = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return json;
}
