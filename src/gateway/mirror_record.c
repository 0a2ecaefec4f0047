#include "gateway/mirror_record.h"

#include "base/clock.h"
#include "gateway/record_detail.h"
#include "gateway/worker_json.h"
#include "store/public/audit.h"

/*
 * Of the same kind by the same person up to EACH_MAX tasks of a window are entries of their own,
 * which their subject finds; more are one entry, as a bulk action is: it tells how many, of which
 * types, until when, and the first IDS_MAX ids. So are those of one number of the feed, since an
 * entry's id follows from it.
 */
enum { EACH_MAX = 100, IDS_MAX = 100, TYPES_MAX = 20, ACTION_BYTES_MAX = 100 };

enum act { ACT_CREATE, ACT_CANCEL, ACT_RETRY, ACT_DELETE, ACT_TRIGGER, ACT_NONE };

static const struct {
    const char *one, *many;
} act_names[] = {
    [ACT_CREATE] = { "task.create", "tasks.create" },
    [ACT_CANCEL] = { "task.cancel", "tasks.cancel" },
    [ACT_RETRY] = { "task.retry", "tasks.retry" },
    [ACT_DELETE] = { "task.delete", "tasks.delete" },
    [ACT_TRIGGER] = { "job.trigger", "job.trigger" },
};

/* What one person did to tasks in one way. */
struct deed {
    struct deed *next;
    enum act act;
    struct str actor;
    struct audit_record **each; /* EACH_MAX */
    bool is_many;               /* some are of one number */
    struct record_many many;
};

struct recording {
    struct arena *a;
    int shard;
    struct audit_record *records;
    size_t count;
    struct audit_record *acts; /* those of them that may have been begun before */
    size_t act_count;
    struct deed *deeds;
};

/* Of a bulk action its record tells, and not each of its tasks. */
static bool is_person(struct str actor)
{
    return !str_is_empty(actor) && !str_eq_c(actor, "scheduler") &&
           !str_starts_with(actor, STR("task ")) && !str_starts_with(actor, STR("bulk:"));
}

/* ── tasks ── */

static struct deed *deed_of(struct recording *r, enum act act, struct str actor)
{
    for (struct deed *d = r->deeds; d != NULL; d = d->next)
        if (d->act == act && str_eq(d->actor, actor))
            return d;
    struct deed *d = arena_new(r->a, struct deed);
    *d = (struct deed){ .next = r->deeds, .act = act, .actor = actor };
    d->each = arena_new_array(r->a, EACH_MAX, struct audit_record *);
    d->many.ids = arena_new_array(r->a, IDS_MAX, struct uuid);
    d->many.types = arena_new_array(r->a, TYPES_MAX, struct feed_count);
    r->deeds = d;
    return d;
}

static void count_type(struct record_many *many, struct str type, int64_t count)
{
    size_t i = 0;
    while (i < many->type_count && !str_eq(many->types[i].type, type))
        i++;
    if (i == TYPES_MAX)
        return;
    if (i == many->type_count)
        many->types[many->type_count++].type = type;
    many->types[i].count += count;
}

static struct str subject_of(struct arena *a, const char *kind, struct uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    return arena_printf(a, "%s:%s", kind, text);
}

/* One more: its entry, of `base`, to be filled in; NULL: there are too many for each to have one.
 */
static struct audit_record *add_task(struct recording *r, struct deed *d,
                                     const struct audit_record *base, struct uuid id)
{
    struct audit_record *record = NULL;
    if (d->many.count < EACH_MAX) {
        record = d->each[d->many.count] = arena_new(r->a, struct audit_record);
        *record = *base;
        record->action = str_of_c(act_names[d->act].one);
        record->subject = subject_of(r->a, "task", id);
    }
    if (d->many.count < IDS_MAX)
        d->many.ids[d->many.id_count++] = id;
    d->many.until_us = max_of(d->many.until_us, base->at_us);
    d->many.count++;
    return record;
}

/* The first one's number and moment stand for them all. */
static void close_deeds(struct recording *r)
{
    for (const struct deed *d = r->deeds; d != NULL; d = d->next) {
        bool is_many = d->is_many || d->many.count > EACH_MAX;
        size_t each = is_many ? 1 : d->many.count;
        for (size_t i = 0; i < each; i++)
            r->records[r->count++] = *d->each[i];
        if (!is_many)
            continue;
        struct audit_record *one = &r->records[r->count - 1];
        one->action = str_of_c(act_names[d->act].many);
        one->subject = STR("tasks");
        one->detail = record_detail_many(r->a, &d->many);
    }
}

/* A task that a person made for a job is a trigger of the job. */
static void take_new_task(struct recording *r, const struct audit_record *base,
                          const struct str *cells, struct uuid id)
{
    struct uuid job;
    bool is_run = cells[COL_tasks_job_id].ptr != NULL && uuid_parse(cells[COL_tasks_job_id], &job);
    if (is_run) {
        struct audit_record *run = &r->records[r->count++];
        *run = *base;
        run->action = str_of_c(act_names[ACT_TRIGGER].one);
        run->subject = subject_of(r->a, "job", job);
        run->detail = record_detail_task(r->a, cells, &id);
        return;
    }
    struct deed *d = deed_of(r, ACT_CREATE, base->label);
    struct audit_record *record = add_task(r, d, base, id);
    if (record != NULL && cells[COL_tasks_created_by].ptr != NULL)
        (void)uuid_parse(cells[COL_tasks_created_by], &record->user_id);
    if (record != NULL)
        record->detail = record_detail_task(r->a, cells, NULL);
    count_type(&d->many, cells[COL_tasks_type], 1);
}

static enum act act_of(enum feed_op op)
{
    if (op == FEED_FINISH || op == FEED_NOTE)
        return ACT_CANCEL;
    if (op == FEED_REOPEN)
        return ACT_RETRY;
    return op == FEED_DROP ? ACT_DELETE : ACT_NONE;
}

/* Only its counters tell of which types they were. */
static void take_drop(struct recording *r, const struct audit_record *base,
                      const struct feed_event *event)
{
    struct str type = event->count_count > 0 ? event->counts[0].type : STR("");
    if (event->id_count == 0)
        return;
    struct deed *d = deed_of(r, ACT_DELETE, base->label);
    for (size_t i = 0; i < event->id_count; i++) {
        struct audit_record *record = add_task(r, d, base, event->ids[i]);
        if (record != NULL)
            record->detail = record_detail_type(r->a, type);
    }
    for (size_t i = 0; i < event->count_count; i++)
        count_type(&d->many, event->counts[i].type, event->counts[i].count);
    if (event->id_count > 1)
        d->is_many = true;
}

static void take_task_event(struct recording *r, const struct audit_record *base,
                            const struct feed_event *event)
{
    enum act act = act_of(event->op);
    if (event->op == FEED_ADD || event->op == FEED_MADE)
        take_new_task(r, base, event->cells, event->id);
    if (event->op == FEED_DROP)
        take_drop(r, base, event);
    if (act == ACT_NONE || act == ACT_DELETE)
        return;
    struct deed *d = deed_of(r, act, base->label);
    struct audit_record *record = add_task(r, d, base, event->id);
    if (record != NULL)
        record->detail = record_detail_type(r->a, event->type);
    count_type(&d->many, event->type, 1);
}

/* ── jobs ── */

static void take_job_change(struct recording *r, const struct audit_record *base, struct uuid job,
                            const struct json_value *change)
{
    struct audit_record record = *base;
    record.action = record_job_action(change);
    record.subject = subject_of(r->a, "job", job);
    record.detail = record_detail_job(r->a, change);
    r->records[r->count++] = record;
}

/* ── acts ── */

/* What it has come to by now: of one act the last record counts. */
static void take_act(struct recording *r, const struct audit_record *base,
                     const struct json_value *told)
{
    struct audit_record record = *base;
    size_t i = 0;
    record.action = json_get_text(told, STR("action"));
    record.subject = json_get_text(told, STR("subject"));
    if (!uuid_parse(json_get_text(told, STR("id")), &record.id) || str_is_empty(record.action) ||
        record.action.len > ACTION_BYTES_MAX)
        return; /* no gateway of ours has given it */
    (void)uuid_parse(json_get_text(told, STR("user")), &record.user_id);
    record.detail = record_detail_act(r->a, told);
    while (i < r->act_count && !uuid_eq(r->acts[i].id, record.id))
        i++;
    r->act_count = max_of(r->act_count, i + 1);
    r->acts[i] = record;
}

/* ── a window ── */

static void take_event(struct recording *r, const struct feed_event *event)
{
    const struct audit_record base = {
        .shard = r->shard, .seq = event->seq, .at_us = event->at_us, .label = event->actor
    };
    if (!is_person(event->actor))
        return;
    if (event->op == FEED_RECORD)
        take_act(r, &base, event->object);
    else if (event->op != FEED_JOB && event->op != FEED_JOB_GONE)
        take_task_event(r, &base, event);
    else if (event->object != NULL)
        take_job_change(r, &base, event->id, event->object);
}

static size_t finish(struct recording *r, struct db_step steps[MIRROR_RECORD_STEPS])
{
    size_t count = 0;
    close_deeds(r);
    for (size_t i = 0; i < r->act_count; i++)
        r->records[r->count++] = r->acts[i];
    if (r->act_count > 0)
        steps[count++] = audit_told_step(r->a, r->acts, r->act_count, INT64_C(1) << r->shard);
    if (r->count > 0)
        steps[count++] = audit_record_step(r->a, r->records, r->count);
    if (r->act_count > 0)
        steps[count++] = audit_finish_step(r->a, r->acts, r->act_count);
    return count;
}

size_t mirror_record_window(const struct window *w, int shard,
                            struct db_step steps[MIRROR_RECORD_STEPS])
{
    struct recording r = { .a = w->arena, .shard = shard };
    size_t people = 0, acts = 0;
    for (size_t b = 0; b < w->batch_count; b++)
        for (size_t i = 0; i < w->batches[b]->count; i++) {
            const struct feed_event *event = &w->batches[b]->events[i];
            if (is_person(event->actor))
                people += max_of(event->id_count, (size_t)1);
            acts += event->op == FEED_RECORD;
        }
    if (people == 0)
        return 0;
    r.records = arena_new_array(w->arena, people, struct audit_record);
    r.acts = arena_new_array(w->arena, acts, struct audit_record);
    for (size_t b = 0; b < w->batch_count; b++)
        for (size_t i = 0; i < w->batches[b]->count; i++)
            take_event(&r, &w->batches[b]->events[i]);
    return finish(&r, steps);
}

/* ── a page of the snapshot ── */

static bool read_base(const struct json_value *object, const char *number, const char *at,
                      const struct mirror_lost *lost, struct audit_record *ret_base)
{
    const struct json_value *actor = json_get_c(object, "actor");
    *ret_base = (struct audit_record){ .shard = lost->shard };
    if (!json_get_i64_text(object, str_of_c(number), &ret_base->seq) ||
        !json_get_i64(object, str_of_c(at), &ret_base->at_us) || actor == NULL ||
        actor->type != JSON_STRING || !is_person(actor->text))
        return false;
    ret_base->label = actor->text;
    return ret_base->seq >= lost->from_seq && ret_base->seq < lost->to_seq;
}

static void take_page_task(struct recording *r, const struct json_value *task,
                           const struct mirror_lost *lost)
{
    struct audit_record base;
    struct worker_row row;
    struct uuid id;
    struct err e;
    if (read_base(task, "added", "created_at_us", lost, &base) &&
        worker_read_task(r->a, task, &row, &e) && uuid_parse(row.cells[COL_tasks_id], &id))
        take_new_task(r, &base, row.cells, id);
}

static void take_page_change(struct recording *r, const struct json_value *change,
                             const struct mirror_lost *lost)
{
    const struct json_value *job = json_get_c(change, "job");
    struct audit_record base;
    struct uuid id;
    if (read_base(change, "version", "at_us", lost, &base) && job != NULL &&
        job->type == JSON_STRING && uuid_parse(job->text, &id))
        take_job_change(r, &base, id, change);
}

static void say_what_is_lost(struct recording *r, const struct mirror_lost *lost,
                             const struct json_value *body)
{
    struct audit_record record = {
        .shard = r->shard,
        .seq = lost->to_seq,
        .at_us = clock_wall_us(),
        .label = STR("windlass"),
        .action = lost->from_seq == 0 && !lost->is_reset ? STR("record.begin") : STR("record.gap"),
        .subject = arena_printf(r->a, "shard:%d", r->shard),
    };
    record.detail = record_detail_lost(r->a, r->shard, lost->from_seq, lost->to_seq, lost->is_reset,
                                       json_get_flag(body, STR("job_changes_cut")));
    r->records[r->count++] = record;
}

bool mirror_record_page(struct arena *a, const struct json_value *body,
                        const struct mirror_lost *lost, struct db_step *ret_step)
{
    const struct json_value *tasks = json_get_c(body, "tasks"),
                            *changes = json_get_c(body, "job_changes");
    size_t task_count = tasks != NULL && tasks->type == JSON_ARRAY ? tasks->item_count : 0;
    size_t change_count = changes != NULL && changes->type == JSON_ARRAY ? changes->item_count : 0;
    bool is_known = lost->from_seq > 0 && !lost->is_reset;
    struct recording r = { .a = a, .shard = lost->shard };
    r.records = arena_new_array(a, task_count + change_count + 1, struct audit_record);
    for (size_t i = 0; is_known && i < task_count; i++)
        take_page_task(&r, &tasks->items[i], lost);
    for (size_t i = 0; is_known && i < change_count; i++)
        take_page_change(&r, &changes->items[i], lost);
    bool is_gap = lost->to_seq > max_of(lost->from_seq, INT64_C(1)) || lost->is_reset;
    if (lost->is_first && is_gap)
        say_what_is_lost(&r, lost, body);
    struct db_step steps[MIRROR_RECORD_STEPS];
    size_t step_count = finish(&r, steps);
    assert(step_count <= 1); /* no act is told here */
    *ret_step = steps[0];
    return step_count > 0;
}
