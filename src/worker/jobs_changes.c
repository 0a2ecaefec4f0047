/*
 * jobs_changes: the record of who changed what of a job. Each change that a person or the scheduler
 * makes of a job's settings leaves a row in its own batch; firings leave none.
 */
#include "db/rows.h"
#include "store/queue/schedule_sql.h"
#include "worker/door.h"
#include "worker/jobs_priv.h"
#include "worker/worker_priv.h"

/* ── the rows of a batch ── */

struct job_change {
    struct job_change *next;
    struct uuid job;
    int64_t version;
    struct str actor, before, after; /* JSON; `before` empty: none */
};

struct change_rows {
    struct job_change *rows;
};

/* Into the object that is open. */
static void put_change(struct json_writer *w, const struct job_change *change)
{
    json_put_text(w, "actor", change->actor);
    json_put_maybe_raw(w, "before", !str_is_empty(change->before), change->before);
    json_put_maybe_raw(w, "after", true, change->after);
}

static void put_row(struct json_writer *w, const struct job_change *row)
{
    json_begin_object(w);
    json_put_id(w, "job_id", row->job);
    json_put_i64(w, "version", row->version);
    put_change(w, row);
    json_end_object(w);
}

static void put_steps(struct batch *b, void *data)
{
    const struct change_rows *rows = data;
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_array(&w);
    for (const struct job_change *row = rows->rows; row != NULL; row = row->next)
        put_row(&w, row);
    json_end_array(&w);
    struct str json = arena_copy(b->a, buf_str(&out));
    buf_clear(&out);
    batch_step(b, &job_changes_add, job_changes_add_args(b->a, json, b->at_us));
}

static const struct batch_section_kind changes_section = { "job_changes",
                                                           sizeof(struct change_rows), put_steps };

/* ── what changed ── */

enum { SETTINGS_MAX = 16 };

/* A setting of a job and its value as JSON text. */
struct setting {
    const char *name;
    struct str json;
};

static struct setting of_text(struct arena *a, const char *name, struct str text)
{
    const struct json_value v = json_of_string(text);
    return (struct setting){ name, door_json_text(a, &v) };
}

static struct setting of_count(struct arena *a, const char *name, uint32_t count)
{
    return (struct setting){ name, arena_printf(a, "%u", count) };
}

/* All that people set, in the names and words of docs/protocol.md. */
static size_t settings_of(struct arena *a, const struct job_data *d,
                          struct setting settings[SETTINGS_MAX])
{
    const struct setting all[] = {
        of_text(a, "name", d->text->name),
        of_text(a, "schedule", d->text->schedule),
        of_text(a, "time_zone", d->text->time_zone),
        of_text(a, "status", rule_job_name(d->status)),
        of_text(a, "task_type", d->text->task_type),
        { "payload", arena_copy(a, d->text->payload) },
        of_text(a, "priority", rule_priority_name(d->priority)),
        of_text(a, "misfire_policy", rule_misfire_name(d->misfire)),
        of_text(a, "overlap_policy", rule_overlap_name(d->overlap)),
        of_count(a, "max_attempts", d->max_attempts),
        of_count(a, "fail_after", d->fail_after),
        of_text(a, "queue", d->text->queue),
        of_count(a, "timeout_s", d->timeout_s),
        of_count(a, "jitter_s", d->jitter_s),
    };
    static_assert(countof(all) <= SETTINGS_MAX, "there is room for all");
    memcpy(settings, all, sizeof all);
    return countof(all);
}

/* Those that differ from `other` (NULL: all) as an object; empty: none does. */
static struct str object_of(struct arena *a, const struct setting *settings,
                            const struct setting *other, size_t count)
{
    struct buf out;
    size_t put = 0;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        if (other != NULL && str_eq(settings[i].json, other[i].json))
            continue;
        json_key(&w, str_of_c(settings[i].name));
        json_write_raw(&w, settings[i].json);
        put++;
    }
    json_end_object(&w);
    struct str text = put > 0 ? arena_copy(a, buf_str(&out)) : STR("");
    buf_clear(&out);
    return text;
}

struct job_change *job_change_of(struct batch *b, const struct job *job, const struct job_data *was,
                                 struct str actor)
{
    struct setting before[SETTINGS_MAX], after[SETTINGS_MAX];
    struct job_change *row = arena_new(b->a, struct job_change);
    size_t count = settings_of(b->a, &job->now, after);
    if (was != NULL)
        (void)settings_of(b->a, was, before);
    *row = (struct job_change){
        .job = job->id,
        .actor = arena_copy(b->a, actor),
        .before = was != NULL ? object_of(b->a, before, after, count) : STR(""),
        .after = object_of(b->a, after, was != NULL ? before : NULL, count),
    };
    if (job->now.deleted_at_us != 0)
        row->after = STR("{\"deleted\":true}");
    return str_is_empty(row->after) ? NULL : row;
}

void job_change_keep(struct batch *b, struct job_change *change, int64_t version)
{
    struct change_rows *rows = batch_section(b, &changes_section);
    change->version = version;
    change->next = rows->rows;
    rows->rows = change;
}

struct str job_change_text(struct arena *a, const struct job_change *change)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    put_change(&w, change);
    json_end_object(&w);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* ── out of the table ── */

enum { READ_VERSION, READ_AT, READ_ACTOR, READ_BEFORE, READ_AFTER, READ_JOB, READ_MORE };

static struct job_change row_of(const struct db_rows *rows, size_t i)
{
    return (struct job_change){
        .actor = db_rows_text(rows, i, READ_ACTOR),
        .before = db_rows_text(rows, i, READ_BEFORE),
        .after = db_rows_text(rows, i, READ_AFTER),
    };
}

/* Into the object that is open. */
static void put_row_told(struct json_writer *w, const struct db_rows *rows, size_t i)
{
    const struct job_change change = row_of(rows, i);
    json_put_number(w, "version", db_rows_i64(rows, i, READ_VERSION));
    json_put_time(w, "at_us", db_rows_time(rows, i, READ_AT));
    put_change(w, &change);
}

struct str job_change_told(struct arena *a, const struct db_rows *rows, size_t *at, int64_t version)
{
    size_t count = rows != NULL ? db_rows_count(rows) : 0;
    while (*at < count && db_rows_i64(rows, *at, READ_VERSION) < version)
        ++*at;
    if (*at == count || db_rows_i64(rows, *at, READ_VERSION) != version)
        return STR("");
    const struct job_change change = row_of(rows, *at);
    return job_change_text(a, &change);
}

void job_changes_put(struct json_writer *w, const struct db_rows *rows)
{
    json_key_c(w, "job_changes");
    json_begin_array(w);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        json_begin_object(w);
        json_put_id(w, "job", db_rows_uuid(rows, i, READ_JOB));
        put_row_told(w, rows, i);
        json_end_object(w);
    }
    json_end_array(w);
    json_key_c(w, "job_changes_cut");
    json_write_bool(w, db_rows_count(rows) > 0 && db_rows_bool(rows, 0, READ_MORE));
}

/* ── GET /v1/jobs/ID/changes ── */

enum { LIMIT_DEFAULT = 20 };

struct asked {
    struct http_request *r;
    bool is_known;
};

static void answer(void *owner, const struct db_reply *reply)
{
    const struct asked *q = owner;
    struct err e = { 0 };
    if (reply->err != NULL) {
        door_fail(q->r, reply->err);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    size_t count = db_rows_count(rows);
    if (count == 0 && !q->is_known) {
        err_set(&e, ERR_NOT_FOUND, "there is no such job");
        door_fail(q->r, &e);
        return;
    }
    struct json_writer w = json_writer_to(q->r->out);
    json_begin_object(&w);
    json_key_c(&w, "changes");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&w);
        put_row_told(&w, rows, i);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    door_answer(q->r);
}

static bool read_limit(const struct http_request *r, int64_t *ret_limit, struct err *e)
{
    struct str text;
    *ret_limit = LIMIT_DEFAULT;
    if (!http_query(r, STR("limit"), &text))
        return true;
    return (str_to_i64(text, ret_limit) && *ret_limit >= 1 && *ret_limit <= JOB_CHANGES_MAX) ||
           err_set(e, ERR_INVALID, "limit: must be 1 to %d", JOB_CHANGES_MAX);
}

void job_changes_answer(struct worker *w, struct http_request *r, struct uuid id)
{
    struct asked *q = arena_new(r->arena, struct asked);
    struct err e = { 0 };
    int64_t limit;
    if (!read_limit(r, &limit, &e)) {
        door_fail(r, &e);
        return;
    }
    *q = (struct asked){ r, job_find(w->shard.jobs, id) != NULL };
    door_read(w, &job_changes_read, job_changes_read_args(r->arena, id, limit), answer, q);
}
