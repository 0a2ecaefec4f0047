#include "gateway/mirror_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/mirror_audit.h"
#include "gateway/mirror_record.h"
#include "gateway/own_wait.h"
#include "store/public/error_group.h"
#include "store/public/mirror_audit.h"

/*
 *   take --> (window) --> own rows stored --> clear ranges
 *                                                 v
 *                                             load spans --> store --> (stored) --> next window
 *                                                 ^            |-- refused --> isolate --> store
 *                                                 |            `-- not known --> check the cursor
 *                                                 `----- not stored ----------------'   `-- stored,
 *                                                                                           lost
 */
enum {
    WINDOW_MS = 200, /* above BUSY_RATE; below it a window is stored at once */
    BUSY_RATE = 500,
    EVENTS_FULL = 20'000, /* that wait: no more are asked for */
    READ_DEADLINE_US = 10 * CLOCK_S,
    OWN_ROWS_LOOK_MS = 2, /* between two looks at whether own rows are stored */
    OWN_ROWS_WAIT_US = CLOCK_S,
};

struct apply {
    struct mirror *m; /* NULL: nobody wants it any more */
    struct window *w;
    struct mirror_row *rows, *job_rows;
    size_t row_count, born, job_count, jobs_born;
    struct own_wait own; /* what this process stores itself */
    int64_t began_us;    /* mono */
    bool is_delayed;     /* until the retry timer ends */
    bool is_waiting;     /* for the cursor in the table */
    bool was_refused;    /* that is why */
    bool is_isolated;    /* its bad rows have been looked for */
    bool are_jobs_bare;  /* its jobs go without their payloads */
    size_t update_at;    /* the step that tells what is missing; 0: none */
    size_t cleared;      /* ranges of which no more is left than one statement can delete */
};

static void store(struct apply *apply);

static void apply_free(struct apply *apply)
{
    window_destroy(apply->w);
    mem_free(apply);
}

/* True: the reply that came is of no use any more. */
static bool is_unwanted(struct apply *apply)
{
    if (apply->m != NULL)
        return false;
    apply_free(apply);
    return true;
}

void mirror_apply_clear(struct mirror *m)
{
    m->turn++;
    io_timer_stop(m->flush_timer);
    io_timer_stop(m->retry_timer);
    window_destroy(take(m->open));
    mirror_audit_stop(m->audit);
    m->is_lost = false;
    if (m->applying == NULL)
        return;
    if (m->applying->is_waiting || m->applying->is_delayed)
        apply_free(m->applying);
    else
        m->applying->m = NULL; /* its reply comes */
    m->applying = NULL;
}

/* ── the end of a window ── */

static void schedule(struct mirror *m)
{
    if (m->phase != MIRROR_FOLLOW || m->applying != NULL || m->open == NULL ||
        m->open->next_seq == m->open->first_seq)
        return;
    int64_t age_ms = (clock_mono_us() - m->open->began_us) / CLOCK_MS;
    if (m->rate <= BUSY_RATE || age_ms >= WINDOW_MS)
        mirror_flush(m);
    else if (!io_timer_is_running(m->flush_timer))
        io_timer_start(m->flush_timer, WINDOW_MS - age_ms);
}

static void finish(struct apply *apply)
{
    struct mirror *m = apply->m;
    m->stored = apply->w->next_seq;
    m->stored_at_us = clock_wall_us();
    m->stats.windows++;
    m->stats.changes += apply->w->event_count;
    backoff_reset(&m->backoff);
    rollups_stored(m->rollups);
    m->applying = NULL;
    apply_free(apply);
    if (m->is_lost) {
        mirror_begin_again(m);
        return;
    }
    feed_table_reached(m->feed, m->stored);
    feed_go_on(m->feed);
    schedule(m);
}

/* It is not known whether it was stored, or why not: the table's cursor tells. */
static void wait_for_check(struct apply *apply, bool was_refused)
{
    apply->is_waiting = true;
    apply->was_refused = was_refused;
    mirror_recheck(apply->m);
}

static void isolated(void *owner, bool is_done)
{
    struct apply *apply = owner;
    if (is_unwanted(apply))
        return;
    if (!is_done) {
        wait_for_check(apply, false);
        return;
    }
    apply->is_isolated = true;
    apply->row_count = isolate_compact(apply->rows, apply->row_count, &apply->born);
    store(apply);
}

/* The tasks have been looked at; what is refused still can only be of the jobs. */
static void refused_again(struct apply *apply)
{
    struct mirror *m = apply->m;
    log_error("mirror.jobs-refused", "count=%zu", apply->job_count);
    m->stats.refused_rows += apply->job_count;
    if (apply->are_jobs_bare)
        apply->job_count = apply->jobs_born = 0;
    for (size_t i = 0; i < apply->job_count; i++) {
        struct str *cells = arena_new_array(apply->w->arena, COL_jobs_COUNT, struct str);
        memcpy(cells, apply->job_rows[i].cells, COL_jobs_COUNT * sizeof *cells);
        cells[COL_jobs_payload] = STR("{}");
        apply->job_rows[i].cells = cells;
    }
    apply->are_jobs_bare = true;
    store(apply);
}

void mirror_apply_checked(struct mirror *m, int64_t seq)
{
    struct apply *apply = m->applying;
    if (apply == NULL || !apply->is_waiting)
        return;
    apply->is_waiting = false;
    if (seq == apply->w->next_seq) {
        finish(apply);
    } else if (seq != apply->w->first_seq) {
        apply->is_waiting = true; /* somebody else stored meanwhile */
        mirror_stand_by(m);
    } else if (!apply->was_refused) {
        store(apply);
    } else if (!apply->is_isolated) {
        isolate_begin(m, apply->w->arena, apply->rows, apply->born, apply->row_count, isolated,
                      apply);
    } else if (apply->job_count > 0) {
        refused_again(apply);
    } else {
        log_error("mirror.stuck", "cursor=%zu:%lld", m->shard, (long long)seq);
        store(apply); /* what refuses it may be gone by now */
    }
}

/* ── storing ── */

static void stored(void *owner, const struct db_reply *reply)
{
    struct apply *apply = owner;
    if (is_unwanted(apply))
        return;
    if (reply->err == NULL) {
        struct uuid *missing;
        size_t count =
            apply->update_at == 0
                ? 0
                : task_mirror_missing(apply->w->arena, reply->rows[apply->update_at], &missing);
        if (count > 0)
            mirror_fetch(apply->m, missing, count);
        finish(apply);
        return;
    }
    bool was_refused = mirror_is_refusal(reply);
    log_at(reply->err->code == ERR_INTERNAL ? LOG_ERROR : LOG_DEBUG, "mirror.not-stored",
           "error=%s", log_quote(str_of_c(err_text(reply->err))));
    wait_for_check(apply, was_refused);
}

static void add_figures(struct apply *apply, struct db_step *steps, size_t *count)
{
    struct window *w = apply->w;
    struct mirror_count *counts;
    const struct mirror_rollup *const *spans;
    size_t count_count = window_counts(w, &counts);
    if (!w->are_marks_added)
        rollups_add(apply->m->rollups, w->marks, w->mark_count);
    w->are_marks_added = true;
    size_t span_count = rollups_changed(apply->m->rollups, w->arena, &spans);
    if (count_count > 0)
        steps[(*count)++] =
            mirror_count_add_step(w->arena, counts, count_count, apply->m->lease.shard);
    if (span_count > 0)
        steps[(*count)++] =
            mirror_rollup_store_step(w->arena, spans, span_count, apply->m->lease.shard);
}

/* Behind what writes the rows. */
static size_t sync_failures(struct window *w, int16_t shard, struct db_step *steps)
{
    size_t count = 0;
    const struct error_group_scope scope = { .ids = w->failures,
                                             .id_count = w->failure_count,
                                             .froms = w->froms,
                                             .tos = w->tos,
                                             .range_count = w->range_count,
                                             .shard = shard };
    if (w->failure_count + w->range_count == 0)
        return 0;
    steps[count++] = error_group_hold_step();
    steps[count++] = error_group_sync_scope_step(w->arena, &scope);
    return count;
}

static void store(struct apply *apply)
{
    struct mirror *m = apply->m;
    struct window *w = apply->w;
    struct arena *a = w->arena;
    char from[WORKER_CURSOR_MAX], to[WORKER_CURSOR_MAX];
    worker_format_cursor(m->shard, w->first_seq, from);
    worker_format_cursor(m->shard, w->next_seq, to);
    struct db_step steps[DB_STEPS_MAX] = {
        mirror_async_step(),
        mirror_advance_step(a, &m->lease, str_of_c(from), str_of_c(to)),
    };
    size_t count = 2;
    apply->update_at = 0;
    if (w->dropped_count > 0)
        steps[count++] = task_mirror_drop_step(a, w->dropped, w->dropped_count);
    if (w->range_count > 0)
        steps[count++] =
            task_mirror_drop_ranges_step(a, w->froms, w->tos, w->range_count, m->lease.shard);
    if (apply->born > 0)
        steps[count++] = task_mirror_put_step(a, apply->rows, apply->born, true, m->lease.shard);
    if (apply->row_count > apply->born) {
        apply->update_at = count;
        steps[count++] =
            task_mirror_update_step(a, apply->rows + apply->born, apply->row_count - apply->born);
    }
    count += sync_failures(w, m->lease.shard, steps + count);
    add_figures(apply, steps, &count);
    count += mirror_record_window(w, (int)m->lease.shard, &steps[count]);
    if (apply->jobs_born > 0)
        steps[count++] = job_mirror_upsert_step(a, apply->job_rows, apply->jobs_born, true, false,
                                                m->lease.shard);
    if (apply->job_count > apply->jobs_born)
        steps[count++] =
            job_mirror_update_step(a, apply->job_rows + apply->jobs_born,
                                   apply->job_count - apply->jobs_born, m->lease.shard);
    if (w->gone_job_count > 0)
        steps[count++] = job_mirror_drop_step(a, w->gone_jobs, w->gone_job_count);
    if (w->is_uncounted)
        steps[count++] = mirror_audit_ask_step(a, &m->lease.name, 1);
    if (!mirror_write(m, steps, count, stored, apply))
        wait_for_check(apply, false);
}

static void try_again(struct apply *apply)
{
    apply->is_delayed = true;
    io_timer_start(apply->m->retry_timer, backoff_next_ms(&apply->m->backoff));
}

static void loaded(void *owner, const struct db_reply *reply)
{
    struct apply *apply = owner;
    if (is_unwanted(apply))
        return;
    if (reply->err != NULL) {
        try_again(apply);
        return;
    }
    rollups_loaded(apply->m->rollups, apply->w->arena, reply->rows[0]);
    store(apply);
}

static void load_spans(struct apply *apply)
{
    struct mirror *m = apply->m;
    const struct mirror_rollup *const *spans;
    size_t count =
        rollups_missing(m->rollups, apply->w->arena, apply->w->marks, apply->w->mark_count, &spans);
    struct err e;
    if (count == 0) {
        store(apply);
        return;
    }
    const struct db_step step =
        mirror_rollup_load_step(apply->w->arena, spans, count, m->lease.shard);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + READ_DEADLINE_US,
                                  .fn = loaded,
                                  .owner = apply };
    if (db_pool_call(m->loop->pool, &call, NULL, &e))
        return;
    db_reply_fail(loaded, apply, &e);
}

static void clear_ranges(struct apply *apply);

static void cleared(void *owner, bool is_done)
{
    struct apply *apply = owner;
    if (is_unwanted(apply))
        return;
    apply->cleared += is_done;
    if (is_done)
        clear_ranges(apply);
    else
        try_again(apply);
}

/* Whole days that the worker has dropped. */
static void clear_ranges(struct apply *apply)
{
    const struct window *w = apply->w;
    if (apply->cleared == w->range_count) {
        load_spans(apply);
        return;
    }
    const struct mirror_page day = { .after = w->froms[apply->cleared],
                                     .last = w->tos[apply->cleared],
                                     .seq = w->next_seq,
                                     .shard = apply->m->lease.shard };
    mirror_clear(apply->m, &day, cleared, apply);
}

/* When the wait has been too long, they are stored by both, and one of the two finds the other's.
 */
static void begin(struct apply *apply)
{
    struct own_rows *own = apply->m->gw->own_rows[apply->m->shard];
    if (!own_wait_look(&apply->own, own) && clock_mono_us() - apply->began_us < OWN_ROWS_WAIT_US) {
        apply->is_delayed = true;
        io_timer_start(apply->m->retry_timer, OWN_ROWS_LOOK_MS);
        return;
    }
    apply->own.count = 0;
    apply->row_count = isolate_compact(apply->rows, apply->row_count, &apply->born);
    apply->job_count = window_job_rows(apply->w, &apply->job_rows, &apply->jobs_born);
    clear_ranges(apply);
}

static void retry(void *owner)
{
    struct mirror *m = owner;
    if (m->applying == NULL)
        return;
    m->applying->is_delayed = false;
    begin(m->applying);
}

void mirror_flush(struct mirror *m)
{
    if (m->phase != MIRROR_FOLLOW || m->applying != NULL || m->open == NULL ||
        m->open->next_seq == m->open->first_seq)
        return;
    struct apply *apply = mem_new(struct apply);
    size_t unchanged;
    apply->m = m;
    apply->w = m->open;
    apply->began_us = clock_mono_us();
    m->open = window_create(apply->w->next_seq);
    m->applying = apply;
    apply->row_count = window_rows(apply->w, &apply->rows, &apply->born, &unchanged);
    own_wait_begin(&apply->own, apply->w, apply->rows, apply->born, unchanged);
    begin(apply);
}

/* ── from the feed ── */

static void flush_due(void *owner)
{
    mirror_flush(owner);
}

void mirror_apply_init(struct mirror *m)
{
    m->flush_timer = io_timer_create(m->loop->io, flush_due, m);
    m->retry_timer = io_timer_create(m->loop->io, retry, m);
}

void mirror_follow(struct mirror *m, int64_t seq)
{
    m->phase = MIRROR_FOLLOW;
    own_rows_begin(m->gw->own_rows[m->shard]);
    m->stored = seq;
    m->open = window_create(seq);
    feed_table_reached(m->feed, seq);
    feed_seek(m->feed, seq);
}

/* Changes of about the last second. */
static void measure(struct mirror *m, int64_t count)
{
    int64_t now_us = clock_mono_us();
    double faded = 1.0 - (double)(now_us - m->rate_at_us) / (double)CLOCK_S;
    m->rate = m->rate * max_of(faded, 0.0) + (double)count;
    m->rate_at_us = now_us;
}

void mirror_take(struct mirror *m, struct feed_batch *batch)
{
    if (m->phase != MIRROR_FOLLOW || m->is_lost || batch->first_seq != m->open->next_seq ||
        batch->next_seq == batch->first_seq)
        return;
    measure(m, batch->next_seq - batch->first_seq);
    mirror_audit_take(m->audit, batch);
    window_take(m->open, batch);
    schedule(m);
}

bool mirror_is_full(const struct mirror *m)
{
    return m->phase == MIRROR_FOLLOW && m->open->event_count >= EVENTS_FULL;
}
