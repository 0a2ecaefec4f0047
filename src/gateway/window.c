#include "gateway/window.h"

#include "base/clock.h"
#include "base/mem.h"
#include "json/json.h"

enum { WINDOW_BYTES = 64 << 20, FIRST_CAPACITY = 64 };

struct window *window_create(int64_t first_seq)
{
    struct window *w = mem_new(struct window);
    *w = (struct window){ .arena = arena_create(WINDOW_BYTES),
                          .first_seq = first_seq,
                          .next_seq = first_seq,
                          .by_id = map_create(),
                          .jobs_by_id = map_create(),
                          .counts = map_create() };
    return w;
}

void window_destroy(struct window *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->batch_count; i++)
        feed_batch_unref(w->batches[i]);
    map_destroy(w->by_id);
    map_destroy(w->jobs_by_id);
    map_destroy(w->counts);
    mem_free(w->batches);
    mem_free(w->tasks);
    mem_free(w->jobs);
    mem_free(w->dropped);
    mem_free(w->froms);
    mem_free(w->tos);
    mem_free(w->gone_jobs);
    mem_free(w->failures);
    mem_free(w->marks);
    arena_destroy(w->arena);
    mem_free(w);
}

/* Room for one more in an array that doubles; full at powers of two from FIRST_CAPACITY on. */
static void *grown(void *items, size_t count, size_t size)
{
    bool is_full = count == 0 || (count >= FIRST_CAPACITY && (count & (count - 1)) == 0);
    if (!is_full)
        return items;
    return mem_resize(items, max_of(count * 2, (size_t)FIRST_CAPACITY), size);
}

#define PUSH(array, count, value)                                                                  \
    do {                                                                                           \
        (array) = grown((array), (count), sizeof *(array));                                        \
        (array)[(count)++] = (value);                                                              \
    } while (0)

static struct window_row *new_row(struct window *w, struct map *map, struct uuid id, size_t columns)
{
    struct window_row *row = arena_new(w->arena, struct window_row);
    row->id = id;
    row->cells = arena_new_array(w->arena, columns, struct str);
    (void)map_put(map, uuid_bytes(&id), row);
    return row;
}

static void merge(struct window_row *row, const struct feed_event *event, size_t columns)
{
    for (size_t c = 0; c < columns; c++)
        if (event->told & UINT64_C(1) << c)
            row->cells[c] = event->cells[c];
    row->told |= event->told;
}

static void take_task(struct window *w, const struct feed_event *event)
{
    struct window_row *row = map_get(w->by_id, uuid_bytes(&event->id));
    if (row == NULL) {
        row = new_row(w, w->by_id, event->id, COL_tasks_COUNT);
        PUSH(w->tasks, w->task_count, row);
    }
    row->is_changed |= event->op != FEED_ADD;
    row->is_born |= event->op == FEED_ADD;
    row->is_gone = false;
    merge(row, event, COL_tasks_COUNT);
}

/* By who made it; a worker that does not tell of him tells it by its times. */
static bool is_made(const struct feed_event *event)
{
    const struct json_value *before = json_get_c(event->object, "before");
    bool is_told = event->object != NULL && event->object->type == JSON_OBJECT &&
                   (before == NULL || before->type == JSON_NULL);
    return is_told || str_eq(event->cells[COL_jobs_created_at], event->cells[COL_jobs_updated_at]);
}

static void take_job(struct window *w, const struct feed_event *event)
{
    struct window_row *row = map_get(w->jobs_by_id, uuid_bytes(&event->id));
    if (event->op == FEED_JOB_GONE) {
        if (row != NULL)
            row->is_gone = true;
        PUSH(w->gone_jobs, w->gone_job_count, event->id);
        return;
    }
    if (row == NULL) {
        row = new_row(w, w->jobs_by_id, event->id, COL_jobs_COUNT);
        PUSH(w->jobs, w->job_count, row);
    }
    row->is_born |= is_made(event);
    row->is_gone = false;
    merge(row, event, COL_jobs_COUNT);
}

static bool is_within(struct uuid id, const struct feed_event *event)
{
    return memcmp(id.bytes, event->from_id.bytes, sizeof id.bytes) >= 0 &&
           memcmp(id.bytes, event->to_id.bytes, sizeof id.bytes) < 0;
}

static void take_drop(struct window *w, const struct feed_event *event)
{
    for (size_t i = 0; i < event->id_count; i++) {
        struct window_row *row = map_get(w->by_id, uuid_bytes(&event->ids[i]));
        if (row != NULL)
            row->is_gone = true;
        PUSH(w->dropped, w->dropped_count, event->ids[i]);
        PUSH(w->failures, w->failure_count, event->ids[i]);
    }
    if (!event->is_range)
        return;
    for (size_t i = 0; i < w->task_count; i++)
        w->tasks[i]->is_gone |= is_within(w->tasks[i]->id, event);
    size_t tos = w->range_count;
    PUSH(w->froms, w->range_count, event->from_id);
    PUSH(w->tos, tos, event->to_id);
}

/* ── counters ── */

static void add_count(void *owner, struct str type, enum task_status status, int64_t delta)
{
    struct window *w = owner;
    int64_t *deltas = map_get(w->counts, type);
    if (deltas == NULL) {
        deltas = arena_new_array(w->arena, TASK_STATUS_COUNT, int64_t);
        (void)map_put(w->counts, type, deltas);
    }
    deltas[status] += delta;
}

static enum task_status status_now(const struct feed_event *event)
{
    int status =
        schema_label_of(&schema_public.enums[ENUM_task_status], event->cells[COL_tasks_status]);
    assert(status >= 0);
    return (enum task_status)status;
}

static enum task_status status_after(const struct feed_event *event)
{
    if (event->op == FEED_START)
        return TASK_STATUS_IN_PROGRESS;
    return event->op == FEED_FINISH || event->op == FEED_REOPEN ? status_now(event)
                                                                : TASK_STATUS_PENDING;
}

void window_count(const struct feed_event *event, window_count_fn *fn, void *owner)
{
    int from = feed_status_before(event);
    for (size_t i = 0; event->op == FEED_DROP && i < event->count_count; i++)
        fn(owner, event->counts[i].type, event->counts[i].status, -event->counts[i].count);
    if (from >= 0)
        fn(owner, event->type, (enum task_status)from, -1);
    if (from >= 0 || event->op == FEED_ADD)
        fn(owner, event->type, status_after(event), 1);
}

static void take_counts(struct window *w, const struct feed_event *event)
{
    window_count(event, add_count, w);
    bool is_moved = event->op == FEED_FINISH || event->op == FEED_REOPEN;
    if (is_moved && (event->from == TASK_STATUS_FAILED || status_now(event) == TASK_STATUS_FAILED))
        PUSH(w->failures, w->failure_count, event->id);
    struct rollup_mark mark;
    if (rollup_mark_of(event, &mark))
        PUSH(w->marks, w->mark_count, mark);
}

void window_take(struct window *w, struct feed_batch *batch)
{
    assert(batch->first_seq == w->next_seq);
    if (w->next_seq == w->first_seq)
        w->began_us = clock_mono_us();
    feed_batch_ref(batch);
    PUSH(w->batches, w->batch_count, batch);
    for (size_t i = 0; i < batch->count; i++) {
        const struct feed_event *event = &batch->events[i];
        if (event->op == FEED_JOB || event->op == FEED_JOB_GONE)
            take_job(w, event);
        else if (event->op == FEED_DROP)
            take_drop(w, event);
        else if (event->op < FEED_DROP)
            take_task(w, event);
        take_counts(w, event);
    }
    w->is_uncounted |= batch->is_uncounted;
    w->event_count += (size_t)(batch->next_seq - batch->first_seq);
    w->next_seq = batch->next_seq;
}

/* ── what is stored of it ── */

enum { ROW_UNCHANGED, ROW_BORN, ROW_KNOWN, ROW_KINDS };

static int kind_of(const struct window_row *row)
{
    if (!row->is_born)
        return ROW_KNOWN;
    return row->is_changed ? ROW_BORN : ROW_UNCHANGED;
}

size_t window_rows(const struct window *w, struct mirror_row **ret_rows, size_t *ret_born,
                   size_t *ret_unchanged)
{
    struct mirror_row *rows = arena_new_array(w->arena, w->task_count, struct mirror_row);
    size_t n = 0, ends[ROW_KINDS];
    for (int kind = 0; kind < ROW_KINDS; kind++) {
        for (size_t i = 0; i < w->task_count; i++)
            if (!w->tasks[i]->is_gone && kind_of(w->tasks[i]) == kind)
                rows[n++] = (struct mirror_row){ w->tasks[i]->told, w->tasks[i]->cells };
        ends[kind] = n;
    }
    *ret_rows = rows;
    *ret_born = ends[ROW_BORN];
    *ret_unchanged = ends[ROW_UNCHANGED];
    return n;
}

static size_t add_jobs(const struct window *w, bool are_born, struct mirror_row *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < w->job_count; i++)
        if (!w->jobs[i]->is_gone && w->jobs[i]->is_born == are_born)
            rows[n++] = (struct mirror_row){ w->jobs[i]->told, w->jobs[i]->cells };
    return n;
}

size_t window_job_rows(const struct window *w, struct mirror_row **ret_rows, size_t *ret_born)
{
    struct mirror_row *rows = arena_new_array(w->arena, w->job_count, struct mirror_row);
    *ret_born = add_jobs(w, true, rows);
    *ret_rows = rows;
    return *ret_born + add_jobs(w, false, rows + *ret_born);
}

size_t window_counts(const struct window *w, struct mirror_count **ret_counts)
{
    struct mirror_count *counts =
        arena_new_array(w->arena, map_count(w->counts) * TASK_STATUS_COUNT, struct mirror_count);
    size_t n = 0, at = 0;
    struct str type;
    void *value;
    while (map_next(w->counts, &at, &type, &value)) {
        const int64_t *deltas = value;
        for (int s = 0; s < TASK_STATUS_COUNT; s++)
            if (deltas[s] != 0)
                counts[n++] = (struct mirror_count){ type, (enum task_status)s, deltas[s] };
    }
    *ret_counts = counts;
    return n;
}
