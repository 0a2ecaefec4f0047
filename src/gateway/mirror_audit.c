#include "gateway/mirror_audit_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/writer.h"

enum {
    ARENA_BYTES = 256 << 20,
    ASK_DEADLINE_US = 70 * CLOCK_S, /* sums of a large day take their time */
    CALL_DEADLINE_US = 60 * CLOCK_S,
    STORED_DEADLINE_US = 60 * CLOCK_S,
    STORED_LOOK_MS = 20,
    AGAIN_MS = 1'000,
    TRIES_MAX = 10,
};

struct mirror_audit {
    struct mirror *m;
    struct audit_run *run; /* NULL: none */
    bool has_ended;        /* a run, perhaps after the state was read that is looked at next */
    int64_t first_look_us; /* wall */
};

/* ── steps ── */

static void run_free(struct audit_run *run)
{
    io_timer_destroy(run->timer);
    audit_changes_end(run);
    arena_destroy(run->kept);
    arena_destroy(run->arena);
    mem_free(run);
}

bool audit_is_over(struct audit_run *run)
{
    run->is_busy = false;
    if (run->audit != NULL)
        return false;
    run_free(run);
    return true;
}

static void due(void *owner)
{
    struct audit_run *run = owner;
    run->next(run);
}

void audit_then(struct audit_run *run, int64_t delay_ms, audit_step_fn *fn)
{
    run->next = fn;
    io_timer_start(run->timer, delay_ms);
}

void audit_again(struct audit_run *run, audit_step_fn *fn, const struct err *e)
{
    log_debug("mirror.audit", "error=%s", log_quote(str_of_c(err_text(e))));
    if (++run->tries < TRIES_MAX)
        audit_then(run, AGAIN_MS, fn);
    else
        audit_fail(run, e);
}

static void look_whether_stored(struct audit_run *run)
{
    struct err e;
    if (run->m->stored >= run->stored_seq) {
        run->stored_fn(run);
    } else if (clock_mono_us() < run->stored_by_us) {
        audit_then(run, STORED_LOOK_MS, look_whether_stored);
    } else {
        err_set(&e, ERR_TIMEOUT, "the mirror does not come to %zu:%lld", run->m->shard,
                (long long)run->stored_seq);
        audit_fail(run, &e);
    }
}

void audit_once_stored(struct audit_run *run, int64_t seq, audit_step_fn *fn)
{
    run->stored_seq = seq;
    run->stored_fn = fn;
    run->stored_by_us = clock_mono_us() + STORED_DEADLINE_US;
    look_whether_stored(run);
}

void audit_ask(struct audit_run *run, const char *path, worker_reply_fn *fn, audit_step_fn *again)
{
    struct err e;
    const struct worker_call_options options = { .path = path,
                                                 .arena = run->arena,
                                                 .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                                                 .fn = fn,
                                                 .owner = run };
    run->is_busy = worker_client_call(run->m->loop->workers[run->m->shard], &options, &e);
    if (!run->is_busy)
        audit_again(run, again, &e);
}

void audit_call(struct audit_run *run, enum db_lane lane, const struct db_step *steps, size_t count,
                db_reply_fn *fn, audit_step_fn *again)
{
    struct err e;
    const struct db_call call = { .lane = lane,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + CALL_DEADLINE_US,
                                  .fn = fn,
                                  .owner = run };
    run->is_busy = db_pool_call(run->m->loop->pool, &call, NULL, &e);
    if (!run->is_busy)
        audit_again(run, again, &e);
}

/* ── the end ── */

static struct str report_json(struct audit_run *run, const struct err *e)
{
    const struct audit_report *r = &run->report;
    const struct {
        const char *name;
        int64_t number;
    } figures[] = {
        { "days", r->days },     { "rows", r->rows },   { "missing", r->missing },
        { "extra", r->extra },   { "wrong", r->wrong }, { "jobs", r->jobs },
        { "counts", r->counts },
    };
    struct buf text;
    buf_init(&text, 0);
    struct json_writer w = json_writer_to(&text);
    json_begin_object(&w);
    for (size_t i = 0; i < countof(figures); i++) {
        json_key(&w, str_of_c(figures[i].name));
        json_write_i64(&w, figures[i].number);
    }
    if (e != NULL) {
        json_key_c(&w, "error");
        json_write_string(&w, str_of_c(e->message));
    }
    json_end_object(&w);
    struct str copy = arena_copy(run->kept, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void run_over(struct audit_run *run)
{
    if (run->audit != NULL) {
        run->audit->run = NULL;
        run->audit->has_ended = true;
    }
    run_free(run);
}

static void told(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (reply->err != NULL)
        log_error("mirror.audit", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    if (!audit_is_over(run))
        run_over(run);
}

static void end(struct audit_run *run, const struct err *e)
{
    const struct audit_report *r = &run->report;
    int64_t mended = r->missing + r->extra + r->wrong + r->jobs + r->counts;
    run->m->stats.audits++;
    log_at(e != NULL || mended > 0 ? LOG_WARN : LOG_INFO, "mirror.audit",
           "shard=%zu days=%lld rows=%lld missing=%lld extra=%lld wrong=%lld jobs=%lld counts=%lld "
           "error=%s",
           run->m->shard, (long long)r->days, (long long)r->rows, (long long)r->missing,
           (long long)r->extra, (long long)r->wrong, (long long)r->jobs, (long long)r->counts,
           log_quote(str_of_c(e != NULL ? err_text(e) : "")));
    const struct db_step step =
        mirror_audit_end_step(run->kept, &run->m->lease, report_json(run, e));
    struct err none;
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + CALL_DEADLINE_US,
                                  .fn = told,
                                  .owner = run };
    run->is_busy = db_pool_call(run->m->loop->pool, &call, NULL, &none);
    if (!run->is_busy)
        run_over(run);
}

void audit_fail(struct audit_run *run, const struct err *e)
{
    end(run, e);
}

void audit_next_day(struct audit_run *run)
{
    run->day_at++;
    if (run->day_at < run->day_count)
        audit_days(run);
    else
        end(run, NULL);
}

/* ── the beginning ── */

static void begun(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (audit_is_over(run))
        return;
    if (reply->err != NULL)
        audit_fail(run, reply->err);
    else
        audit_figures(run);
}

static void begin(struct audit_run *run)
{
    const struct db_step step = mirror_audit_begin_step(run->kept, &run->m->lease);
    audit_call(run, DB_LANE_WRITE, &step, 1, begun, begin);
}

static void start(struct mirror_audit *audit)
{
    struct mirror *m = audit->m;
    struct audit_run *run = mem_new(struct audit_run);
    *run = (struct audit_run){ .audit = audit,
                               .m = m,
                               .kept = arena_create(ARENA_BYTES),
                               .arena = arena_create(ARENA_BYTES) };
    run->timer = io_timer_create(m->loop->io, due, run);
    audit->run = run;
    begin(run);
}

void mirror_audit_look(struct mirror_audit *audit, const struct mirror_state *state)
{
    int64_t now_us = clock_wall_us();
    int64_t interval_us = conf_duration_us(audit->m->gw->conf, CONF_MIRROR_AUDIT);
    if (audit->m->phase != MIRROR_FOLLOW || audit->run != NULL)
        return;
    if (audit->has_ended) {
        audit->has_ended = false;
        return;
    }
    if (audit->first_look_us == 0)
        audit->first_look_us = now_us;
    int64_t since_us = state->audited_at_us != 0 ? state->audited_at_us : audit->first_look_us;
    if (state->is_audit_due || (interval_us > 0 && now_us - since_us >= interval_us))
        start(audit);
}

void mirror_audit_take(struct mirror_audit *audit, const struct feed_batch *batch)
{
    if (audit->run != NULL)
        audit_changes_take(audit->run, batch);
}

void mirror_audit_stop(struct mirror_audit *audit)
{
    struct audit_run *run = audit != NULL ? take(audit->run) : NULL;
    if (run == NULL)
        return;
    run->audit = NULL;
    io_timer_stop(run->timer);
    if (!run->is_busy)
        run_free(run);
}

struct mirror_audit *mirror_audit_create(struct mirror *m)
{
    struct mirror_audit *audit = mem_new(struct mirror_audit);
    audit->m = m;
    return audit;
}

void mirror_audit_destroy(struct mirror_audit *audit)
{
    mirror_audit_stop(audit);
    mem_free(audit);
}
