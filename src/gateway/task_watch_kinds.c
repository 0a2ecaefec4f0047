/* What becomes of the feed's events of tasks, and of those of jobs. */
#include "base/clock.h"
#include "gateway/task_watch_priv.h"

/* ── from the feed ── */

static struct record record_of_event(const struct watch *w, const struct feed_event *event)
{
    return (struct record){ .table = w->plan->table, .cells = event->cells, .given = event->told };
}

/* What the worker tells of is accepted, and what it adds is nothing but what it tells. */
static void note_event(struct watch *w, size_t shard, struct change *change,
                       const struct feed_event *event)
{
    static const struct str yes = { "t", 1 };
    struct str cells[RECORD_COLUMNS_MAX] = { 0 };
    uint64_t given = event->told | SELECT_BIT(w->kind->accepted) | SELECT_BIT(w->kind->shard);
    for (uint64_t left = event->told; left != 0; left &= left - 1)
        cells[__builtin_ctzll(left)] = event->cells[__builtin_ctzll(left)];
    cells[w->kind->accepted] = yes;
    cells[w->kind->shard] = shards_cell(shard);
    if (event->op == FEED_ADD)
        given |= w->kind->null_at_first;
    change->shard = shard;
    change->seq = event->seq;
    changes_note(&w->changes, change, cells, given & w->plan->columns);
}

static void take_change(struct watch *w, size_t shard, const struct feed_event *event)
{
    struct record task = record_of_event(w, event);
    struct change *change = changes_find(&w->changes, event->id);
    int from = feed_status_before(event);
    bool is_added = event->op == FEED_ADD;
    if (change == NULL && task_filter_match(w->filter, &task) == TASK_MATCH_NO &&
        (is_added || task_filter_match_before(w->filter, &task, from) == TASK_MATCH_NO))
        return;
    change = changes_at(&w->changes, event->id);
    if (!change->has_news) {
        change->from = from;
        change->is_added = is_added;
    }
    note_event(w, shard, change, event);
}

static void take_deleted(struct watch *w, size_t shard, struct uuid id, int64_t seq)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    const struct str cells[COL_tasks_COUNT] = { [COL_tasks_id] = str_of(text, UUID_TEXT_LEN) };
    const struct record task = { .table = w->plan->table,
                                 .cells = cells,
                                 .given = SELECT_BIT(COL_tasks_id) };
    struct change *change = changes_find(&w->changes, id);
    if (change == NULL && task_filter_match(w->filter, &task) == TASK_MATCH_NO)
        return;
    change = changes_at(&w->changes, id);
    change->is_deleted = true;
    change->shard = shard;
    change->seq = seq;
    changes_note(&w->changes, change, cells, 0);
}

static void take_drop(struct watch *w, size_t shard, const struct feed_event *event)
{
    const struct task_filter_ids *asked = w->filter->ids;
    for (size_t i = 0; i < event->id_count; i++)
        take_deleted(w, shard, event->ids[i], event->seq);
    for (size_t i = 0; event->is_range && asked != NULL && i < asked->count; i++)
        if (memcmp(&asked->items[i], &event->from_id, sizeof(struct uuid)) >= 0 &&
            memcmp(&asked->items[i], &event->to_id, sizeof(struct uuid)) < 0)
            take_deleted(w, shard, asked->items[i], event->seq);
}

static void take_task(struct watch *w, size_t shard, const struct feed_event *event)
{
    if (event->op == FEED_DROP)
        take_drop(w, shard, event);
    else if (event->op >= FEED_ADD && event->op <= FEED_NOTE)
        take_change(w, shard, event);
}

static void take_job(struct watch *w, size_t shard, const struct feed_event *event)
{
    if (event->op == FEED_JOB)
        note_event(w, shard, changes_at(&w->changes, event->id), event);
}

/* ── to the watcher ── */

/* What is stored, under what was told; alone where it is as new. */
static struct record *record_of_change(const struct watch *w, const struct change *change,
                                       struct arena *a)
{
    struct record *record = arena_new(a, struct record);
    *record = (struct record){ .table = w->plan->table,
                               .rows = change->rows,
                               .row = change->row,
                               .columns = w->plan->columns };
    if (change->rows != NULL)
        db_rows_keep(change->rows, a);
    if (change->rows != NULL && record_i64(record, w->kind->version) >= change->seq)
        return record;
    record->cells = record_kept_cells(&change->kept, a);
    record->given = change->kept.given;
    return record;
}

/* False where the watcher need not know. */
static bool kind_of(enum task_match before, enum task_match now, enum event_kind *ret_kind)
{
    if (now == TASK_MATCH_NO) {
        *ret_kind = EVENT_LEFT;
        return before != TASK_MATCH_NO;
    }
    *ret_kind = before == TASK_MATCH_NO ? EVENT_ADDED : EVENT_CHANGED;
    return true;
}

static struct task_event *tell_deleted(struct watch *w, struct change *change,
                                       struct task_event *event)
{
    bool is_told = change->is_known ? change->known != TASK_MATCH_NO : !change->is_added;
    event->kind = EVENT_DELETED;
    changes_forget(&w->changes, change);
    return is_told ? event : NULL;
}

static void *tell_task(struct watch *w, struct change *change, struct arena *a)
{
    struct task_event *event = arena_new(a, struct task_event);
    event->id = change->id;
    if (change->is_deleted)
        return tell_deleted(w, change, event);
    event->task = record_of_change(w, change, a);
    enum task_match now = task_filter_match(w->filter, event->task);
    enum task_match before = change->is_known ? change->known
                             : change->is_added
                                 ? TASK_MATCH_NO
                                 : task_filter_match_before(w->filter, event->task, change->from);
    if (!kind_of(before, now, &event->kind)) {
        changes_forget(&w->changes, change);
        return NULL;
    }
    changes_told(&w->changes, change, now, clock_mono_us());
    return event;
}

static void *tell_job(struct watch *w, struct change *change, struct arena *a)
{
    struct record *job = record_of_change(w, change, a);
    changes_told(&w->changes, change, TASK_MATCH_YES, clock_mono_us());
    return job;
}

/* ── the kinds ── */

const struct watch_kind task_watch_of_tasks = {
    .version = COL_tasks_version,
    .accepted = COL_tasks_accepted,
    .shard = COL_tasks_shard,
    .null_at_first = SELECT_BIT(COL_tasks_error_template) | SELECT_BIT(COL_tasks_scheduled_for) |
                     SELECT_BIT(COL_tasks_duplicate_of),
    .on_event = take_task,
    .tell = tell_task,
};
const struct watch_kind task_watch_of_jobs = {
    .version = COL_jobs_version,
    .accepted = COL_jobs_accepted,
    .shard = COL_jobs_shard,
    .on_event = take_job,
    .tell = tell_job,
};
