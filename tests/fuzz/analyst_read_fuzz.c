/*
 * analyst_read: any JSON as facts and as data: refused with a place, or read and worked out, and
 * what is found is fit to be written.
 */
#include <math.h>

#include "analyst/analyze.h"
#include "base/buf.h"
#include "json/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct err *e)
{
    assert(e->code == ERR_INVALID || e->code == ERR_LIMIT);
    assert(e->message[0] != '\0');
}

static bool is_share(double x)
{
    return isnan(x) || (x >= 0 && x <= 1);
}

static void find_insights(struct arena *a, const struct json_value *v)
{
    struct facts facts;
    struct err e;
    size_t count;
    if (!facts_read(a, v, &facts, &e)) {
        check_error(&e);
        return;
    }
    const struct insight *insights = insights_find(a, &facts, 0, &count);
    assert(count <= INSIGHTS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(insights[i].confidence >= INSIGHT_CONFIDENCE_MIN && insights[i].confidence < 1);
        assert(insights[i].title.len > 0 && str_is_utf8(insights[i].title));
        assert(str_is_utf8(insights[i].description) && insights[i].recommendation_count > 0);
    }
    (void)recommendations_find(a, &facts, 5, &count);
    assert(count <= 5);
}

static void analyze_data(struct arena *a, const struct json_value *v)
{
    enum { HORIZON = 5 };
    struct table table;
    struct err e;
    struct analysis *an = arena_new(a, struct analysis);
    if (!table_read(a, v, STR(""), NULL, 0, &table, &e)) {
        check_error(&e);
        return;
    }
    for (unsigned kind = 0; kind < ANALYZE_KIND_COUNT; kind++) {
        if (!analyze(a, &table, (enum analyze_kind)kind, HORIZON, an, &e)) {
            check_error(&e);
            continue;
        }
        struct buf out;
        const struct json_value *again;
        buf_init(&out, 0);
        json_put_value(&out, &an->statistics);
        bool is_read = json_parse(a, buf_str(&out), &again, &e);
        assert(is_read || e.code == ERR_LIMIT);
        buf_reset(&out);
        json_put_value(&out, &an->series);
        is_read = json_parse(a, buf_str(&out), &again, &e);
        assert(is_read || e.code == ERR_LIMIT);
        buf_clear(&out);
        assert(is_share(an->confidence));
        for (size_t i = 0; i < an->finding_count; i++)
            assert(is_share(an->findings[i].confidence) && an->findings[i].title.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { BYTES_MAX = 16 << 10 }; /* an analysis takes milliseconds */
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    const struct json_value *v;
    struct err e;
    if (size > BYTES_MAX || !json_parse(a, str_of((const char *)data, size), &v, &e))
        return 0;
    find_insights(a, v);
    analyze_data(a, v);
    return 0;
}
