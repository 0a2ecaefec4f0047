#include "worker/feed_made.h"

#include "db/rows.h"
#include "worker/task_view.h"

enum { ID, SEQ, TYPE, PRIORITY, CREATED_AT, JOB_ID, CREATED_BY, QUEUE, ACTOR }; /* of read_made */

static void put_maybe(struct json_writer *w, const char *name, const struct db_rows *rows,
                      size_t row, size_t column)
{
    bool is_there = !db_rows_is_null(rows, row, column);
    json_put_maybe_id(w, name, is_there,
                      is_there ? db_rows_uuid(rows, row, column) : (struct uuid){ 0 });
}

bool feed_made_put(struct buf *out, const struct shard *s, const struct db_rows *rows, size_t row,
                   int64_t seq, int64_t at_us)
{
    int64_t type = db_rows_i64(rows, row, TYPE);
    enum rule_priority priority = (enum rule_priority)db_rows_i64(rows, row, PRIORITY);
    if (db_rows_i64(rows, row, SEQ) != seq)
        return false;
    struct json_writer w = event_begin(out, seq, at_us, "none");
    json_key_c(&w, "is_gone");
    json_write_bool(&w, true);
    json_key_c(&w, "task");
    json_begin_object(&w);
    json_put_id(&w, "id", db_rows_uuid(rows, row, ID));
    json_put_text(&w, "type", type < (int64_t)s->type_count ? s->types[type].name : STR(""));
    json_put_text(&w, "priority", rule_priority_name(priority));
    json_put_text(&w, "queue", db_rows_text(rows, row, QUEUE));
    json_put_i64(&w, "created_at_us", db_rows_time(rows, row, CREATED_AT));
    put_maybe(&w, "job_id", rows, row, JOB_ID);
    put_maybe(&w, "created_by", rows, row, CREATED_BY);
    json_put_text(&w, "actor", db_rows_text(rows, row, ACTOR));
    json_end_object(&w);
    json_end_object(&w);
    return true;
}
