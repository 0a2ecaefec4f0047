/* Mutation.analyzeData, asked of the ai service. */
#include "gateway/await_ai.h"
#include "gateway/bindings.h"
#include "gateway/insight_view.h"
#include "json/writer.h"

enum {
    FIELDS_MAX = 50, /* valueFields */
    FIELD_BYTES_MAX = 500,
    QUESTION_BYTES_MAX = 4'000,
    HORIZON_MAX = 1'000,
    FINDINGS_MAX = 100,
    SUMMARY_CHARS_MAX = 20'000,
};

/* The text of a buffer in the arena. */
static struct str take_text(struct arena *a, struct buf *b)
{
    struct str text = arena_copy(a, buf_str(b));
    buf_clear(b);
    return text;
}

struct analysis_view {
    struct str kind, summary;
    struct gql_value statistics, series;
    double confidence;
    void **findings;
    size_t finding_count;
};

struct finding_view {
    struct str title, detail, severity;
    int64_t at_us; /* 0: of no time */
    double confidence;
    struct gql_value data;
};

/* What the API and the service call them. */
static const struct {
    struct str name, word;
} kinds[] = {
    { { "SUMMARY", 7 }, { "summary", 7 } },
    { { "ANOMALIES", 9 }, { "anomalies", 9 } },
    { { "TREND", 5 }, { "trend", 5 } },
    { { "FORECAST", 8 }, { "forecast", 8 } },
    { { "CORRELATION", 11 }, { "correlation", 11 } },
    { { "AUTO", 4 }, { "auto", 4 } },
};

static bool read_kind(const struct json_value *v, struct str *ret_name)
{
    for (size_t i = 0; v != NULL && v->type == JSON_STRING && i < countof(kinds); i++)
        if (str_eq(v->text, kinds[i].word)) {
            *ret_name = kinds[i].name;
            return true;
        }
    return false;
}

static bool read_finding(struct arena *a, const struct json_value *v, struct finding_view *f)
{
    const struct json_value *at = json_get_c(v, "at_us");
    if (v->type != JSON_OBJECT ||
        !insight_text_of(json_get_c(v, "title"), 1, INSIGHT_TITLE_CHARS_MAX, &f->title) ||
        !insight_text_of(json_get_c(v, "detail"), 0, INSIGHT_TEXT_CHARS_MAX, &f->detail) ||
        !insight_severity_of(json_get_c(v, "severity"), &f->severity) ||
        !insight_confidence_of(json_get_c(v, "confidence"), &f->confidence))
        return false;
    f->data = binding_json(a, json_get_c(v, "data"));
    return at == NULL || at->type == JSON_NULL ||
           (at->type == JSON_NUMBER && json_to_i64(at, &f->at_us));
}

static bool read_analysis(struct arena *a, const struct json_value *answer,
                          struct analysis_view *view)
{
    const struct json_value *findings = json_get_c(answer, "findings");
    view->statistics = binding_json(a, json_get_c(answer, "statistics"));
    view->series = binding_json(a, json_get_c(answer, "series"));
    if (!read_kind(json_get_c(answer, "kind"), &view->kind) ||
        !insight_text_of(json_get_c(answer, "summary"), 0, SUMMARY_CHARS_MAX, &view->summary) ||
        !insight_confidence_of(json_get_c(answer, "confidence"), &view->confidence) ||
        gql_is_null(&view->statistics) || findings == NULL || findings->type != JSON_ARRAY)
        return false;
    view->finding_count = min_of(findings->item_count, (size_t)FINDINGS_MAX);
    view->findings = arena_new_array(a, view->finding_count, void *);
    for (size_t i = 0; i < view->finding_count; i++) {
        struct finding_view *f = arena_new(a, struct finding_view);
        view->findings[i] = f;
        if (!read_finding(a, &findings->items[i], f))
            return false;
    }
    return true;
}

/* What the service says of the input, in the names that the caller used. */
static void name_as_input(const struct err *failure, struct err *e)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = { { "value_fields", "valueFields" }, { "time_field", "timeField" } };
    const char *message = failure->message;
    *e = *failure;
    if (failure->code != ERR_INVALID)
        return;
    for (size_t i = 0; i < countof(names); i++)
        if (str_starts_with(str_of_c(message), str_of_c(names[i].theirs))) {
            err_set(e, ERR_INVALID, "input.%s%s", names[i].ours, message + strlen(names[i].theirs));
            return;
        }
    err_set(e, ERR_INVALID, "input.%s", message);
}

static bool got_analysis(void *owner, const struct json_value *answer, const struct err *failure)
{
    struct gql_step *step = owner;
    struct analysis_view *view = arena_new(step->arena, struct analysis_view);
    struct err e;
    bool is_read = failure == NULL && read_analysis(step->arena, answer, view);
    if (is_read) {
        step->results[0] = gql_object(view);
        gql_step_finish(step);
        return true;
    }
    if (failure != NULL)
        name_as_input(failure, &e);
    else
        await_ai_no_answer(&e);
    (void)gql_step_fail(step, &e);
    return false;
}

static bool check_analyze(const struct gql_step *step, const struct gql_value *input, struct err *e)
{
    size_t limit = conf_bytes(await_request(step)->loop->gateway->conf, CONF_ANALYZE_LIMIT);
    const struct gql_value *fields = gql_input(input, "valueFields");
    const struct gql_value *horizon = gql_input(input, "horizon");
    const struct gql_value *question = gql_input(input, "question");
    if (gql_input(input, "data")->text.len > limit)
        return err_set(e, ERR_LIMIT, "input.data: must be at most %zu bytes of JSON", limit);
    if (!gql_is_null(horizon) && (horizon->integer < 0 || horizon->integer > HORIZON_MAX))
        return err_set(e, ERR_INVALID, "input.horizon: must be 0 to %d", HORIZON_MAX);
    if (!gql_is_null(question) && question->text.len > QUESTION_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "input.question: must be at most %d bytes",
                       QUESTION_BYTES_MAX);
    if (!gql_is_null(fields) && fields->count > FIELDS_MAX)
        return err_set(e, ERR_LIMIT, "input.valueFields: must be at most %d", FIELDS_MAX);
    for (uint32_t i = 0; !gql_is_null(fields) && i < fields->count; i++)
        if (fields->items[i].text.len > FIELD_BYTES_MAX)
            return err_set(e, ERR_LIMIT, "input.valueFields[%u]: must be at most %d bytes", i,
                           FIELD_BYTES_MAX);
    return true;
}

static void write_optional_text(struct json_writer *w, const char *key,
                                const struct gql_value *text)
{
    json_key(w, str_of_c(key));
    if (gql_is_null(text))
        json_write_null(w);
    else
        json_write_string(w, text->text);
}

static struct str analyze_body(struct arena *a, const struct gql_value *input)
{
    const struct gql_value *kind = gql_input(input, "kind");
    const struct gql_value *fields = gql_input(input, "valueFields");
    const struct gql_value *horizon = gql_input(input, "horizon");
    struct str word = STR("auto");
    struct buf body;
    struct json_writer w = json_writer_to(&body);
    for (size_t i = 0; !gql_is_null(kind) && i < countof(kinds); i++)
        if (str_eq(kinds[i].name, kind->text))
            word = kinds[i].word;
    buf_init(&body, 0);
    json_begin_object(&w);
    json_key_c(&w, "data");
    json_write_raw(&w, gql_input(input, "data")->text);
    json_key_c(&w, "kind");
    json_write_string(&w, word);
    write_optional_text(&w, "time_field", gql_input(input, "timeField"));
    write_optional_text(&w, "question", gql_input(input, "question"));
    if (!gql_is_null(horizon)) {
        json_key_c(&w, "horizon");
        json_write_i64(&w, horizon->integer);
    }
    if (!gql_is_null(fields)) {
        json_key_c(&w, "value_fields");
        json_begin_array(&w);
        for (uint32_t i = 0; i < fields->count; i++)
            json_write_string(&w, fields->items[i].text);
        json_end_array(&w);
    }
    json_end_object(&w);
    return take_text(a, &body);
}

static enum gql_next resolve_analyze(struct gql_step *step)
{
    const struct gql_value *input = gql_arg(step, "input");
    struct err e;
    if (!check_analyze(step, input, &e))
        return gql_step_fail(step, &e);
    return await_ai(step, "/v1/analyze", analyze_body(step->arena, input), got_analysis);
}

enum finding_member { FINDING_TITLE, FINDING_DETAIL };

static void get_kind(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct analysis_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(view->kind);
}

static void get_summary(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct analysis_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(view->summary);
}

static void get_findings(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct analysis_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(view->findings, view->finding_count);
}

static void get_statistics(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct analysis_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = view->statistics;
}

static void get_series(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct analysis_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = view->series;
}

static void get_analysis_confidence(const struct gql_field *f, void *ctx, void *parent,
                                    struct gql_value *ret_value)
{
    const struct analysis_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = insight_confidence_value(view->confidence);
}

static void get_finding_text(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct finding_view *finding = parent;
    (void)ctx;
    *ret_value = gql_text(binding_number(f) == FINDING_TITLE ? finding->title : finding->detail);
}

static void get_finding_severity(const struct gql_field *f, void *ctx, void *parent,
                                 struct gql_value *ret_value)
{
    const struct finding_view *finding = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(finding->severity);
}

static void get_finding_at(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct finding_view *finding = parent;
    const struct request *r = ctx;
    (void)f;
    if (finding->at_us != 0)
        *ret_value = binding_time(r->arena, finding->at_us);
}

static void get_finding_confidence(const struct gql_field *f, void *ctx, void *parent,
                                   struct gql_value *ret_value)
{
    const struct finding_view *finding = parent;
    (void)f, (void)ctx;
    *ret_value = insight_confidence_value(finding->confidence);
}

static void get_finding_data(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct finding_view *finding = parent;
    (void)f, (void)ctx;
    *ret_value = finding->data;
}

const struct gateway_binding bindings_analysis[] = {
    { "Mutation.analyzeData", { .resolve = resolve_analyze } },
    { "Analysis.kind", { .get = get_kind } },
    { "Analysis.summary", { .get = get_summary } },
    { "Analysis.findings", { .get = get_findings } },
    { "Analysis.statistics", { .get = get_statistics } },
    { "Analysis.series", { .get = get_series } },
    { "Analysis.confidence", { .get = get_analysis_confidence } },
    { "Finding.title", { .get = get_finding_text, .data = BINDING_NUMBER(FINDING_TITLE) } },
    { "Finding.detail", { .get = get_finding_text, .data = BINDING_NUMBER(FINDING_DETAIL) } },
    { "Finding.severity", { .get = get_finding_severity } },
    { "Finding.at", { .get = get_finding_at } },
    { "Finding.confidence", { .get = get_finding_confidence } },
    { "Finding.data", { .get = get_finding_data } },
    { 0 },
};
