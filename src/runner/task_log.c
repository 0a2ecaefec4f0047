#include "runner/task_log.h"

#include "base/mem.h"

struct task_log *task_log_create(void)
{
    struct task_log *log = mem_new(struct task_log);
    buf_init(&log->riding, 0);
    buf_init(&log->older, 0);
    buf_init(&log->newer, 0);
    return log;
}

void task_log_destroy(struct task_log *log)
{
    if (!log)
        return;
    buf_clear(&log->riding);
    buf_clear(&log->older);
    buf_clear(&log->newer);
    mem_free(log);
}

void task_log_add(struct task_log *log, struct str stream, struct str text, int64_t at_us)
{
    if (log->newer.len > TASK_LOG_BYTES / 2) { /* the oldest half goes */
        struct buf emptied = log->older;
        log->older = log->newer;
        log->newer = emptied;
        buf_reset(&log->newer);
    }
    if (log->newer.len > 0)
        buf_put_char(&log->newer, ',');
    struct json_writer w = json_writer_to(&log->newer);
    json_begin_object(&w);
    json_key_c(&w, "stream");
    json_write_string(&w, stream);
    json_key_c(&w, "text");
    json_write_string(&w, str_first_whole(text, TASK_LOG_LINE_BYTES));
    json_key_c(&w, "at_us");
    json_write_i64(&w, at_us);
    json_end_object(&w);
}

bool task_log_is_empty(const struct task_log *log)
{
    return !log || log->riding.len + log->older.len + log->newer.len == 0;
}

static void append(struct buf *to, struct buf *from)
{
    if (to->len > 0 && from->len > 0)
        buf_put_char(to, ',');
    buf_put_str(to, buf_str(from));
    buf_reset(from);
}

/* The worker has been away for long: of what rides in vain only the newest goes on. A line begins
 * like this and nothing within one does, where quotes are escaped. */
static void forget_oldest(struct buf *riding)
{
    if (riding->len <= TASK_LOG_BYTES)
        return;
    size_t from = riding->len - TASK_LOG_BYTES;
    ptrdiff_t at = str_find(str_from(buf_str(riding), from), STR(",{\"stream\":"));
    buf_consume(riding, at < 0 ? riding->len : from + (size_t)at + 1);
}

void task_log_write(struct task_log *log, struct json_writer *w)
{
    append(&log->riding, &log->older);
    append(&log->riding, &log->newer);
    forget_oldest(&log->riding);
    json_begin_array(w);
    json_write_raw(w, buf_str(&log->riding));
    json_end_array(w);
    log->is_out = true;
}

void task_log_arrived(struct task_log *log)
{
    if (log->is_out)
        buf_reset(&log->riding);
    log->is_out = false;
}

void task_log_came_back(struct task_log *log)
{
    log->is_out = false;
}

struct str task_log_out(const struct task_log *log)
{
    return log->is_out ? buf_str(&log->riding) : STR("");
}

struct str task_log_rest(struct task_log *log)
{
    append(&log->older, &log->newer);
    if (log->is_out)
        return buf_str(&log->older);
    append(&log->riding, &log->older);
    forget_oldest(&log->riding);
    return buf_str(&log->riding);
}
