/*
 * mirror_audit_figures: counters and jobs, which the first page of a snapshot tells as they are at
 * its cursor. The tables are read a little later, and all that came between is known.
 */
#include "base/log.h"
#include "gateway/mirror_audit_priv.h"

static void ask_figures(struct audit_run *run);

/* The run is over, or the database failed it and it asks anew. */
static bool is_in_vain(struct audit_run *run, const struct db_reply *reply)
{
    if (audit_is_over(run))
        return true;
    if (reply->err != NULL)
        audit_again(run, ask_figures, reply->err);
    return reply->err != NULL;
}

/* ── counters ── */

struct sheet {
    struct arena *arena;
    struct map *types; /* int64_t[TASK_STATUS_COUNT]: what is to be added to the table */
};

static void add_to(struct sheet *s, struct str type, enum task_status status, int64_t delta)
{
    int64_t *figures = map_get(s->types, type);
    if (figures == NULL) {
        figures = arena_new_array(s->arena, TASK_STATUS_COUNT, int64_t);
        (void)map_put(s->types, type, figures);
    }
    figures[status] += delta;
}

static size_t wrong_counts(struct audit_run *run, struct sheet *s, struct mirror_count **ret_counts)
{
    struct mirror_count *counts =
        arena_new_array(run->arena, map_count(s->types) * TASK_STATUS_COUNT, struct mirror_count);
    size_t count = 0, at = 0;
    struct str type;
    void *value;
    while (map_next(s->types, &at, &type, &value)) {
        const int64_t *figures = value;
        for (int status = 0; status < TASK_STATUS_COUNT; status++) {
            if (figures[status] == 0)
                continue;
            counts[count++] =
                (struct mirror_count){ type, (enum task_status)status, figures[status] };
            log_warn("mirror.audit-count", "type=%s status=%d off=%lld", log_quote(type), status,
                     (long long)figures[status]);
        }
    }
    *ret_counts = counts;
    return count;
}

static bool add_theirs(struct audit_run *run, struct sheet *s, int64_t stored, struct err *e)
{
    struct feed_count *counts;
    size_t count;
    if (!worker_read_counts(run->arena, json_get_c(run->body, "counts"), &counts, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        add_to(s, counts[i].type, counts[i].status, counts[i].count);
    for (size_t i = 0; i < run->changes.move_count; i++) {
        const struct audit_move *move = &run->changes.moves[i];
        if (move->seq >= run->seq && move->seq < stored)
            add_to(s, move->type, move->status, move->delta);
    }
    return true;
}

/* ── jobs ── */

struct job_sheet {
    struct uuid *bad; /* as they stand there */
    int64_t *bad_versions;
    struct mirror_row *mended;
    size_t bad_count, mended_count, count; /* count: of jobs that were not as they should be */
};

struct stored_job {
    struct uuid id;
    int64_t version;
    struct str status;
    bool is_told;
};

static struct map *stored_jobs(struct audit_run *run, const struct db_rows *rows)
{
    struct map *jobs = map_create();
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct stored_job *job = arena_new(run->arena, struct stored_job);
        if (db_rows_i64(rows, i, 0) != 2 || !uuid_parse(db_rows_text(rows, i, 1), &job->id))
            continue;
        job->status = db_rows_text(rows, i, 2);
        job->version = db_rows_i64(rows, i, 3);
        (void)map_put(jobs, uuid_bytes(&job->id), job);
    }
    return jobs;
}

static void judge_told(struct audit_run *run, struct job_sheet *s, const struct mirror_row *told,
                       struct map *stored)
{
    struct uuid id;
    int64_t version;
    if (!uuid_parse(told->cells[COL_jobs_id], &id) ||
        !str_to_i64(told->cells[COL_jobs_version], &version))
        return;
    struct stored_job *there = map_get(stored, uuid_bytes(&id));
    if (there != NULL)
        there->is_told = true;
    bool is_same = there != NULL && there->version == version &&
                   str_eq(there->status, told->cells[COL_jobs_status]);
    bool is_newer = there != NULL && there->version >= run->seq; /* its own gateway's */
    if (is_same || is_newer || audit_has_changed(run, id, run->seq, false))
        return;
    s->mended[s->mended_count++] = *told;
    s->count++;
    if (there == NULL)
        return;
    s->bad[s->bad_count] = id;
    s->bad_versions[s->bad_count++] = there->version;
}

static bool judge_jobs(struct audit_run *run, const struct db_rows *rows, struct job_sheet *s,
                       struct err *e)
{
    const struct json_value *jobs = json_get_c(run->body, "jobs");
    size_t count = jobs != NULL && jobs->type == JSON_ARRAY ? jobs->item_count : 0, at = 0;
    scoped(map_destroyp) struct map *stored = stored_jobs(run, rows);
    size_t most = count + map_count(stored);
    struct str key;
    void *value;
    s->bad = arena_new_array(run->arena, most, struct uuid);
    s->bad_versions = arena_new_array(run->arena, most, int64_t);
    s->mended = arena_new_array(run->arena, count, struct mirror_row);
    for (size_t i = 0; i < count; i++) {
        struct worker_row row;
        if (!worker_read_job(run->arena, &jobs->items[i], &row, e))
            return err_in(e, "jobs[%zu]", i);
        const struct mirror_row told = { row.told, row.cells };
        judge_told(run, s, &told, stored);
    }
    while (map_next(stored, &at, &key, &value)) {
        const struct stored_job *job = value;
        if (job->is_told || job->version == 0 || job->version >= run->seq ||
            audit_has_changed(run, job->id, run->seq, false))
            continue;
        s->count++;
        s->bad[s->bad_count] = job->id;
        s->bad_versions[s->bad_count++] = job->version;
    }
    return true;
}

/* ── mending ── */

static void list_days(struct audit_run *run);

static void mended(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (!is_in_vain(run, reply))
        list_days(run);
}

static void mend(struct audit_run *run, const struct mirror_count *counts, size_t count,
                 const struct job_sheet *jobs)
{
    struct arena *a = run->arena;
    struct db_step steps[4] = { mirror_async_step() };
    size_t n = 1;
    if (count > 0)
        steps[n++] = mirror_count_add_step(a, counts, count, run->m->lease.shard);
    if (jobs->bad_count > 0)
        steps[n++] =
            mirror_audit_clear_jobs_step(a, jobs->bad, jobs->bad_versions, jobs->bad_count);
    if (jobs->mended_count > 0)
        steps[n++] = job_mirror_upsert_step(a, jobs->mended, jobs->mended_count, true, false,
                                            run->m->lease.shard);
    run->report.counts += (int64_t)count;
    run->report.jobs += (int64_t)jobs->count;
    run->m->stats.mended += count + jobs->count;
    if (n > 1)
        audit_call(run, DB_LANE_WRITE, steps, n, mended, ask_figures);
    else
        list_days(run);
}

static void compare(struct audit_run *run, const struct db_rows *rows)
{
    scoped(map_destroyp) struct map *types = map_create();
    struct sheet sheet = { run->arena, types };
    struct job_sheet jobs = { 0 };
    struct mirror_count *counts;
    int64_t stored = 0;
    struct err e = { 0 };
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct str text = db_rows_text(rows, i, 1), status = db_rows_text(rows, i, 2);
        int64_t kind = db_rows_i64(rows, i, 0);
        if (kind == 0 && !worker_parse_cursor(text, run->m->shard, &stored))
            err_set(&e, ERR_INTERNAL, "the mirror has no cursor");
        else if (kind == 1)
            add_to(
                &sheet, text,
                (enum task_status)schema_label_of(&schema_public.enums[ENUM_task_status], status),
                -db_rows_i64(rows, i, 3));
    }
    if (run->changes.is_over)
        err_set(&e, ERR_UNAVAILABLE, "too much changes for figures to be compared");
    if (e.code != ERR_NONE || !add_theirs(run, &sheet, stored, &e) ||
        !judge_jobs(run, rows, &jobs, &e)) {
        audit_again(run, ask_figures, &e);
        return;
    }
    size_t count = wrong_counts(run, &sheet, &counts);
    mend(run, counts, count, &jobs);
}

/* ── reading ── */

static void got_own(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (!is_in_vain(run, reply))
        compare(run, reply->rows[0]);
}

static void read_own(struct audit_run *run)
{
    const struct db_step step = mirror_audit_figures_step(run->arena, &run->m->lease);
    audit_call(run, DB_LANE_SLOW, &step, 1, got_own, ask_figures);
}

static void got_theirs(void *owner, const struct worker_reply *reply)
{
    struct audit_run *run = owner;
    struct err e;
    if (audit_is_over(run))
        return;
    run->body = reply->body;
    if (reply->body == NULL)
        audit_again(run, ask_figures, reply->err);
    else if (!worker_read_cursor(json_get_c(run->body, "cursor"), run->m->shard, &run->seq, &e))
        audit_again(run, ask_figures, &e);
    else
        audit_once_stored(run, run->seq, read_own);
}

static void ask_figures(struct audit_run *run)
{
    arena_reset(run->arena);
    run->is_counting = true;
    audit_changes_begin(run);
    audit_ask(run, "/v1/snapshot?limit=1", got_theirs, ask_figures);
}

void audit_figures(struct audit_run *run)
{
    ask_figures(run);
}

/* ── which days there are ── */

static bool has_day(const struct audit_run *run, int64_t day)
{
    for (size_t i = 0; i < run->day_count; i++)
        if (run->days[i] == day)
            return true;
    return false;
}

static void got_own_days(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (audit_is_over(run))
        return;
    if (reply->err != NULL) {
        audit_again(run, list_days, reply->err);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    const struct json_value *theirs = json_get_c(run->body, "days");
    size_t their_count = theirs != NULL && theirs->type == JSON_ARRAY ? theirs->item_count : 0;
    run->days = arena_new_array(run->kept, db_rows_count(rows) + their_count, int64_t);
    for (size_t i = 0; i < db_rows_count(rows); i++)
        run->days[run->day_count++] = db_rows_i64(rows, i, 0);
    for (size_t i = 0; i < their_count; i++) {
        int64_t day;
        if (json_to_i64(&theirs->items[i], &day) && !has_day(run, day))
            run->days[run->day_count++] = day;
    }
    run->day_at = SIZE_MAX; /* the first one is next */
    audit_next_day(run);
}

static void got_their_days(void *owner, const struct worker_reply *reply)
{
    struct audit_run *run = owner;
    const struct db_step step = mirror_audit_days_step();
    if (audit_is_over(run))
        return;
    run->body = reply->body;
    if (reply->body == NULL)
        audit_again(run, list_days, reply->err);
    else
        audit_call(run, DB_LANE_SLOW, &step, 1, got_own_days, list_days);
}

static void list_days(struct audit_run *run)
{
    audit_changes_end(run);
    arena_reset(run->arena);
    run->is_counting = false;
    run->tries = 0;
    audit_ask(run, "/v1/sums", got_their_days, list_days);
}
