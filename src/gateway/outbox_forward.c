#include "gateway/mirror_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/outbox.h"
#include "gateway/shards.h"
#include "gateway/worker_client.h"
#include "json/json.h"
#include "json/writer.h"

/*
 *   take the oldest --> ask the worker --> store what it said, drop the entries --> take again
 *        `-- none: done    `-- away, in doubt, or cannot just now: the next second tries again;
 *                          |   what it has not taken for certain is no longer marked as sent
 *                          |-- refused as a whole: one at a time
 *                          `-- refused, and the queue is another shard's by now: waits for that
 * one; so says the worker alone, or it stumbles: it steps aside, and what depends on it
 */
enum {
    ROWS_MAX = 500,
    BYTES_MAX = 4 << 20,
    ARENA_BYTES = 64 << 20,
    MISDIRECTED = 421,
    INTERNAL = 500, /* of one entry alone: a later one may fare better */
    APART_S = 5,    /* until what has stepped aside is offered again */
    DB_DEADLINE_US = 10 * CLOCK_S,
    ASK_DEADLINE_US = 20 * CLOCK_S,
};

struct forward {
    struct mirror *m;
    struct arena *arena;
    struct outbox_entry *entries; /* the run that is being sent: all tasks, or one job */
    size_t count;
    struct outbox_move *moves; /* those of them that wait for another shard from now on */
    size_t move_count, gone_count;
    int64_t left;    /* that do not wait here any more, of those that were counted */
    bool is_put_off; /* some of them the worker could not take just now */
    bool may_part;   /* some of them may have stepped aside */
};

static void take_next(struct forward *f);

static void end(struct forward *f)
{
    f->m->is_forwarding = false;
    arena_destroy(f->arena);
    mem_free(f);
}

/* ── what the worker said ── */

enum said { SAID_REFUSED, SAID_MISDIRECTED, SAID_STUMBLED, SAID_COUNT };

struct outcome {
    struct mirror_row *rows, *jobs;
    struct outbox_refusal *refusals;
    struct uuid *done;    /* entries: taken, or another task is there for them */
    struct uuid *refused; /* entries, but for those */
    struct uuid *apart;   /* entries: another shard's, says the worker alone, or it stumbles */
    struct outbox_entry *put_off; /* which the worker surely never took */
    size_t row_count, job_count, refusal_count, done_count, refused_count, apart_count,
        put_off_count;
    struct {
        size_t count;
        struct uuid subject_id; /* of the first of them */
        struct str error;
    } said[SAID_COUNT];
};

/* One line of each kind: thousands may have stepped aside, and come again and again. */
static void log_said(const struct outcome *o)
{
    static const char *const events[SAID_COUNT] = { "outbox.refused", "outbox.misdirected",
                                                    "outbox.stumbled" };
    char id[UUID_TEXT_LEN + 1];
    for (int i = 0; i < SAID_COUNT; i++) {
        if (o->said[i].count == 0)
            continue;
        uuid_format(o->said[i].subject_id, id);
        log_warn(events[i], "count=%zu id=%s error=%s", o->said[i].count, id,
                 log_quote(o->said[i].error));
    }
}

static void stored(void *owner, const struct db_reply *reply)
{
    struct forward *f = owner;
    if (reply->err != NULL) {
        log_warn("outbox.not-stored", "error=%s", log_quote(str_of_c(err_text(reply->err))));
        end(f);
        return;
    }
    if (f->gone_count + f->move_count > 0)
        log_info("outbox.forwarded", "count=%zu moved=%zu", f->gone_count, f->move_count);
    if (f->may_part)
        feed_set_outbox_apart(f->m->gw, f->m->shard, true);
    feed_add_outbox_waiting(f->m->gw, f->m->shard, -f->left);
    for (size_t i = 0; i < f->move_count; i++)
        feed_add_outbox_waiting(f->m->gw, (size_t)f->moves[i].shard, 1);
    if (f->is_put_off)
        end(f);
    else
        take_next(f);
}

static void store(struct forward *f, const struct outcome *o)
{
    struct db_step steps[DB_STEPS_MAX];
    size_t count = 0;
    int64_t mark_us = f->entries[0].mark_us; /* of all of them */
    log_said(o);
    if (o->row_count > 0)
        steps[count++] =
            task_mirror_put_step(f->arena, o->rows, o->row_count, true, f->m->lease.shard);
    if (o->job_count > 0)
        steps[count++] =
            job_mirror_upsert_step(f->arena, o->jobs, o->job_count, true, false, f->m->lease.shard);
    if (o->refused_count + o->apart_count > 0)
        steps[count++] =
            outbox_part_step(f->arena, o->apart, o->apart_count, o->refused, o->refused_count,
                             o->done, o->done_count, APART_S, mark_us);
    if (o->refusal_count > 0 && f->entries[0].kind == OUTBOX_KIND_TASK)
        steps[count++] = outbox_refuse_tasks_step(f->arena, o->refusals, o->refusal_count);
    else if (o->refusal_count > 0)
        steps[count++] = outbox_refuse_job_step(f->arena, o->refusals[0].subject_id);
    if (o->put_off_count > 0)
        steps[count++] = outbox_put_off_step(f->arena, o->put_off, o->put_off_count);
    if (f->move_count > 0)
        steps[count++] = outbox_move_step(f->arena, f->moves, f->move_count, mark_us);
    if (o->done_count > 0)
        steps[count++] = outbox_done_step(f->arena, o->done, o->done_count);
    if (o->refused_count > 0)
        steps[count++] = outbox_done_step(f->arena, o->refused, o->refused_count);
    f->gone_count = o->done_count + o->refused_count;
    f->may_part = o->refused_count + o->apart_count > 0;
    if (count == 0) {
        end(f); /* all are put off, and may have been taken */
        return;
    }
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + DB_DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = stored,
                                  .owner = f };
    struct err e;
    if (!db_pool_call(f->m->loop->pool, &call, NULL, &e))
        end(f);
}

static struct outcome outcome_create(struct forward *f)
{
    struct outcome o = {
        .rows = arena_new_array(f->arena, f->count, struct mirror_row),
        .jobs = arena_new_array(f->arena, f->count, struct mirror_row),
        .refusals = arena_new_array(f->arena, f->count, struct outbox_refusal),
        .done = arena_new_array(f->arena, f->count, struct uuid),
        .refused = arena_new_array(f->arena, f->count, struct uuid),
        .apart = arena_new_array(f->arena, f->count, struct uuid),
        .put_off = arena_new_array(f->arena, f->count, struct outbox_entry),
    };
    f->moves = arena_new_array(f->arena, f->count, struct outbox_move);
    f->move_count = 0;
    f->is_put_off = false;
    f->left = 0;
    for (size_t i = 0; i < f->count; i++)
        f->left += !f->entries[i].is_apart; /* whatever the worker says */
    return o;
}

static size_t shard_of(struct forward *f, const struct outbox_entry *entry)
{
    const struct json_value *body, *queue = NULL;
    struct err e;
    if (json_parse(f->arena, entry->body, &body, &e)) {
        const struct json_value *job = json_get_c(body, "job");
        queue = json_get_c(job != NULL ? job : body, "queue");
    }
    bool is_named = queue != NULL && queue->type == JSON_STRING;
    return shards_of_queue(f->m->gw, is_named ? queue->text : STR("default"));
}

/*
 * Where its queue has gone to another shard since it was accepted, that one has the say. What it
 * refuses this one has never taken: a worker answers for a task that it has before it looks at the
 * queue.
 */
static void refuse(struct forward *f, struct outcome *o, const struct outbox_entry *entry,
                   struct str error, int64_t status)
{
    size_t shard = shard_of(f, entry);
    if (shard != f->m->shard) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(entry->subject_id, id);
        log_info("outbox.moved", "id=%s from=%zu to=%zu", id, f->m->shard, shard);
        f->moves[f->move_count++] = (struct outbox_move){ entry->subject_id, (int16_t)shard };
        return;
    }
    enum said said = status == MISDIRECTED ? SAID_MISDIRECTED
                     : status == INTERNAL  ? SAID_STUMBLED
                                           : SAID_REFUSED;
    if (o->said[said].count++ == 0) {
        o->said[said].subject_id = entry->subject_id;
        o->said[said].error = error;
    }
    if (said != SAID_REFUSED) {
        o->apart[o->apart_count++] = entry->id;
        return;
    }
    o->refusals[o->refusal_count++] =
        (struct outbox_refusal){ .subject_id = entry->subject_id, .error = error };
    o->refused[o->refused_count++] = entry->id;
}

/* It waits on in its place. What was sent before, and never answered, only the worker can tell. */
static void put_off(struct forward *f, struct outcome *o, const struct outbox_entry *entry,
                    bool is_not_taken)
{
    f->is_put_off = true;
    f->left -= !entry->is_apart;
    if (is_not_taken && !entry->is_sent)
        o->put_off[o->put_off_count++] = *entry;
}

static void put_off_all(struct forward *f)
{
    struct outcome o = outcome_create(f);
    for (size_t i = 0; i < f->count; i++)
        put_off(f, &o, &f->entries[i], true);
    store(f, &o);
}

static bool read_result(struct forward *f, const struct json_value *result,
                        const struct outbox_entry *entry, struct outcome *o)
{
    const struct json_value *task = json_get_c(result, "task"),
                            *other = json_get_c(result, "duplicate_of"),
                            *error = json_get_c(result, "error"),
                            *message = json_get_c(error, "message"),
                            *status = json_get_c(error, "status");
    int64_t number = 0;
    struct worker_row row;
    struct uuid id = { 0 };
    struct err e;
    if (task != NULL && worker_read_task(f->arena, task, &row, &e)) {
        o->rows[o->row_count++] = (struct mirror_row){ row.told, row.cells };
        o->done[o->done_count++] = entry->id;
        return true;
    }
    if (other != NULL && other->type == JSON_STRING && uuid_parse(other->text, &id)) {
        o->refusals[o->refusal_count++] = (struct outbox_refusal){
            entry->subject_id, STR("another unfinished task holds this idempotency key"), id
        };
        o->done[o->done_count++] = entry->id;
        return true;
    }
    if (message == NULL || message->type != JSON_STRING)
        return false;
    ptrdiff_t end = str_find(message->text, STR("].")); /* its place is nobody's business */
    bool has_place = str_starts_with(message->text, STR("tasks[")) && end > 0;
    if (status != NULL && status->type == JSON_NUMBER)
        (void)json_to_i64(status, &number);
    if (outbox_is_put_off(number)) {
        put_off(f, o, entry, worker_took_nothing(number));
        return true;
    }
    refuse(f, o, entry, has_place ? str_from(message->text, (size_t)end + 2) : message->text,
           number);
    return true;
}

/* Nothing is known of what was asked, or nothing was done just now. */
static bool is_unanswered(const struct worker_reply *reply)
{
    return reply->body != NULL || reply->is_away || reply->is_in_doubt ||
           outbox_is_put_off(reply->status);
}

static void sent_tasks(void *owner, const struct worker_reply *reply)
{
    struct forward *f = owner;
    const struct json_value *results = json_get_c(reply->body, "results");
    struct outcome o = outcome_create(f);
    bool is_read =
        results != NULL && results->type == JSON_ARRAY && results->item_count == f->count;
    for (size_t i = 0; is_read && i < f->count; i++)
        is_read = read_result(f, &results->items[i], &f->entries[i], &o);
    if (is_read) {
        store(f, &o);
    } else if (reply->is_not_taken) {
        put_off_all(f);
    } else if (is_unanswered(reply)) {
        end(f); /* the same ids go again */
    } else if (f->count == 1) {
        refuse(f, &o, &f->entries[0], str_of_c(reply->err->message), reply->status);
        store(f, &o);
    } else {
        f->m->is_forwarding_singly = true;
        take_next(f);
    }
}

static void sent_job(void *owner, const struct worker_reply *reply)
{
    struct forward *f = owner;
    const struct json_value *job = json_get_c(reply->body, "job");
    struct outcome o = outcome_create(f);
    struct worker_row row;
    struct err e;
    if (job != NULL && worker_read_job(f->arena, job, &row, &e)) {
        o.jobs[o.job_count++] = (struct mirror_row){ row.told, row.cells };
        o.done[o.done_count++] = f->entries[0].id;
        store(f, &o);
    } else if (reply->is_not_taken) {
        put_off_all(f);
    } else if (is_unanswered(reply)) {
        end(f);
    } else {
        refuse(f, &o, &f->entries[0], str_of_c(reply->err->message), reply->status);
        store(f, &o);
    }
}

/* ── asking ── */

static struct str tasks_body(struct arena *a, const struct outbox_entry *entries, size_t count)
{
    struct buf b;
    buf_init(&b, 0);
    buf_put_c(&b, "{\"tasks\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&b, ',');
        buf_put_str(&b, entries[i].body);
    }
    buf_put_c(&b, "],\"is_atomic\":false}");
    struct str body = arena_copy(a, buf_str(&b));
    buf_clear(&b);
    return body;
}

static void ask(struct forward *f)
{
    bool is_job = f->entries[0].kind == OUTBOX_KIND_JOB;
    struct err e;
    const struct worker_call_options options = {
        .path = is_job ? "/v1/jobs" : "/v1/tasks",
        .body = is_job ? f->entries[0].body : tasks_body(f->arena, f->entries, f->count),
        .arena = f->arena,
        .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
        .is_sent_once = true, /* a refusal must not be of the second time alone */
        .fn = is_job ? sent_job : sent_tasks,
        .owner = f,
    };
    if (!worker_client_call(f->m->loop->workers[f->m->shard], &options, &e))
        put_off_all(f);
}

static void taken(void *owner, const struct db_reply *reply)
{
    struct forward *f = owner;
    if (reply->err != NULL || f->m->phase == MIRROR_STANDBY) {
        end(f);
        return;
    }
    db_rows_keep(reply->rows[0], f->arena);
    size_t count = outbox_read(f->arena, reply->rows[0], &f->entries);
    if (count == 0) {
        end(f); /* what others have marked at this moment may wait: the table will tell */
        return;
    }
    f->count = 1;
    while (f->entries[0].kind == OUTBOX_KIND_TASK && f->count < count &&
           f->entries[f->count].kind == OUTBOX_KIND_TASK)
        f->count++;
    ask(f);
}

static void take_next(struct forward *f)
{
    struct err e;
    int64_t rows_max = f->m->is_forwarding_singly ? 1 : ROWS_MAX;
    f->m->is_forwarding_singly = false;
    arena_reset(f->arena);
    const struct db_step step = outbox_take_step(f->arena, rows_max, BYTES_MAX, f->m->lease.shard);
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + DB_DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = taken,
                                  .owner = f };
    if (!f->m->is_running || !db_pool_call(f->m->loop->pool, &call, NULL, &e))
        end(f);
}

void outbox_forward(struct mirror *m)
{
    if (m->is_forwarding || m->phase == MIRROR_STANDBY)
        return;
    struct forward *f = mem_new(struct forward);
    *f = (struct forward){ .m = m, .arena = arena_create(ARENA_BYTES) };
    m->is_forwarding = true;
    take_next(f);
}
