#include "worker/record.h"

#include "json/json.h"
#include "worker/door.h"
#include "worker/task_view.h"

static const char at[] = "record.";

/* ── reading ── */

/* What the gateway alone reads goes through as it is. */
static struct str copy_members(const struct json_value *record, struct arena *a)
{
    static const char *const names[] = { "actor", "user", "action", "subject", "detail" };
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < countof(names); i++) {
        const struct json_value *value = json_get(record, str_of_c(names[i]));
        if (value)
            buf_printf(&out, ",\"%s\":%.*s", names[i], STR_FMT(door_json_text(a, value)));
    }
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

bool record_read(const struct json_value *body, struct arena *a, struct record *ret_record,
                 struct err *e)
{
    static const char *const members[] = { "id",     "actor", "user",    "action",  "subject",
                                           "detail", "done",  "refused", "is_last", NULL };
    const struct json_value *v = json_get_c(body, "record");
    struct record r = { .is_given = v && v->type != JSON_NULL };
    *ret_record = r;
    if (!r.is_given)
        return true;
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "record: is no object");
    if (!json_only(v, at, members, e))
        return false;
    if (!door_id(v, at, "id", &r.id, e))
        return door_is_bad(e) ? false : door_missing(e, at, "id");
    door_flag(v, at, "is_last", &r.is_last, e);
    if (!door_is_bad(e))
        door_int(v, at, "done", 0, INT64_MAX, &r.done, e);
    if (!door_is_bad(e))
        door_int(v, at, "refused", 0, INT64_MAX, &r.refused, e);
    if (door_is_bad(e))
        return false;
    r.members = copy_members(v, a);
    if (r.members.len > RECORD_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "record: has more than %d bytes", RECORD_BYTES_MAX);
    *ret_record = r;
    return true;
}

/* ── the log and the feed ── */

void event_record(struct buf *out, int64_t seq, int64_t at_us, struct str text)
{
    struct json_writer w = event_begin(out, seq, at_us, "record");
    json_key_c(&w, "record");
    json_write_raw(&w, text);
    json_end_object(&w);
}

static void put(struct batch *b, const struct record *record, struct str more, bool is_open)
{
    char id[UUID_TEXT_LEN + 1];
    int64_t seq = batch_put(b, &(struct change){ .op = OP_RECORD, .id = record->id });
    uuid_format(record->id, id);
    struct str text =
        arena_printf(b->a, "{\"id\":\"%s\"%.*s%.*s,\"is_open\":%s}", id, STR_FMT(record->members),
                     STR_FMT(more), is_open ? "true" : "false");
    buf_printf(&b->extra, "%lld %.*s\n", (long long)seq, STR_FMT(text));
    event_record(&b->events, seq, b->at_us, text);
    batch_event_end(b);
}

void record_put(struct batch *b, const struct record *record)
{
    if (record->is_given)
        put(b, record, STR(""), !record->is_last);
}

void record_put_bulk(struct batch *b, const struct record *record, int64_t done, int64_t refused,
                     bool is_open)
{
    if (record->is_given)
        put(b, record,
            arena_printf(b->a, ",\"done\":%lld,\"refused\":%lld",
                         (long long)record->done + (long long)done,
                         (long long)record->refused + (long long)refused),
            is_open);
}
