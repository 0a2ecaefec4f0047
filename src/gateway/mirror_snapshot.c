#include "gateway/mirror_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/mirror_record.h"
#include "gateway/own_rows.h"
#include "gateway/worker_client.h"
#include "store/public/error_group.h"

/*
 *   ask a page --> read it --> store it --> (last) --> end --> follow from the first page's cursor
 *       ^             ^------- refused: isolate -'
 *       `--- next page --------'
 *
 * Rows stay readable all the while: a page replaces what it shows and deletes what it does not.
 */
enum {
    PAGE_ROWS = 1'000,
    PAGE_BYTES = 256 << 20,
    ASK_DEADLINE_US = 30 * CLOCK_S,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 5'000,
};

struct snapshot {
    struct mirror *m; /* NULL: nobody wants it any more */
    struct io_timer *timer;
    struct backoff backoff;
    struct arena *arena; /* of the page */
    int64_t seq;         /* of the first page's cursor; -1: not known yet */
    struct uuid after;
    bool has_after;
    bool is_forced; /* the worker's log began anew: the versions of rows mean nothing */
    bool is_busy;   /* a reply will come */
    size_t limit;
    uint64_t rows_stored;

    /* The page. */
    const struct json_value *body;
    struct mirror_row *rows, *jobs;
    size_t row_count, job_count;
    struct mirror_page page, job_page;
    struct uuid next; /* the row that the page ends with, where there is another page */
    bool has_next, is_isolated;
    struct rollup_mark *marks; /* what the events that nobody read have told of its rows */
    size_t mark_count;
    bool are_marks_added;
    bool is_doubted; /* the lease was checked for it */
};

static void ask(void *owner);

static void snapshot_free(struct snapshot *s)
{
    io_timer_destroy(s->timer);
    arena_destroy(s->arena);
    mem_free(s);
}

static bool is_unwanted(struct snapshot *s)
{
    s->is_busy = false;
    if (s->m != NULL)
        return false;
    snapshot_free(s);
    return true;
}

void mirror_snapshot_clear(struct mirror *m)
{
    struct snapshot *s = take(m->snapshot);
    if (s == NULL)
        return;
    io_timer_stop(s->timer);
    s->m = NULL;
    if (!s->is_busy)
        snapshot_free(s);
}

static const char away[] = "the database is away";

static void retry(struct snapshot *s)
{
    io_timer_start(s->timer, backoff_next_ms(&s->backoff));
}

/* The lease may be lost, or the database is away: the lease's next answer tells, or the timer. The
 * page is asked for anew, and its rows are marked anew. */
static void not_stored(struct snapshot *s, const char *why)
{
    log_debug("mirror.snapshot", "error=%s", log_quote(str_of_c(why)));
    rollups_destroy(s->m->rollups);
    s->m->rollups = rollups_create();
    mirror_recheck(s->m);
    retry(s);
}

/* ── the end ── */

static void ended(struct snapshot *s)
{
    struct mirror *m = s->m;
    int64_t seq = s->seq;
    log_info("mirror.snapshot-read", "cursor=%zu:%lld rows=%llu", m->shard, (long long)seq,
             (unsigned long long)s->rows_stored);
    m->stats.snapshots++;
    m->gap_since_us = 0;
    mirror_snapshot_clear(m);
    mirror_follow(m, seq);
}

/* ── storing a page ── */

static void store(struct snapshot *s);

static void isolated(void *owner, bool is_done)
{
    struct snapshot *s = owner;
    size_t born = s->row_count;
    if (is_unwanted(s))
        return;
    s->is_isolated = true;
    if (!is_done) {
        not_stored(s, away);
        return;
    }
    s->row_count = isolate_compact(s->rows, s->row_count, &born);
    store(s);
}

static void stored(void *owner, const struct db_reply *reply)
{
    struct snapshot *s = owner;
    if (is_unwanted(s))
        return;
    /* The first time it may be the lease that is lost: the table tells. */
    bool may_be_lost = reply->err != NULL && strcmp(reply->sqlstate, MIRROR_LOST) == 0;
    if (may_be_lost && !s->is_doubted) {
        s->is_doubted = true;
        not_stored(s, err_text(reply->err));
        return;
    }
    if (reply->err != NULL && mirror_is_refusal(reply) && !s->is_isolated) {
        s->is_busy = true;
        isolate_begin(s->m, s->arena, s->rows, s->row_count, s->row_count, isolated, s);
        return;
    }
    if (reply->err != NULL && reply->is_in_doubt) {
        mirror_stand_by(s->m); /* it may be stored: the table tells where to go on */
        return;
    }
    if (reply->err != NULL) {
        not_stored(s, err_text(reply->err));
        return;
    }
    s->is_doubted = false;
    rollups_stored(s->m->rollups);
    s->rows_stored += s->row_count;
    s->after = s->next;
    s->has_after = s->has_next;
    backoff_reset(&s->backoff);
    if (s->has_next)
        ask(s);
    else
        ended(s);
}

static size_t first_page_steps(struct snapshot *s, struct db_step *steps, struct err *e)
{
    struct mirror *m = s->m;
    struct arena *a = s->arena;
    struct feed_count *counts;
    size_t count_count, n = 0;
    char cursor[WORKER_CURSOR_MAX];
    if (!worker_read_counts(a, json_get_c(s->body, "counts"), &counts, &count_count, e))
        return 0;
    struct mirror_count *stored_counts = arena_new_array(a, count_count, struct mirror_count);
    for (size_t i = 0; i < count_count; i++)
        stored_counts[i] =
            (struct mirror_count){ counts[i].type, counts[i].status, counts[i].count };
    worker_format_cursor(m->shard, s->seq, cursor);
    steps[n++] = mirror_snapshot_begin_step(a, &m->lease, str_of_c(cursor));
    steps[n++] = mirror_count_clear_step(a, m->lease.shard);
    steps[n++] = mirror_count_add_step(a, stored_counts, count_count, m->lease.shard);
    steps[n++] =
        job_mirror_upsert_step(a, s->jobs, s->job_count, true, s->is_forced, m->lease.shard);
    steps[n++] = job_mirror_prune_step(a, &s->job_page);
    if (m->gap_since_us > 0)
        steps[n++] = mirror_rollup_gap_step(a, m->gap_since_us, m->lease.shard);
    return n;
}

static void store(struct snapshot *s)
{
    struct mirror *m = s->m;
    struct arena *a = s->arena;
    char cursor[WORKER_CURSOR_MAX];
    struct db_step steps[DB_STEPS_MAX]; /* on the disk: no page is asked for twice */
    const struct mirror_rollup *const *spans;
    struct err e = { 0 };
    size_t count = 0;
    worker_format_cursor(m->shard, s->seq, cursor);
    if (!s->has_after) {
        size_t more = first_page_steps(s, steps + count, &e);
        if (more == 0) {
            not_stored(s, err_text(&e));
            return;
        }
        count += more;
    }
    steps[count++] =
        mirror_snapshot_page_step(a, &m->lease, str_of_c(cursor), s->has_next ? &s->next : NULL);
    if (s->row_count > 0) {
        steps[count++] = task_mirror_insert_step(a, s->rows, s->row_count, true, m->lease.shard);
        steps[count++] = task_mirror_update_step(a, s->rows, s->row_count, s->is_forced);
    }
    steps[count++] = task_mirror_prune_step(a, &s->page);
    steps[count++] = error_group_hold_step();
    steps[count++] =
        error_group_sync_ranges_step(a, &s->page.after, &s->page.last, 1, m->lease.shard);
    if (!s->are_marks_added)
        rollups_add(m->rollups, s->marks, s->mark_count);
    s->are_marks_added = true;
    size_t span_count = rollups_changed(m->rollups, a, &spans);
    if (span_count > 0)
        steps[count++] = mirror_rollup_store_step(a, spans, span_count, m->lease.shard);
    const struct mirror_lost lost = { .shard = (int)m->lease.shard,
                                      .from_seq = max_of(m->stored, INT64_C(0)),
                                      .to_seq = s->seq,
                                      .is_reset = s->is_forced,
                                      .is_first = !s->has_after };
    if (mirror_record_page(a, s->body, &lost, &steps[count]))
        count++;
    if (!s->has_next)
        steps[count++] = mirror_snapshot_end_step(a, &m->lease, str_of_c(cursor));
    s->is_busy = mirror_write(m, steps, count, stored, s);
    if (!s->is_busy)
        not_stored(s, away);
}

/* ── what its marks need ── */

/* What was never read is counted by the rows. Where the log began anew, numbers mean nothing. */
static void mark_rows(struct snapshot *s)
{
    s->mark_count = 0;
    s->are_marks_added = s->is_forced;
    if (!s->is_forced)
        s->mark_count = mirror_snapshot_marks(s->arena, json_get_c(s->body, "tasks"), s->row_count,
                                              max_of(s->m->stored, INT64_C(0)), s->seq, &s->marks);
}

static void spans_loaded(void *owner, const struct db_reply *reply)
{
    struct snapshot *s = owner;
    if (is_unwanted(s))
        return;
    if (reply->err != NULL) {
        retry(s);
        return;
    }
    rollups_loaded(s->m->rollups, s->arena, reply->rows[0]);
    store(s);
}

/* The spans that the marks touch must be known before they are stored whole. */
static void load_spans(struct snapshot *s)
{
    const struct mirror_rollup *const *spans;
    size_t count = rollups_missing(s->m->rollups, s->arena, s->marks, s->mark_count, &spans);
    struct err e;
    if (count == 0) {
        store(s);
        return;
    }
    const struct db_step step = mirror_rollup_load_step(s->arena, spans, count, s->m->lease.shard);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                                  .fn = spans_loaded,
                                  .owner = s };
    s->is_busy = db_pool_call(s->m->loop->pool, &call, NULL, &e);
    if (!s->is_busy)
        retry(s);
}

/* ── reading a page ── */

static bool read_rows(struct snapshot *s, const struct json_value *tasks, struct err *e)
{
    size_t count = tasks != NULL && tasks->type == JSON_ARRAY ? tasks->item_count : 0;
    struct uuid *ids = arena_new_array(s->arena, count, struct uuid);
    s->rows = arena_new_array(s->arena, count, struct mirror_row);
    for (size_t i = 0; i < count; i++) {
        struct worker_row row;
        if (!worker_read_task(s->arena, &tasks->items[i], &row, e) ||
            !uuid_parse(row.cells[COL_tasks_id], &ids[i]))
            return err_in(e, "tasks[%zu]", i);
        s->rows[i] = (struct mirror_row){ row.told, row.cells };
    }
    s->row_count = count;
    s->page.ids = ids;
    s->page.id_count = count;
    return true;
}

static bool read_jobs(struct snapshot *s, const struct json_value *jobs, struct err *e)
{
    size_t count = jobs != NULL && jobs->type == JSON_ARRAY ? jobs->item_count : 0;
    struct uuid *ids = arena_new_array(s->arena, count, struct uuid);
    s->jobs = arena_new_array(s->arena, count, struct mirror_row);
    for (size_t i = 0; i < count; i++) {
        struct worker_row row;
        if (!worker_read_job(s->arena, &jobs->items[i], &row, e) ||
            !uuid_parse(row.cells[COL_jobs_id], &ids[i]))
            return err_in(e, "jobs[%zu]", i);
        s->jobs[i] = (struct mirror_row){ row.told, row.cells };
    }
    s->job_count = count;
    s->job_page = (struct mirror_page){ .ids = ids, .id_count = count };
    return true;
}

static bool read_page(struct snapshot *s, struct err *e)
{
    const struct json_value *next = json_get_c(s->body, "next");
    int64_t cursor;
    if (!worker_read_cursor(json_get_c(s->body, "cursor"), s->m->shard, &cursor, e) ||
        !read_rows(s, json_get_c(s->body, "tasks"), e) ||
        !read_jobs(s, json_get_c(s->body, "jobs"), e))
        return false;
    if (!s->has_after) {
        s->seq = cursor;
        s->is_forced = s->m->stored > cursor;
        if (s->is_forced)
            log_warn("mirror.worker-reset", "stored=%zu:%lld cursor=%zu:%lld", s->m->shard,
                     (long long)s->m->stored, s->m->shard, (long long)cursor);
    }
    s->has_next = next != NULL && next->type == JSON_STRING;
    if (s->has_next && !uuid_parse(next->text, &s->next))
        return err_set(e, ERR_INVALID, "next: not an id");
    s->page.after = s->after;
    s->page.last = s->next;
    if (!s->has_after)
        s->page.after = (struct uuid){ 0 };
    if (!s->has_next)
        memset(s->page.last.bytes, 0xff, sizeof s->page.last.bytes);
    s->page.seq = s->job_page.seq = s->seq;
    s->page.is_forced = s->job_page.is_forced = s->is_forced;
    s->page.shard = s->job_page.shard = s->m->lease.shard;
    return true;
}

static void got_page(void *owner, const struct worker_reply *reply)
{
    struct snapshot *s = owner;
    struct err e = { 0 };
    if (is_unwanted(s))
        return;
    s->body = reply->body;
    s->is_isolated = false;
    if (reply->body == NULL && reply->err->code == ERR_LIMIT && s->limit > 1)
        s->limit /= 2;
    if (reply->body == NULL) {
        log_debug("mirror.snapshot", "error=%s", log_quote(str_of_c(err_text(reply->err))));
        retry(s);
    } else if (!read_page(s, &e)) {
        log_error("mirror.snapshot-unreadable", "error=%s", log_quote(str_of_c(err_text(&e))));
        retry(s);
    } else {
        mark_rows(s);
        load_spans(s);
    }
}

static void ask(void *owner)
{
    struct snapshot *s = owner;
    char path[160], after[UUID_TEXT_LEN + 1];
    struct err e;
    if (s->is_busy)
        return;
    arena_reset(s->arena);
    uuid_format(s->after, after);
    if (s->has_after)
        snprintf(path, sizeof path, "/v1/snapshot?limit=%zu&after=%s", s->limit, after);
    else
        snprintf(path, sizeof path, "/v1/snapshot?limit=%zu&job_changes_from=%lld", s->limit,
                 (long long)max_of(s->m->stored, INT64_C(0)));
    const struct worker_call_options options = { .path = path,
                                                 .arena = s->arena,
                                                 .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                                                 .fn = got_page,
                                                 .owner = s };
    s->is_busy = worker_client_call(s->m->loop->workers[s->m->shard], &options, &e);
    if (!s->is_busy)
        retry(s);
}

/* ── the beginning ── */

static struct snapshot *create(struct mirror *m)
{
    struct snapshot *s = mem_new(struct snapshot);
    mirror_snapshot_clear(m);
    *s = (struct snapshot){ .m = m,
                            .backoff = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
                            .arena = arena_create(PAGE_BYTES),
                            .limit = PAGE_ROWS,
                            .seq = -1 };
    s->timer = io_timer_create(m->loop->io, ask, s);
    m->phase = MIRROR_SNAPSHOT;
    own_rows_end(m->gw->own_rows[m->shard]);
    m->snapshot = s;
    return s;
}

void mirror_snapshot_start(struct mirror *m)
{
    ask(create(m));
}

void mirror_snapshot_resume(struct mirror *m, int64_t seq, const struct uuid *after)
{
    struct snapshot *s = create(m);
    if (after != NULL) { /* else its first page is asked for again, with a cursor of its own */
        s->seq = seq;
        s->after = *after;
        s->has_after = true;
        s->is_forced = m->stored > seq;
    }
    ask(s);
}
