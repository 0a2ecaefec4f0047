/* logs: what is kept of each attempt in memory, how it is read, and who follows it. */
#include "worker/logs.h"

#include "base/mem.h"
#include "json/writer.h"
#include "worker/logs_priv.h"

enum {
    KEPT_FIRST = 16,
    PARSE_LEAST = 1 << 16,
    PARSED_TIMES = 32, /* a row when parsed, at most: of empty lines */
};

static const struct str own_stream = STR(LOG_OWN_STREAM);

/* ── places ── */

void log_place_format(struct log_place place, char ret_text[LOG_PLACE_TEXT_MAX])
{
    snprintf(ret_text, LOG_PLACE_TEXT_MAX, "%lld:%lld", (long long)place.base, (long long)place.n);
}

bool log_place_parse(struct str text, struct log_place *ret_place)
{
    struct str base, n;
    struct log_place place;
    if (!str_cut(text, ':', &base, &n) || !str_to_i64(base, &place.base) ||
        !str_to_i64(n, &place.n) || place.base < 0 || place.n < 0)
        return false;
    *ret_place = place;
    return true;
}

/* ── one attempt's ── */

static size_t size_of(const struct log_kept *kept)
{
    return (size_t)kept->text_len + 1;
}

static size_t bytes_of(const struct log_kept *kept)
{
    return (size_t)kept->stream_len + kept->text_len + sizeof *kept;
}

struct task_log *task_log_of(const struct logs *logs, struct uuid task)
{
    return map_count(logs->by_task) > 0 ? map_get(logs->by_task, uuid_bytes(&task)) : NULL;
}

const struct task_log *logs_find(const struct logs *logs, struct uuid task)
{
    return task_log_of(logs, task);
}

struct log_place task_log_first(const struct task_log *log)
{
    return (struct log_place){ log->base, log->first };
}

struct log_place task_log_last(const struct task_log *log)
{
    return (struct log_place){ log->base, task_log_next(log) - 1 };
}

struct log_attempt log_attempt_of(const struct shard *s, const struct live *task)
{
    return (struct log_attempt){ task->id, live_run_of(s->live, task).fence, task->attempt };
}

struct task_log *task_log_make(struct logs *logs, struct log_attempt of)
{
    struct task_log *log = task_log_of(logs, of.task);
    int64_t base = max_of(of.fence, logs->began);
    if (log && log->base == base)
        return log;
    assert(!log); /* logs_end saw the end of the attempt before */
    log = mem_new(struct task_log);
    log->task = of.task;
    log->base = base;
    log->attempt = of.attempt;
    log->first = log->trimmed = 1;
    buf_init(&log->bytes, 0);
    list_init(&log->dirty);
    (void)map_put(logs->by_task, uuid_bytes(&log->task), log);
    return log;
}

static void free_log(struct task_log *log)
{
    list_remove(&log->dirty);
    buf_clear(&log->bytes);
    mem_free(log->kept);
    mem_free(log);
}

void task_log_forget(struct logs *logs, struct task_log *log)
{
    for (size_t i = log->from; i < log->count; i++)
        logs->bytes -= bytes_of(&log->kept[i]);
    (void)map_remove(logs->by_task, uuid_bytes(&log->task));
    free_log(log);
}

static void drop_first(struct logs *logs, struct task_log *log)
{
    const struct log_kept *kept = &log->kept[log->from];
    logs->bytes -= bytes_of(kept);
    log->size -= size_of(kept);
    log->bytes_from += kept->stream_len + kept->text_len;
    log->from++;
    log->first++;
    if (log->from < log->count / 2 + KEPT_FIRST)
        return;
    memmove(log->kept, log->kept + log->from, (log->count - log->from) * sizeof *log->kept);
    log->count -= log->from;
    log->from = 0;
    buf_consume(&log->bytes, log->bytes_from);
    log->bytes_from = 0;
}

static void keep(struct logs *logs, struct task_log *log, const struct log_line *line)
{
    log->kept = mem_grow(log->kept, log->count, &log->capacity, KEPT_FIRST, sizeof *log->kept);
    struct log_kept *kept = &log->kept[log->count++];
    *kept = (struct log_kept){ line->at_us, (uint32_t)line->stream.len, (uint32_t)line->text.len };
    buf_put_str(&log->bytes, line->stream);
    buf_put_str(&log->bytes, line->text);
    log->size += size_of(kept);
    logs->bytes += bytes_of(kept);
}

void task_log_put(struct logs *logs, struct task_log *log, const struct log_lines *lines)
{
    if (lines->dropped > 0) { /* all that was kept is older than what is missing */
        while (log->from < log->count)
            drop_first(logs, log);
        log->first += (int64_t)lines->dropped;
    }
    for (size_t i = 0; i < lines->count; i++) {
        size_t limit =
            logs->bytes > LOGS_BYTES_MAX ? (size_t)LOG_CROWDED_BYTES : logs->s->options.log_limit;
        keep(logs, log, &lines->items[i]);
        while (log->count - log->from > 1 &&
               (log->size > limit || log->count - log->from > LOG_LINES_MAX))
            drop_first(logs, log);
    }
}

/* ── as JSON, and back ── */

void log_line_json(struct buf *out, const struct log_line *line)
{
    buf_put_char(out, '[');
    buf_put_i64(out, line->at_us);
    buf_put_char(out, ',');
    json_put_string(out, line->stream);
    buf_put_char(out, ',');
    json_put_string(out, line->text);
    buf_put_char(out, ']');
}

/* The line at `at`, whose bytes begin at *offset, which is moved behind them. */
static struct log_line line_at(const struct task_log *log, size_t at, size_t *offset)
{
    const struct log_kept *kept = &log->kept[at];
    const char *bytes = log->bytes.ptr + *offset;
    *offset += kept->stream_len + kept->text_len;
    return (struct log_line){ kept->at_us, str_of(bytes, kept->stream_len),
                              str_of(bytes + kept->stream_len, kept->text_len) };
}

struct str task_log_json(struct arena *a, const struct task_log *log, int64_t from, size_t max,
                         int64_t *ret_last)
{
    struct buf out;
    size_t offset = log->bytes_from;
    int64_t n = log->first;
    buf_init(&out, 0);
    buf_put_char(&out, '[');
    for (size_t i = log->from; i < log->count && (out.len < max || n <= from); i++, n++) {
        struct log_line line = line_at(log, i, &offset);
        if (n < from)
            continue;
        if (out.len > 1)
            buf_put_char(&out, ',');
        log_line_json(&out, &line);
    }
    buf_put_char(&out, ']');
    *ret_last = n - 1;
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* Where a walk is, and whom it tells. */
struct walk {
    struct log_place last; /* that was told or is known */
    log_line_fn *fn;
    void *owner;
    bool is_over;
};

static void tell(struct walk *w, struct log_place place, uint32_t attempt,
                 const struct log_line *line)
{
    int64_t expected = w->last.base == place.base ? w->last.n + 1 : 1;
    if (w->is_over || !log_place_before(w->last, place))
        return;
    if (place.n > expected) {
        char text[80];
        int64_t missing = place.n - expected;
        int len = snprintf(text, sizeof text, "%lld %s dropped here", (long long)missing,
                           missing == 1 ? "line was" : "lines were");
        struct log_line gap = { line->at_us, own_stream, str_of(text, (size_t)len) };
        struct log_place at = { place.base, place.n - 1 };
        w->is_over = !w->fn(w->owner, at, attempt, &gap);
        w->last = at;
    }
    if (w->is_over)
        return;
    w->is_over = !w->fn(w->owner, place, attempt, line);
    w->last = place;
}

static void walk_row(struct walk *w, const struct db_rows *rows, size_t row,
                     const struct task_log *log)
{
    struct str text = db_rows_text(rows, row, 3);
    scoped(arena_destroyp) struct arena *a = arena_create(PARSE_LEAST + text.len * PARSED_TIMES);
    const struct json_value *list;
    struct err e;
    struct log_place place = { .base = db_rows_i64(rows, row, 0) };
    if (!json_parse(a, text, &list, &e) || list->type != JSON_ARRAY)
        return; /* the worker's own row */
    place.n = db_rows_i64(rows, row, 1) - (int64_t)list->item_count;
    for (size_t i = 0; i < list->item_count && !w->is_over; i++) {
        const struct json_value *item = &list->items[i];
        struct log_line line = { 0 };
        place.n++;
        if (item->type != JSON_ARRAY || item->item_count != 3 ||
            !json_to_i64(&item->items[0], &line.at_us))
            continue;
        if (log && !log_place_before(place, task_log_first(log)))
            return; /* memory has it */
        line.stream = item->items[1].text;
        line.text = item->items[2].text;
        tell(w, place, (uint32_t)db_rows_i64(rows, row, 2), &line);
    }
}

void logs_walk(const struct db_rows *rows, const struct task_log *log, struct log_place after,
               log_line_fn *fn, void *owner)
{
    struct walk w = { .last = after, .fn = fn, .owner = owner };
    for (size_t row = 0; rows && row < db_rows_count(rows) && !w.is_over; row++)
        if (!db_rows_is_null(rows, row, 0))
            walk_row(&w, rows, row, log);
    if (!log)
        return;
    struct log_place place = { log->base, log->first };
    size_t offset = log->bytes_from;
    for (size_t i = log->from; i < log->count && !w.is_over; i++, place.n++) {
        struct log_line line = line_at(log, i, &offset);
        tell(&w, place, log->attempt, &line);
    }
}

/* ── who follows ── */

void logs_watch(struct logs *logs, struct log_watch *watch)
{
    struct list *all = map_get(logs->watched, uuid_bytes(&watch->task));
    if (!all) {
        all = mem_new(struct list);
        list_init(all);
        (void)map_put(logs->watched, uuid_bytes(&watch->task), all);
    }
    list_push(all, &watch->node);
    logs->watching++;
}

static void end_if_alone(struct logs *logs, struct uuid task)
{
    struct list *all = map_get(logs->watched, uuid_bytes(&task));
    if (all && list_is_empty(all))
        mem_free(map_remove(logs->watched, uuid_bytes(&task)));
}

void logs_unwatch(struct logs *logs, struct log_watch *watch)
{
    if (list_is_empty(&watch->node))
        return;
    list_remove(&watch->node);
    logs->watching--;
    end_if_alone(logs, watch->task);
}

/* Each may watch anew, so the list is its own first. */
static void wake_list(struct logs *logs, struct list *all)
{
    struct list woken;
    list_init(&woken);
    for (struct list *node; (node = list_pop(all));)
        list_push(&woken, node);
    for (struct list *node; (node = list_pop(&woken));) {
        struct log_watch *watch = container_of(node, struct log_watch, node);
        list_init(&watch->node);
        logs->watching--;
        watch->wake(watch);
    }
}

static void wake(struct logs *logs, struct uuid task)
{
    struct list *all = logs->watching > 0 ? map_remove(logs->watched, uuid_bytes(&task)) : NULL;
    if (!all)
        return;
    wake_list(logs, all);
    mem_free(all);
}

/* ── what happens to a task ── */

void logs_add(struct logs *logs, struct log_attempt of, const struct log_lines *lines)
{
    if (lines->count == 0)
        return;
    struct task_log *log = task_log_make(logs, of);
    task_log_put(logs, log, lines);
    logs_mark(logs, log);
    wake(logs, of.task);
}

void logs_gone(struct logs *logs, struct uuid task)
{
    wake(logs, task);
}

/* ── life ── */

struct logs *logs_create(struct shard *s)
{
    struct logs *logs = mem_new(struct logs);
    logs->s = s;
    logs->by_task = map_create();
    logs->watched = map_create();
    logs->a = arena_create(0);
    logs->timer = io_timer_create(s->loop, logs_on_timer, logs);
    list_init(&logs->dirty);
    return logs;
}

void logs_start(struct logs *logs, int64_t began)
{
    logs->began = began;
}

static void wake_all(struct logs *logs)
{
    size_t at = 0;
    struct str key;
    void *all;
    struct map *watched = logs->watched;
    logs->watched = map_create();
    while (map_next(watched, &at, &key, &all)) {
        wake_list(logs, all);
        mem_free(all);
    }
    map_destroy(watched);
}

void logs_clear(struct logs *logs)
{
    size_t at = 0;
    struct str key;
    void *log;
    logs_write_stop(logs);
    while (map_next(logs->by_task, &at, &key, &log))
        free_log(log);
    map_destroy(logs->by_task);
    logs->by_task = map_create();
    logs->bytes = 0;
    wake_all(logs);
}

void logs_destroy(struct logs *logs)
{
    if (!logs)
        return;
    logs_clear(logs);
    map_destroy(logs->by_task);
    map_destroy(logs->watched);
    io_timer_destroy(logs->timer);
    arena_destroy(logs->a);
    mem_free(logs);
}
