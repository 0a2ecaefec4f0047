#include "gateway/mirror_page.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/mirror_record.h"
#include "gateway/own_rows.h"
#include "store/public/error_group.h"

/*
 *   ask a page --> take it --> load versions --> clear --> load spans --> store it --> (last)
 *       ^           ^  |`-- the log began anew: --'                           |           v
 *       |           |  `-- ask the next one                                   |         follow
 *       |           `----- which has come ------------------------------------'
 *       `--- not stored, or not come: this one again, and none ahead
 *
 * The feed is followed from the first page's cursor. Rows stay readable all the while: a page
 * replaces what it shows and deletes what it does not.
 */
enum {
    PAGE_ROWS = 1'000,
    LOAD_DEADLINE_US = 30 * CLOCK_S,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 5'000,
};

struct snapshot {
    struct mirror *m; /* NULL: nobody wants it any more */
    struct io_timer *timer;
    struct backoff backoff;
    int64_t seq; /* of the first page's cursor; -1: not known yet */
    struct uuid after;
    bool has_after;
    bool is_forced; /* the worker's log began anew: the versions of rows mean nothing */
    bool is_busy;   /* a reply of the database will come */
    size_t limit;
    uint64_t rows_stored;

    struct mirror_page_read *page;  /* is asked for, or stored; NULL: the timer runs */
    struct mirror_page_read *ahead; /* the one behind it; NULL: not asked for */
    bool is_isolated;
    struct rollup_mark *marks; /* what the events that nobody read have told of its rows */
    size_t mark_count;
    bool are_marks_added;
    bool is_doubted; /* the lease was checked for it */
};

static void ask(void *owner);
static void take_page(struct snapshot *s);

static void snapshot_free(struct snapshot *s)
{
    io_timer_destroy(s->timer);
    mirror_page_drop(s->page);
    mirror_page_drop(s->ahead);
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
    m->turn++;
    if (s == NULL)
        return;
    io_timer_stop(s->timer);
    mirror_page_drop(take(s->ahead));
    s->m = NULL;
    if (!s->is_busy)
        snapshot_free(s);
}

static const char away[] = "the database is away";

/* From the page that is not stored on. */
static void retry(struct snapshot *s)
{
    mirror_page_drop(take(s->page));
    mirror_page_drop(take(s->ahead));
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
    if (is_unwanted(s))
        return;
    s->is_isolated = true;
    if (!is_done) {
        not_stored(s, away);
        return;
    }
    size_t born = s->page->row_count;
    s->page->row_count = isolate_compact(s->page->rows, s->page->row_count, &born);
    store(s);
}

static void isolate(struct snapshot *s)
{
    struct mirror_page_read *page = s->page;
    s->is_busy = true;
    isolate_begin(s->m, page->arena, page->rows, page->row_count, page->row_count, isolated, s);
}

static void next_page(struct snapshot *s)
{
    s->is_doubted = false;
    rollups_stored(s->m->rollups);
    backoff_reset(&s->backoff);
    s->rows_stored += s->page->page.id_count;
    s->after = s->page->next;
    s->has_after = s->page->has_next;
    mirror_page_drop(take(s->page));
    s->page = take(s->ahead);
    if (!s->has_after)
        ended(s);
    else if (s->page == NULL)
        ask(s);
    else if (!s->page->is_asked)
        take_page(s);
}

static void stored(void *owner, const struct db_reply *reply)
{
    struct snapshot *s = owner;
    if (is_unwanted(s))
        return;
    /* The first time it may be the lease that is lost: the table tells. */
    bool may_be_lost = reply->err != NULL && strcmp(reply->sqlstate, MIRROR_LOST) == 0;
    if (reply->err == NULL) {
        next_page(s);
    } else if (may_be_lost && !s->is_doubted) {
        s->is_doubted = true;
        not_stored(s, err_text(reply->err));
    } else if (mirror_is_refusal(reply) && !s->is_isolated) {
        isolate(s);
    } else if (reply->is_in_doubt) {
        mirror_stand_by(s->m); /* it may be stored: the table tells where to go on */
    } else {
        not_stored(s, err_text(reply->err));
    }
}

static size_t first_page_steps(struct snapshot *s, struct db_step *steps, struct err *e)
{
    struct mirror *m = s->m;
    struct mirror_page_read *page = s->page;
    struct arena *a = page->arena;
    struct feed_count *counts;
    size_t count_count, n = 0;
    char cursor[WORKER_CURSOR_MAX];
    if (!worker_read_counts(a, json_get_c(page->body, "counts"), &counts, &count_count, e))
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
        job_mirror_upsert_step(a, page->jobs, page->job_count, true, s->is_forced, m->lease.shard);
    steps[n++] = job_mirror_prune_step(a, &page->job_page);
    if (m->gap_since_us > 0)
        steps[n++] = mirror_rollup_gap_step(a, m->gap_since_us, m->lease.shard);
    return n;
}

static struct db_step put_rows(const struct snapshot *s)
{
    const struct mirror_page_read *page = s->page;
    int16_t shard = s->m->lease.shard;
    return s->is_forced
               ? task_mirror_replace_step(page->arena, page->rows, page->row_count, shard)
               : task_mirror_put_step(page->arena, page->rows, page->row_count, true, shard);
}

static void store(struct snapshot *s)
{
    struct mirror *m = s->m;
    struct mirror_page_read *page = s->page;
    struct arena *a = page->arena;
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
    steps[count++] = mirror_snapshot_page_step(a, &m->lease, str_of_c(cursor),
                                               page->has_next ? &page->next : NULL);
    steps[count++] = task_mirror_prune_step(a, &page->page);
    if (page->row_count > 0)
        steps[count++] = put_rows(s);
    steps[count++] = error_group_hold_step();
    steps[count++] =
        error_group_sync_scope_step(a, &(struct error_group_scope){ .froms = &page->page.after,
                                                                    .tos = &page->page.last,
                                                                    .range_count = 1,
                                                                    .shard = m->lease.shard });
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
    if (mirror_record_page(a, page->body, &lost, &steps[count]))
        count++;
    if (!page->has_next)
        steps[count++] = mirror_snapshot_end_step(a, &m->lease, str_of_c(cursor));
    s->is_busy = true;
    if (mirror_write(m, steps, count, stored, s))
        return;
    s->is_busy = false;
    not_stored(s, away);
}

/* ── what it needs ── */

/* What was never read is counted by the rows. Where the log began anew, numbers mean nothing. */
static void mark_rows(struct snapshot *s)
{
    const struct mirror_page_read *page = s->page;
    s->mark_count = 0;
    s->are_marks_added = s->is_forced;
    if (!s->is_forced)
        s->mark_count =
            mirror_snapshot_marks(page->arena, json_get_c(page->body, "tasks"), page->page.id_count,
                                  max_of(s->m->stored, INT64_C(0)), s->seq, &s->marks);
}

static void read_one(struct snapshot *s, struct db_step step, db_reply_fn *fn)
{
    struct err e;
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + LOAD_DEADLINE_US,
                                  .fn = fn,
                                  .owner = s };
    s->is_busy = db_pool_call(s->m->loop->pool, &call, NULL, &e);
    if (!s->is_busy)
        retry(s);
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
    rollups_loaded(s->m->rollups, s->page->arena, reply->rows[0]);
    store(s);
}

/* The spans that the marks touch must be known before they are stored whole. */
static void load_spans(struct snapshot *s)
{
    struct arena *a = s->page->arena;
    const struct mirror_rollup *const *spans;
    size_t count = rollups_missing(s->m->rollups, a, s->marks, s->mark_count, &spans);
    if (count > 0)
        read_one(s, mirror_rollup_load_step(a, spans, count, s->m->lease.shard), spans_loaded);
    else
        store(s);
}

static void cleared(void *owner, bool is_done)
{
    struct snapshot *s = owner;
    if (is_unwanted(s))
        return;
    if (is_done)
        load_spans(s);
    else
        not_stored(s, away);
}

/* What the page does not show. */
static void clear(struct snapshot *s)
{
    s->is_busy = true;
    mirror_clear(s->m, &s->page->page, cleared, s);
}

static void versions_loaded(void *owner, const struct db_reply *reply)
{
    struct snapshot *s = owner;
    if (is_unwanted(s))
        return;
    if (reply->err != NULL) {
        retry(s);
        return;
    }
    s->page->row_count = task_mirror_newer(s->page->rows, s->page->row_count, reply->rows[0]);
    if (task_mirror_is_few(reply->rows[0]))
        load_spans(s);
    else
        clear(s);
}

/* What is there already is not written once more. */
static void load_versions(struct snapshot *s)
{
    read_one(s, task_mirror_versions_step(s->page->arena, &s->page->page), versions_loaded);
}

/* ── asking for pages ── */

static void got_page(void *owner, struct mirror_page_read *page)
{
    struct snapshot *s = owner;
    if (page->is_too_large && s->limit > 1)
        s->limit /= 2;
    if (page == s->page)
        take_page(s);
    else if (page->err.code != ERR_NONE) /* it is asked for again when its turn comes */
        mirror_page_drop(take(s->ahead));
}

/* While it is stored, the worker reads the one behind it. */
static void ask_ahead(struct snapshot *s)
{
    if (s->page->has_next && s->ahead == NULL)
        s->ahead = mirror_page_ask(s->m, &s->page->next, s->limit, got_page, s);
}

static void begin_with(struct snapshot *s, const struct mirror_page_read *first)
{
    s->seq = first->cursor;
    s->is_forced = s->m->stored > first->cursor;
    if (s->is_forced)
        log_warn("mirror.worker-reset", "stored=%zu:%lld cursor=%zu:%lld", s->m->shard,
                 (long long)s->m->stored, s->m->shard, (long long)first->cursor);
}

/* It has come. */
static void take_page(struct snapshot *s)
{
    struct mirror_page_read *page = s->page;
    bool is_read = page->err.code == ERR_NONE;
    if (!is_read && page->body == NULL)
        log_debug("mirror.snapshot", "error=%s", log_quote(str_of_c(err_text(&page->err))));
    else if (!is_read)
        log_error("mirror.snapshot-unreadable", "error=%s",
                  log_quote(str_of_c(err_text(&page->err))));
    if (!is_read) {
        retry(s);
        return;
    }
    if (!page->has_after)
        begin_with(s, page);
    page->page.seq = page->job_page.seq = s->seq;
    page->page.is_forced = page->job_page.is_forced = s->is_forced;
    page->page.shard = page->job_page.shard = s->m->lease.shard;
    s->is_isolated = false;
    ask_ahead(s);
    mark_rows(s);
    if (s->is_forced)
        clear(s);
    else
        load_versions(s);
}

static void ask(void *owner)
{
    struct snapshot *s = owner;
    if (s->page == NULL)
        s->page = mirror_page_ask(s->m, s->has_after ? &s->after : NULL, s->limit, got_page, s);
    if (s->page == NULL)
        retry(s);
}

/* ── the beginning ── */

static struct snapshot *create(struct mirror *m)
{
    struct snapshot *s = mem_new(struct snapshot);
    mirror_snapshot_clear(m);
    *s = (struct snapshot){ .m = m,
                            .backoff = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
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
