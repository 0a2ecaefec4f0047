#include "gateway/task_bulk_report.h"

#include "base/clock.h"
#include "json/check.h"
#include "json/writer.h"

enum {
    /* Of a member of the filter; all that may be long are within RECORD_BYTES_MAX of a worker. */
    VALUE_BYTES_MAX = 32 << 10,
    /* It stands one level deeper than payloads do, {"record": {"detail": {"filter": {"…": … */
    VALUE_LEVELS_AROUND = -1,
};

static void put_value(struct json_writer *w, const struct gql_value *v, bool is_time)
{
    char time[CLOCK_TEXT_MAX];
    if (v->kind == GQL_LIST) {
        json_begin_array(w);
        for (uint32_t i = 0; i < v->count; i++)
            put_value(w, &v->items[i], is_time);
        json_end_array(w);
    } else if (v->kind == GQL_RAW) {
        json_write_raw(w, v->text);
    } else if (is_time) {
        clock_format(v->integer, time);
        json_write_string(w, str_of_c(time));
    } else {
        json_write_string(w, v->text);
    }
}

/* A value that no worker would take in a record is told by its size. */
static void put_member(struct json_writer *w, struct arena *a, const struct gql_value *v,
                       bool is_time)
{
    const struct json_value *parsed;
    struct buf out;
    struct err e;
    buf_init(&out, 0);
    struct json_writer value = json_writer_to(&out);
    put_value(&value, v, is_time);
    if (out.len <= VALUE_BYTES_MAX &&
        json_parse_carrier(a, buf_str(&out), VALUE_LEVELS_AROUND, &parsed, &e))
        json_write_raw(w, buf_str(&out));
    else
        json_write_string(w, arena_printf(a, "(%zu bytes)", out.len));
    buf_clear(&out);
}

static void put_filter(struct json_writer *w, struct arena *a, const struct gql_value *filter)
{
    static const struct {
        const char *name;
        bool is_time;
    } members[] = {
        { "ids", false },
        { "idEndsWith", false },
        { "status", false },
        { "state", false },
        { "type", false },
        { "priority", false },
        { "queue", false },
        { "errorTemplate", false },
        { "jobId", false },
        { "createdAfter", true },
        { "createdBefore", true },
        { "search", false },
        { "payloadContains", false },
    };
    json_begin_object(w);
    for (size_t i = 0; i < countof(members); i++) {
        const struct gql_value *v = gql_input(filter, members[i].name);
        if (gql_is_null(v))
            continue;
        json_key(w, str_of_c(members[i].name));
        put_member(w, a, v, members[i].is_time);
    }
    json_end_object(w);
}

struct str task_bulk_describe(struct arena *a, const struct task_bulk_report *report)
{
    struct buf out;
    char time[CLOCK_TEXT_MAX];
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    clock_format(report->as_of_us, time);
    json_begin_object(&w);
    json_key_c(&w, "filter");
    put_filter(&w, a, report->filter);
    json_key_c(&w, "asOf");
    json_write_string(&w, str_of_c(time));
    json_key_c(&w, "matched");
    json_write_i64(&w, report->matched);
    if (!report->is_begun) {
        json_key_c(&w, "done");
        json_write_i64(&w, report->done);
        json_key_c(&w, "refused");
        json_write_i64(&w, report->refused);
    }
    if (report->broke != NULL) {
        json_key_c(&w, "error");
        json_write_string(&w, str_of_c(report->broke));
    }
    json_end_object(&w);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}
