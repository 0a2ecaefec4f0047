/*
 * heartbeat_door: POST /v1/heartbeats. It renews the session's leases, brings progress, checkpoints
 * and lines of logs, and is told which leases are lost.
 *
 *   read ──▶ a checkpoint, or progress that is news? ── commit ──▶ answer
 *              └─ no ──▶ answer
 */
#include <math.h>

#include "base/clock.h"
#include "worker/change.h"
#include "worker/checkpoint.h"
#include "worker/door.h"
#include "worker/notes.h"
#include "worker/session_door.h"
#include "worker/worker_priv.h"

enum { NOTE_EVERY_US = 1'000'000 };

/* What a heartbeat says of one task. */
struct beat_item {
    struct uuid task;
    struct str fence_text;
    int64_t fence;
    bool is_lost; /* the lease is no longer this one */
    bool has_progress, is_news;
    double progress;
    struct str checkpoint; /* JSON; empty: none */
    struct log_lines lines;
};

struct beat {
    struct intent intent;
    struct worker *w;
    struct http_request *r;
    struct uuid session_id;
    uint32_t session; /* number */
    struct beat_item *items;
    size_t count;
};

/* NULL: the lease is no longer this one. */
static struct live *held(const struct shard *s, const struct beat *beat,
                         const struct beat_item *item)
{
    struct live *task = live_find(s->live, item->task);
    if (!task || task->state != LIVE_RUNNING)
        return NULL;
    struct live_run run = live_run_of(s->live, task);
    return run.fence == item->fence && run.session == beat->session ? task : NULL;
}

static void apply_beat(struct intent *intent, struct batch *b)
{
    struct beat *beat = container_of(intent, struct beat, intent);
    for (size_t i = 0; i < beat->count; i++) {
        struct beat_item *item = &beat->items[i];
        struct live *task = item->is_lost ? NULL : held(b->s, beat, item);
        if (!task)
            continue;
        if (item->checkpoint.len > 0)
            checkpoint_put(b, task->id, item->checkpoint);
        if (item->is_news)
            change_note(b, task, item->progress);
        else if (item->checkpoint.len > 0)
            change_none(b);
    }
}

static void answer_beat(struct beat *beat)
{
    struct shard *s = &beat->w->shard;
    struct json_writer out = json_writer_to(beat->r->out);
    json_begin_object(&out);
    json_key_c(&out, "lost");
    json_begin_array(&out);
    for (size_t i = 0; i < beat->count; i++) {
        const struct beat_item *item = &beat->items[i];
        if (!item->is_lost && held(s, beat, item))
            continue;
        json_begin_object(&out);
        json_put_id(&out, "task", item->task);
        json_key_c(&out, "fence");
        json_write_string(&out, item->fence_text);
        json_end_object(&out);
    }
    json_end_array(&out);
    struct session *session = session_find(s->sessions, beat->session_id);
    json_key_c(&out, "held");
    json_write_u64(&out, session != NULL ? session->leases : 0);
    session_put_commands(&out, s, session);
    session_put_mode(&out, beat->w);
    json_end_object(&out);
    door_answer(beat->r);
}

/* A checkpoint is acknowledged when it is committed. */
static void beat_done(struct intent *intent, const struct err *err)
{
    struct beat *beat = container_of(intent, struct beat, intent);
    if (err)
        door_fail(beat->r, err);
    else
        answer_beat(beat);
}

/* Entries that name no lease are answered as lost. */
static bool read_beat_item(struct beat *beat, const struct json_value *v, size_t i, struct err *e)
{
    struct beat_item *item = &beat->items[i];
    struct shard *s = &beat->w->shard;
    struct arena *a = beat->r->arena;
    const struct json_value *progress = json_get_c(v, "progress");
    const struct json_value *checkpoint = json_get_c(v, "checkpoint");
    struct err bad = { 0 };
    char at[40];
    snprintf(at, sizeof at, "tasks[%zu].", i);
    item->fence_text = STR("");
    item->fence = -1;
    item->is_lost = !door_id(v, "", "task", &item->task, &bad) ||
                    !door_text(v, "", "fence", SHARD_NUMBER_MAX, &item->fence_text, &bad) ||
                    !shard_number_parse(s, item->fence_text, &item->fence) || !held(s, beat, item);
    item->has_progress = progress && progress->type == JSON_NUMBER &&
                         json_to_double(progress, &item->progress) && item->progress >= 0 &&
                         item->progress <= 1;
    if (checkpoint && checkpoint->type != JSON_NULL)
        item->checkpoint = door_json_text(a, checkpoint);
    if (item->checkpoint.len > s->options.payload_max)
        return err_set(e, ERR_LIMIT, "%scheckpoint: is longer than %zu bytes", at,
                       s->options.payload_max);
    return logs_read(a, json_get_c(v, "logs"), at, &item->lines, e);
}

/* Remembers what was said; the feed hears of progress now and then. */
static void note_progress(struct shard *s, struct beat_item *item)
{
    struct note *note = notes_of_attempt(s->notes, item->task, item->fence);
    int64_t now_us = clock_mono_us();
    note->progress = item->progress;
    item->is_news =
        fabs(item->progress - note->told) > 0 && now_us - note->told_us >= NOTE_EVERY_US;
    if (!item->is_news)
        return;
    note->told = item->progress;
    note->told_us = now_us;
}

static void heartbeat(struct beat *beat)
{
    struct shard *s = &beat->w->shard;
    bool must_commit = false;
    struct err e;
    for (size_t i = 0; i < beat->count; i++) {
        struct beat_item *item = &beat->items[i];
        if (item->is_lost)
            continue;
        logs_add(s->logs, log_attempt_of(s, held(s, beat, item)), &item->lines);
        if (item->has_progress)
            note_progress(s, item);
        must_commit = must_commit || item->is_news || item->checkpoint.len > 0;
    }
    if (!must_commit)
        answer_beat(beat);
    else if (!shard_submit(s, &beat->intent, &e))
        door_fail(beat->r, &e);
}

static bool check_beat(const struct json_value *v, size_t i, struct err *e)
{
    static const char *const members[] = {
        "task", "fence", "progress", "checkpoint", "logs", NULL
    };
    const struct json_value *progress = json_get_c(v, "progress");
    struct uuid id;
    struct str fence;
    char at[40];
    double value;
    snprintf(at, sizeof at, "tasks[%zu].", i);
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "tasks[%zu]: is no object", i);
    if (!json_only(v, at, members, e))
        return false;
    if (!door_id(v, at, "task", &id, e))
        return door_is_bad(e) ? false : door_missing(e, at, "task");
    if (!door_text(v, at, "fence", SHARD_NUMBER_MAX, &fence, e))
        return door_is_bad(e) ? false : door_missing(e, at, "fence");
    return !progress || progress->type == JSON_NULL ||
           (progress->type == JSON_NUMBER && json_to_double(progress, &value) && value >= 0 &&
            value <= 1) ||
           err_set(e, ERR_INVALID, "%sprogress: is no number within 0 and 1", at);
}

static bool check_beats(const struct json_value *body, struct err *e)
{
    static const char *const members[] = { "session", "secret", "tasks", NULL };
    const struct json_value *tasks = json_get_c(body, "tasks");
    if (!json_only(body, "", members, e))
        return false;
    if (!tasks || tasks->type == JSON_NULL)
        return true;
    if (tasks->type != JSON_ARRAY || tasks->item_count > SESSION_SLOTS_MAX)
        return err_set(e, ERR_INVALID, "tasks: is no list of at most %d", SESSION_SLOTS_MAX);
    for (size_t i = 0; i < tasks->item_count; i++)
        if (!check_beat(&tasks->items[i], i, e))
            return false;
    return true;
}

void heartbeat_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct err e = { 0 };
    const struct json_value *body;
    struct session *session;
    if (!door_open(w, r, DOOR_RUNNER | DOOR_GATEWAY) || !(body = door_body(r)) ||
        !(session = session_of_body(w, r, body)))
        return;
    if (!check_beats(body, &e)) {
        door_fail(r, &e);
        return;
    }
    const struct json_value *tasks = json_get_c(body, "tasks");
    size_t n = tasks && tasks->type == JSON_ARRAY ? tasks->item_count : 0;
    struct beat *beat = arena_new(r->arena, struct beat);
    *beat = (struct beat){ .intent = { .apply = apply_beat, .done = beat_done },
                           .w = w,
                           .r = r,
                           .session_id = session->id,
                           .session = session->number,
                           .items = arena_new_array(r->arena, n, struct beat_item),
                           .count = n };
    for (size_t i = 0; i < n; i++)
        if (!read_beat_item(beat, &tasks->items[i], i, &e)) {
            door_fail(r, &e);
            return;
        }
    heartbeat(beat);
}
