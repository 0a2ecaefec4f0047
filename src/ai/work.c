/*
 * work: insights, recommendations and analyses, each on another thread with an arena of its own:
 *
 *   handle --> (thread) read the body, find, write --> (loop) respond
 *
 * The body belongs to the request, which stays valid until it is answered; the thread reads nothing
 * else of it.
 */
#include "ai/ai_priv.h"
#include "ai/problem.h"
#include "analyst/analyze.h"
#include "analyst/forecast.h"
#include "analyst/insights.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/check.h"
#include "json/writer.h"

#include <math.h>

enum { RECOMMENDATIONS_MAX = 100, QUESTION_BYTES_MAX = 4'000 };

struct work {
    struct ai *ai;
    struct http_request *request;
    enum ai_route route;
    struct str body;
    struct buf out;
    bool is_good;
    struct err err;
};

/* ── reading ── */

static const struct json_value *member(const struct json_value *object, const char *name)
{
    const struct json_value *v = json_get(object, str_of_c(name));
    return v != NULL && v->type == JSON_NULL ? NULL : v;
}

/* The set of insight types that a request asks for; 0: all. */
static bool read_types(const struct json_value *body, unsigned *ret_types, struct err *e)
{
    const struct json_value *v = member(body, "types");
    *ret_types = 0;
    if (v == NULL)
        return true;
    if (v->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "types: is not an array");
    for (size_t i = 0; i < v->item_count; i++) {
        enum insight_type type;
        if (v->items[i].type != JSON_STRING)
            return err_set(e, ERR_INVALID, "types[%zu]: is not a string", i);
        if (!insight_type_of(v->items[i].text, &type))
            return err_set(e, ERR_INVALID, "types[%zu]: \"%.*s\" is no type of insight", i,
                           STR_FMT(str_first(v->items[i].text, 40)));
        *ret_types |= 1U << type;
    }
    return true;
}

static bool read_count(const struct json_value *body, const char *name, size_t max,
                       size_t *ret_count, struct err *e)
{
    const struct json_value *v = member(body, name);
    int64_t count;
    if (v == NULL)
        return true;
    if (v->type != JSON_NUMBER || !json_to_i64(v, &count) || count < 0 || count > (int64_t)max)
        return err_set(e, ERR_INVALID, "%s: is not a whole number from 0 to %zu", name, max);
    *ret_count = (size_t)count;
    return true;
}

static bool read_text(const struct json_value *body, const char *name, struct str *ret_text,
                      struct err *e)
{
    const struct json_value *v = member(body, name);
    if (v == NULL)
        return true;
    if (v->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "%s: is not a string", name);
    *ret_text = v->text;
    return true;
}

/* ── writing ── */

static void write_confidence(struct json_writer *w, double confidence)
{
    json_key_c(w, "confidence");
    json_write_double(w, isnan(confidence) ? confidence : round(confidence * 1000) / 1000);
}

static void write_text(struct json_writer *w, const char *key, struct str text)
{
    json_key(w, str_of_c(key));
    json_write_string(w, text);
}

static void write_insight(struct json_writer *w, const struct insight *in)
{
    const struct json_value data = tree_value(&in->data);
    json_begin_object(w);
    write_text(w, "type", str_of_c(insight_type_name(in->type)));
    write_text(w, "title", in->title);
    write_text(w, "description", in->description);
    write_text(w, "severity", str_of_c(insight_severity_name(in->severity)));
    write_confidence(w, in->confidence);
    json_key_c(w, "data");
    json_write_value(w, &data);
    json_key_c(w, "recommendations");
    json_begin_array(w);
    for (size_t i = 0; i < in->recommendation_count; i++)
        json_write_string(w, in->recommendations[i]);
    json_end_array(w);
    json_end_object(w);
}

static bool find_insights(struct arena *a, const struct json_value *body, struct json_writer *w,
                          struct err *e)
{
    static const char *const names[] = { "facts", "types", NULL };
    struct facts facts;
    unsigned types;
    size_t count;
    if (!json_only(body, "", names, e) || !facts_read(a, member(body, "facts"), &facts, e) ||
        !read_types(body, &types, e))
        return false;
    const struct insight *insights = insights_find(a, &facts, types, &count);
    json_begin_object(w);
    json_key_c(w, "insights");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        write_insight(w, &insights[i]);
    json_end_array(w);
    json_key_c(w, "generated_at_us");
    json_write_i64(w, clock_wall_us());
    json_end_object(w);
    return true;
}

static bool find_recommendations(struct arena *a, const struct json_value *body,
                                 struct json_writer *w, struct err *e)
{
    static const char *const names[] = { "facts", "limit", NULL };
    struct facts facts;
    size_t count, limit = 10;
    if (!json_only(body, "", names, e) || !facts_read(a, member(body, "facts"), &facts, e) ||
        !read_count(body, "limit", RECOMMENDATIONS_MAX, &limit, e))
        return false;
    const struct recommendation *list = recommendations_find(a, &facts, limit, &count);
    json_begin_object(w);
    json_key_c(w, "recommendations");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        write_text(w, "title", list[i].title);
        write_text(w, "detail", list[i].detail);
        write_text(w, "impact", str_of_c(insight_severity_name(list[i].impact)));
        write_confidence(w, list[i].confidence);
        write_text(w, "insight_type", str_of_c(insight_type_name(list[i].insight_type)));
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return true;
}

/* ── analyze ── */

struct analyze_request {
    enum analyze_kind kind;
    struct str time_field, question;
    struct str value_fields[TABLE_COLUMNS_MAX];
    size_t value_field_count, horizon;
};

static bool read_value_fields(const struct json_value *body, struct analyze_request *r,
                              struct err *e)
{
    const struct json_value *v = member(body, "value_fields");
    if (v == NULL)
        return true;
    if (v->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "value_fields: is not an array");
    if (v->item_count > TABLE_COLUMNS_MAX)
        return err_set(e, ERR_LIMIT, "value_fields: has more than %d items", TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < v->item_count; i++) {
        if (v->items[i].type != JSON_STRING)
            return err_set(e, ERR_INVALID, "value_fields[%zu]: is not a string", i);
        r->value_fields[r->value_field_count++] = v->items[i].text;
    }
    return true;
}

static bool read_analyze(const struct json_value *body, struct analyze_request *r, struct err *e)
{
    static const char *const names[] = { "data",         "kind",    "time_field", "question",
                                         "value_fields", "horizon", NULL };
    struct str kind = STR("auto");
    r->horizon = 24;
    if (!json_only(body, "", names, e) || !read_text(body, "kind", &kind, e) ||
        !read_text(body, "time_field", &r->time_field, e) ||
        !read_text(body, "question", &r->question, e) || !read_value_fields(body, r, e) ||
        !read_count(body, "horizon", FORECAST_HORIZON_MAX, &r->horizon, e))
        return false;
    if (r->question.len > QUESTION_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "question: is longer than %d bytes", QUESTION_BYTES_MAX);
    return analyze_kind_of(kind, &r->kind) ||
           err_set(e, ERR_INVALID,
                   "kind: is not auto, summary, anomalies, trend, forecast or correlation");
}

static void write_finding(struct json_writer *w, const struct finding *f)
{
    json_begin_object(w);
    write_text(w, "title", f->title);
    write_text(w, "detail", f->detail);
    write_text(w, "severity", str_of_c(insight_severity_name(f->severity)));
    json_key_c(w, "at_us");
    if (f->at_us != 0)
        json_write_i64(w, f->at_us);
    else
        json_write_null(w);
    write_confidence(w, f->confidence);
    json_key_c(w, "data");
    json_write_value(w, &f->data);
    json_end_object(w);
}

static bool find_in_data(struct arena *a, const struct json_value *body, struct json_writer *w,
                         struct err *e)
{
    struct analyze_request r = { 0 };
    struct table table;
    struct analysis *an = arena_new(a, struct analysis);
    if (!read_analyze(body, &r, e) ||
        !table_read(a, member(body, "data"), r.time_field, r.value_fields, r.value_field_count,
                    &table, e) ||
        !analyze(a, &table, r.kind, r.horizon, an, e))
        return false;
    json_begin_object(w);
    write_text(w, "kind", str_of_c(analyze_kind_name(an->kind)));
    write_text(w, "summary", an->summary);
    json_key_c(w, "findings");
    json_begin_array(w);
    for (size_t i = 0; i < an->finding_count; i++)
        write_finding(w, &an->findings[i]);
    json_end_array(w);
    json_key_c(w, "statistics");
    json_write_value(w, &an->statistics);
    json_key_c(w, "series");
    json_write_value(w, &an->series);
    write_confidence(w, an->confidence);
    json_end_object(w);
    return true;
}

/* ── on the other thread, and back ── */

static bool do_work(struct work *work)
{
    static bool (*const finders[AI_ROUTE_COUNT])(struct arena * a, const struct json_value *body,
                                                 struct json_writer *w, struct err *e) = {
        [AI_ROUTE_INSIGHTS] = find_insights,
        [AI_ROUTE_RECOMMENDATIONS] = find_recommendations,
        [AI_ROUTE_ANALYZE] = find_in_data,
    };
    scoped(arena_destroyp) struct arena *a = arena_create(AI_WORK_ARENA_BYTES);
    const struct json_value *body;
    struct json_writer w = json_writer_to(&work->out);
    if (!json_parse_checked(a, work->body, &body, &work->err))
        return err_in(&work->err, "read the body");
    if (body->type != JSON_OBJECT)
        return err_set(&work->err, ERR_INVALID, "the body is not a JSON object");
    return finders[work->route](a, body, &w, &work->err);
}

static void on_thread(void *owner)
{
    struct work *work = owner;
    work->is_good = do_work(work);
}

static void respond(struct work *work)
{
    struct http_request *r = work->request;
    int status = work->is_good ? 200 : problem_status(&work->err);
    ai_note(work->ai, r, work->route, status);
    if (work->is_good) {
        buf_put_str(r->out, buf_str(&work->out));
        r->may_compress = true;
        http_respond(r, 200, HTTP_JSON, buf_str(r->out));
        return;
    }
    if (work->err.code == ERR_INTERNAL)
        log_error("ai.failed", "req=%s error=%s", r->id, log_quote(str_of_c(err_text(&work->err))));
    problem_respond(r, &work->err);
}

static void worked(void *owner)
{
    struct work *work = owner;
    struct ai *ai = work->ai;
    respond(work);
    buf_clear(&work->out);
    mem_free(work);
    ai->work_count--;
    ai_look_drained(ai);
}

static void begin(struct ai *ai, struct http_request *r, enum ai_route route)
{
    if (!ai_admit(ai, r, route))
        return;
    struct work *work = mem_new(struct work);
    *work = (struct work){ .ai = ai, .request = r, .route = route, .body = r->body };
    buf_init(&work->out, 0);
    if (io_offload_submit(ai->offload, on_thread, worked, work, &work->err)) {
        ai->work_count++;
        return;
    }
    respond(work);
    mem_free(work);
}

void ai_handle_insights(void *owner, struct http_request *r)
{
    begin(owner, r, AI_ROUTE_INSIGHTS);
}

void ai_handle_recommendations(void *owner, struct http_request *r)
{
    begin(owner, r, AI_ROUTE_RECOMMENDATIONS);
}

void ai_handle_analyze(void *owner, struct http_request *r)
{
    begin(owner, r, AI_ROUTE_ANALYZE);
}
