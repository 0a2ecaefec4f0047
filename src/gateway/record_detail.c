#include "gateway/record_detail.h"

#include "base/buf.h"
#include "base/clock.h"
#include "json/writer.h"

enum { NAME_MAX_LEN = 64 };

struct detail {
    struct buf out;
    struct json_writer w;
};

static void begin(struct detail *d)
{
    buf_init(&d->out, 0);
    d->w = json_writer_to(&d->out);
    json_begin_object(&d->w);
}

static struct str finish(struct detail *d, struct arena *a)
{
    json_end_object(&d->w);
    struct str text = arena_copy(a, buf_str(&d->out));
    buf_clear(&d->out);
    return text;
}

static void put_text(struct detail *d, const char *name, struct str text)
{
    json_key(&d->w, str_of_c(name));
    json_write_string(&d->w, text);
}

static void put_id(struct detail *d, struct uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_write_string(&d->w, str_of(text, UUID_TEXT_LEN));
}

/* ── tasks ── */

struct str record_detail_task(struct arena *a, const struct str *cells, const struct uuid *task)
{
    struct detail d;
    begin(&d);
    if (task != NULL) {
        json_key_c(&d.w, "task");
        put_id(&d, *task);
    }
    put_text(&d, "type", cells[COL_tasks_type]);
    put_text(&d, "queue", cells[COL_tasks_queue]);
    put_text(&d, "priority", cells[COL_tasks_priority]);
    return finish(&d, a);
}

struct str record_detail_type(struct arena *a, struct str type)
{
    struct detail d;
    begin(&d);
    put_text(&d, "type", type);
    return finish(&d, a);
}

struct str record_detail_many(struct arena *a, const struct record_many *many)
{
    struct detail d;
    char until[CLOCK_TEXT_MAX];
    clock_format(many->until_us, until);
    begin(&d);
    json_key_c(&d.w, "count");
    json_write_i64(&d.w, (int64_t)many->count);
    put_text(&d, "until", str_of_c(until));
    json_key_c(&d.w, "types");
    json_begin_object(&d.w);
    for (size_t i = 0; i < many->type_count; i++) {
        json_key(&d.w, many->types[i].type);
        json_write_i64(&d.w, many->types[i].count);
    }
    json_end_object(&d.w);
    json_key_c(&d.w, "ids");
    json_begin_array(&d.w);
    for (size_t i = 0; i < many->id_count; i++)
        put_id(&d, many->ids[i]);
    json_end_array(&d.w);
    return finish(&d, a);
}

/* ── settings ── */

/* "timeout_s" as "timeoutSeconds", "max_attempts" as "maxAttempts". */
static struct str api_name(struct str name, char text[NAME_MAX_LEN])
{
    size_t n = 0;
    bool is_upper = false;
    bool is_seconds = str_ends_with(name, STR("_s"));
    for (size_t i = 0; i < name.len && n < NAME_MAX_LEN - sizeof "econds"; i++) {
        char c = name.ptr[i];
        if (c == '_') {
            is_upper = true;
            continue;
        }
        text[n++] = is_upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        is_upper = false;
    }
    for (const char *c = is_seconds ? "econds" : ""; *c != 0; c++)
        text[n++] = *c;
    return str_of(text, n);
}

static void put_setting(struct detail *d, struct str name, const struct json_value *value)
{
    char text[NAME_MAX_LEN];
    struct buf out;
    buf_init(&out, 0);
    json_put_value(&out, value);
    json_key(&d->w, api_name(name, text));
    json_write_raw(&d->w, out.len <= RECORD_VALUE_MAX ? buf_str(&out) : STR("\"…\""));
    buf_clear(&out);
}

static void put_settings(struct detail *d, const char *name, const struct json_value *settings)
{
    if (settings == NULL || settings->type != JSON_OBJECT)
        return;
    json_key(&d->w, str_of_c(name));
    json_begin_object(&d->w);
    for (size_t i = 0; i < settings->member_count; i++)
        put_setting(d, settings->members[i].key, &settings->members[i].value);
    json_end_object(&d->w);
}

struct str record_job_action(const struct json_value *change)
{
    const struct json_value *before = json_get_c(change, "before"),
                            *after = json_get_c(change, "after"),
                            *status = json_get_c(after, "status");
    bool is_status = after != NULL && after->type == JSON_OBJECT && after->member_count == 1 &&
                     status != NULL && status->type == JSON_STRING;
    if (json_get_c(after, "deleted") != NULL)
        return STR("job.delete");
    if (before == NULL || before->type != JSON_OBJECT)
        return STR("job.create");
    if (is_status && str_eq_c(status->text, "paused"))
        return STR("job.pause");
    return is_status ? STR("job.resume") : STR("job.update");
}

struct str record_detail_job(struct arena *a, const struct json_value *change)
{
    struct detail d;
    begin(&d);
    put_settings(&d, "before", json_get_c(change, "before"));
    put_settings(&d, "after", json_get_c(change, "after"));
    return finish(&d, a);
}

/* ── acts ── */

static void put_member(struct detail *d, struct str name, const struct json_value *value)
{
    struct buf out;
    buf_init(&out, 0);
    json_put_value(&out, value);
    json_key(&d->w, name);
    json_write_raw(&d->w, buf_str(&out));
    buf_clear(&out);
}

struct str record_detail_act(struct arena *a, const struct json_value *record)
{
    static const struct str counts[] = { STR("done"), STR("refused") };
    const struct json_value *detail = json_get_c(record, "detail");
    size_t members = detail != NULL && detail->type == JSON_OBJECT ? detail->member_count : 0;
    size_t told = 0;
    struct detail d;
    begin(&d);
    for (size_t i = 0; i < members; i++, told++)
        put_member(&d, detail->members[i].key, &detail->members[i].value);
    for (size_t i = 0; i < countof(counts); i++)
        if (json_get(record, counts[i]) != NULL) {
            put_member(&d, counts[i], json_get(record, counts[i]));
            told++;
        }
    if (json_get_flag(record, STR("is_open"))) {
        json_key_c(&d.w, "unfinished");
        json_write_bool(&d.w, true);
        told++;
    }
    struct str text = finish(&d, a);
    return told > 0 ? text : (struct str){ 0 };
}

/* ── what is lost ── */

struct str record_detail_lost(struct arena *a, int shard, int64_t from_seq, int64_t to_seq,
                              bool is_reset, bool is_cut)
{
    struct detail d;
    begin(&d);
    if (from_seq > 0)
        put_text(&d, "from", arena_printf(a, "%d:%lld", shard, (long long)from_seq));
    put_text(&d, "to", arena_printf(a, "%d:%lld", shard, (long long)to_seq));
    if (is_reset)
        put_text(&d, "unknown", STR("everything: the worker's log began anew"));
    else if (from_seq > 0)
        put_text(&d, "unknown",
                 arena_printf(a,
                              "who cancelled, retried, promoted and deleted tasks, and who created "
                              "tasks that are gone%s",
                              is_cut ? "; and changes of jobs behind the first ones" : ""));
    return finish(&d, a);
}
