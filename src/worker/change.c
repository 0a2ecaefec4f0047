#include "worker/change.h"

#include "base/log.h"
#include "worker/change_priv.h"
#include "worker/checkpoint.h"
#include "worker/deps.h"
#include "worker/group.h"
#include "worker/notes.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/tick.h"

/* ── memory ── */

struct saved {
    struct live *task;
    struct live was;
    struct live_run run;
    int64_t at_us;
};

static void restore(struct shard *s, void *data)
{
    const struct saved *saved = data;
    bool is_marked = saved->task->flags & LIVE_DIRTY; /* perhaps by a tick that failed meanwhile */
    live_restore(s->live, saved->task, &saved->was, saved->run, saved->at_us);
    if (is_marked)
        saved->task->flags |= LIVE_DIRTY;
}

static void take_back(struct shard *s, void *data)
{
    live_remove(s->live, data);
}

static void let_go(struct shard *s, void *data)
{
    struct live *task = data;
    if (task->flags & LIVE_STORED)
        tick_gone(s->tick, task->id);
    struct uuid id = task->id;
    notes_forget(s->notes, id);
    live_remove(s->live, task);
    logs_gone(s->logs, id);
}

/* Remembers it for the undo and takes it out of its heap. */
static void touch(struct batch *b, struct live *task)
{
    struct saved *saved = arena_new(b->a, struct saved);
    *saved = (struct saved){
        .task = task, .was = *task, .run = live_run_of(b->s->live, task), .at_us = b->at_us
    };
    batch_on_undo(b, restore, saved);
    live_lift(b->s->live, task);
    tick_mark(b->s->tick, task);
}

static void log_status(struct batch *b, uint32_t type, enum op op)
{
    batch_count(b, type, op_from(op), -1);
    batch_count(b, type, op_to(op), 1);
}

static struct task_view brief(const struct batch *b, const struct live *task)
{
    return (struct task_view){ .id = task->id,
                               .type = b->s->types[live_type_of(b->s->live, task)].name,
                               .attempt = task->attempt,
                               .max_attempts = task->max_attempts };
}

/* More queues than there may be share the lanes of the first one. */
static void join(struct batch *b, struct live *task, const struct task_view *view, uint32_t type)
{
    uint32_t queue = 0;
    struct err e;
    if (!shard_queue_of(b->s, view->queue, &queue, &e))
        log_warn("change.queue_shared", "error=%s", log_quote(str_of_c(e.message)));
    live_join(b->s->live, task, &(struct live_lane){ type, queue, view->priority, view->key_hash });
}

static void leave(struct shard *s, void *data)
{
    const uint32_t *lane = data;
    live_leave(s->live, *lane);
}

/* One that crashed waits apart from the others. */
static void crash(struct batch *b, struct live *task)
{
    uint32_t *left = arena_new(b->a, uint32_t);
    *left = live_crash(b->s->live, task);
    batch_on_commit(b, leave, left);
}

/* ── changes ── */

static struct live *add(struct batch *b, struct task_view *view, uint32_t type, bool is_blocked)
{
    struct shard *s = b->s;
    struct live *task = live_add(s->live, view->id);
    batch_on_undo(b, take_back, task);
    int64_t seq = batch_put(
        b, &(struct change){ .op = is_blocked ? OP_ADD_BLOCKED : OP_ADD, .id = view->id });
    view->has_job = view->has_job && !uuid_is_nil(view->job_id); /* zeros are null in its row */
    view->has_creator = view->has_creator && !uuid_is_nil(view->created_by);
    view->key_hash = settings_key_of(s, type, view->payload);
    view->version = seq;
    view->type = s->types[type].name;
    view->created_at_us = view->updated_at_us = b->at_us;
    view->state = is_blocked ? STATE_BLOCKED : rule_waiting_state(view->run_at_us, 0, b->at_us);
    view->progress = -1;
    task->version = seq;
    task->state = is_blocked ? LIVE_BLOCKED : LIVE_WAITING;
    task->at_us = view->run_at_us;
    join(b, task, view, type);
    live_set_timeout(task, view->timeout_s);
    task->max_attempts = (uint16_t)view->max_attempts;
    task->flags = (uint8_t)(LIVE_FRESH | (view->has_job ? LIVE_JOB : 0));
    if (view->key.len > 0)
        live_hold_key(s->live, live_key_of(view->key), task);
    live_place(s->live, task, b->at_us);
    tick_mark(s->tick, task);
    log_status(b, type, OP_ADD);
    event_add(&b->events, seq, b->at_us, view);
    batch_event_end(b);
    struct task_row *row = change_row_task(b);
    *row = (struct task_row){ .view = view, .seq = seq, .type = type };
    return task;
}

/* A group is blocked by its children in any case. */
static struct live *add_group(struct batch *b, struct task_view *view, uint32_t type)
{
    struct str error;
    bool is_good = group_expand(b, view, &error);
    struct live *task = add(b, view, type, true);
    if (!is_good) /* nobody checked it before: it is of a job from before its type had a schema */
        change_finish(b, task, STATE_DEAD,
                      &(struct change_end){ .outcome = OUTCOME_FAILED, .error = &error });
    return task;
}

struct live *change_add(struct batch *b, struct task_view *view, uint32_t type)
{
    return group_is(b->s, type) ? add_group(b, view, type) : add(b, view, type, false);
}

struct live *change_add_blocked(struct batch *b, struct task_view *view, uint32_t type)
{
    return group_is(b->s, type) ? add_group(b, view, type) : add(b, view, type, true);
}

void change_start(struct batch *b, struct live *task, uint32_t session)
{
    assert(task->state == LIVE_WAITING);
    touch(b, task);
    int64_t ready_us = task->at_us;
    task->attempt++;
    enum op op = task->flags & LIVE_FRESH ? OP_START_FIRST : OP_START;
    int64_t seq = batch_put(b, &(struct change){ .op = op,
                                                 .id = task->id,
                                                 .session = session,
                                                 .attempt = task->attempt,
                                                 .args = { ready_us } });
    task->state = LIVE_RUNNING;
    task->version = seq;
    live_set_run(b->s->live, task, (struct live_run){ seq, session });
    task->at_us = b->at_us;
    task->flags &= (uint8_t) ~(LIVE_OF_ATTEMPT | LIVE_FRESH);
    live_place(b->s->live, task, b->at_us);
    log_status(b, live_type_of(b->s->live, task), op);
    struct task_view view = brief(b, task);
    view.started_at_us = b->at_us;
    view.run_at_us = ready_us;
    event_start(&b->events, seq, b->at_us, &view);
    batch_event_end(b);
}

static void add_attempt(struct batch *b, const struct live *task, int64_t seq,
                        const struct change_end *end)
{
    struct attempt_row *row = change_row_attempt(b);
    *row = (struct attempt_row){ .id = task->id,
                                 .fence = live_run_of(b->s->live, task).fence,
                                 .seq = seq,
                                 .started_at_us = task->at_us,
                                 .attempt = task->attempt,
                                 .outcome = end->outcome,
                                 .worker = end->worker,
                                 .error = end->error ? *end->error : STR(""),
                                 .has_error = end->error != NULL };
}

struct str change_why(struct arena *a, const struct change_end *end)
{
    char id[UUID_TEXT_LEN + 1];
    if (!end->why_code)
        return STR("");
    if (!end->blocked_by)
        return arena_printf(a, "{\"code\":\"%s\",\"text\":\"%s\"}", end->why_code, end->why_text);
    uuid_format(*end->blocked_by, id);
    return arena_printf(a, "{\"code\":\"%s\",\"text\":\"%s\",\"blocked_by\":[\"%s\"]}",
                        end->why_code, end->why_text, id);
}

static enum op finish_op(const struct live *task, enum rule_state state)
{
    if (task->state != LIVE_RUNNING)
        return state == STATE_CANCELLED   ? OP_CANCEL_WAITING
               : state == STATE_SUCCEEDED ? OP_COMPLETE_BLOCKED
                                          : OP_DIE_WAITING;
    return state == STATE_SUCCEEDED   ? OP_COMPLETE
           : state == STATE_CANCELLED ? OP_CANCEL_RUNNING
                                      : OP_DIE;
}

void change_finish(struct batch *b, struct live *task, enum rule_state state,
                   const struct change_end *end)
{
    assert(task->state == LIVE_RUNNING || state != STATE_SUCCEEDED || group_is_live(b->s, task));
    assert(task->state != LIVE_GONE);
    enum op op = finish_op(task, state);
    bool was_running = task->state == LIVE_RUNNING, was_blocked = task->state == LIVE_BLOCKED;
    struct live_run run = live_run_of(b->s->live, task);
    if (was_running)
        logs_end(b, task, end->logs);
    checkpoint_end(b, task->id);
    touch(b, task);
    int64_t seq = batch_put(
        b, &(struct change){
               .op = op, .id = task->id, .session = run.session, .attempt = task->attempt });
    struct done_row *row = change_row_done(b);
    *row = (struct done_row){ .id = task->id,
                              .seq = seq,
                              .fence = run.fence,
                              .started_at_us = was_running ? task->at_us : 0,
                              .state = state,
                              .attempt = task->attempt,
                              .max_attempts = task->max_attempts,
                              .result = end->result ? *end->result : STR(""),
                              .error = end->error ? *end->error : STR(""),
                              .why = change_why(b->a, end),
                              .worker = was_running ? end->worker : STR(""),
                              .has_error = end->error != NULL };
    if (was_running && state != STATE_SUCCEEDED)
        add_attempt(b, task, seq, end);
    struct task_view view = brief(b, task);
    view.state = state;
    view.started_at_us = row->started_at_us;
    view.finished_at_us = b->at_us;
    view.has_result = row->result.len > 0;
    view.result = row->result;
    view.has_error = row->has_error;
    view.error = row->error;
    view.why = row->why;
    view.by = end->by;
    batch_done_by(b, end->by);
    event_finish(&b->events, seq, b->at_us, op_from(op), &view);
    batch_event_end(b);
    log_status(b, live_type_of(b->s->live, task), op);
    task->version = seq;
    task->state = LIVE_GONE;
    batch_on_commit(b, let_go, task);
    const struct uuid *children = NULL;
    size_t child_count = was_blocked && state != STATE_SUCCEEDED && group_is_live(b->s, task)
                             ? group_open_children(b, task->id, &children)
                             : 0;
    if (was_blocked)
        deps_left(b, task->id);
    deps_ended(b, task->id, state);
    group_give_up(b, children, child_count);
    if (b->s->job_hooks)
        b->s->job_hooks->task_ended(b, task->id, state);
}

void change_wait(struct batch *b, struct live *task, enum op op, int64_t run_at_us,
                 const struct change_end *end)
{
    assert(task->state == LIVE_RUNNING);
    assert(op == OP_RETRY || op == OP_LOST || op == OP_RELEASE);
    logs_end(b, task, end->logs);
    touch(b, task);
    int64_t seq = batch_put(b, &(struct change){ .op = op,
                                                 .id = task->id,
                                                 .session = live_run_of(b->s->live, task).session,
                                                 .attempt = task->attempt,
                                                 .args = { run_at_us } });
    if (op == OP_RELEASE)
        task->attempt--;
    else
        add_attempt(b, task, seq, end);
    if (op == OP_LOST)
        crash(b, task);
    task->state = LIVE_WAITING;
    task->version = seq;
    task->at_us = run_at_us;
    live_set_run(b->s->live, task, (struct live_run){ 0 });
    task->flags &= (uint8_t)~LIVE_OF_ATTEMPT;
    live_place(b->s->live, task, b->at_us);
    log_status(b, live_type_of(b->s->live, task), op);
    struct task_view view = brief(b, task);
    view.state = rule_waiting_state(run_at_us, task->attempt, b->at_us);
    view.run_at_us = run_at_us;
    view.has_error = op != OP_RELEASE && end->error != NULL;
    view.error = view.has_error ? *end->error : STR("");
    event_wait(&b->events, seq, b->at_us, &view);
    batch_event_end(b);
}

/* Its attempts and its time are told anew: it begins by OP_START. */
static void reopened(struct batch *b, struct live *task, enum op op, struct str by)
{
    uint32_t more = (uint32_t)task->attempt + 1;
    task->max_attempts = (uint16_t)max_of((uint32_t)task->max_attempts, more);
    task->at_us = b->at_us;
    task->state = op == OP_REOPEN_BLOCKED ? LIVE_BLOCKED : LIVE_WAITING;
    task->flags &= (uint8_t)~LIVE_FRESH;
    int64_t seq = batch_put(b, &(struct change){ .op = op,
                                                 .id = task->id,
                                                 .attempt = task->attempt,
                                                 .args = { b->at_us, task->max_attempts } });
    task->version = seq;
    live_place(b->s->live, task, b->at_us);
    log_status(b, live_type_of(b->s->live, task), op);
    struct task_view view = brief(b, task);
    view.state = op == OP_REOPEN_BLOCKED ? STATE_BLOCKED : STATE_READY;
    view.run_at_us = b->at_us;
    view.by = by;
    batch_done_by(b, by);
    event_reopen(&b->events, seq, b->at_us, op_from(op), &view);
    batch_event_end(b);
}

void change_hurry(struct batch *b, struct live *task, struct str by)
{
    assert(task->state == LIVE_WAITING);
    touch(b, task);
    reopened(b, task, OP_REOPEN_WAITING, by);
}

void change_unblock(struct batch *b, struct live *task)
{
    assert(task->state == LIVE_BLOCKED);
    touch(b, task);
    if (!(task->flags & LIVE_FRESH)) { /* the log must tell its attempts */
        reopened(b, task, OP_REOPEN_WAITING, STR(""));
        return;
    }
    int64_t seq = batch_put(b, &(struct change){ .op = OP_UNBLOCK, .id = task->id });
    task->state = LIVE_WAITING;
    task->version = seq;
    live_place(b->s->live, task, b->at_us);
    struct task_view view = brief(b, task);
    view.state = rule_waiting_state(task->at_us, 0, b->at_us);
    view.run_at_us = task->at_us;
    event_reopen(&b->events, seq, b->at_us, STATUS_PENDING, &view);
    batch_event_end(b);
}

void change_reopen(struct batch *b, const struct task_view *view, uint32_t type, bool is_blocked,
                   struct str by)
{
    struct shard *s = b->s;
    struct live *task = live_add(s->live, view->id);
    batch_on_undo(b, take_back, task);
    join(b, task, view, type);
    live_set_timeout(task, view->timeout_s);
    task->attempt = (uint16_t)view->attempt;
    task->max_attempts = (uint16_t)view->max_attempts;
    if (view->key.len > 0)
        live_hold_key(s->live, live_key_of(view->key), task);
    tick_mark(s->tick, task);
    struct reopened_row *row = change_row_reopened(b);
    *row = (struct reopened_row){ .id = view->id, .seq = view->version };
    reopened(b, task, is_blocked ? OP_REOPEN_BLOCKED : OP_REOPEN_FAILED, by);
    s->reopened_seq = task->version;
    if (view->has_job)
        task->flags |= LIVE_JOB;
    if (view->has_job && s->job_hooks)
        s->job_hooks->task_reopened(b, view->job_id, view->id);
}

static void tell_command(struct shard *s, void *data)
{
    session_command(s->sessions, data);
}

void change_ask_cancel(struct batch *b, struct live *task, struct str by)
{
    assert(task->state == LIVE_RUNNING);
    touch(b, task);
    int64_t seq = batch_put(b, &(struct change){ .op = OP_CANCEL_ASKED,
                                                 .id = task->id,
                                                 .session = live_run_of(b->s->live, task).session,
                                                 .attempt = task->attempt });
    task->flags |= LIVE_CANCEL_ASKED;
    task->version = seq;
    live_place(b->s->live, task, b->at_us);
    struct task_view view = brief(b, task);
    view.by = by;
    batch_done_by(b, by);
    event_note(&b->events, seq, b->at_us, &view, true);
    batch_event_end(b);
    batch_on_commit(b, tell_command, task);
}

void change_note(struct batch *b, struct live *task, double progress)
{
    assert(task->state == LIVE_RUNNING);
    touch(b, task);
    int64_t millionths = (int64_t)(progress * OP_NOTE_ONE);
    int64_t seq = batch_put(b, &(struct change){ .op = OP_NOTE,
                                                 .id = task->id,
                                                 .session = live_run_of(b->s->live, task).session,
                                                 .attempt = task->attempt,
                                                 .args = { millionths } });
    task->version = seq;
    live_place(b->s->live, task, b->at_us);
    struct task_view view = brief(b, task);
    view.progress = (double)millionths / OP_NOTE_ONE;
    event_note(&b->events, seq, b->at_us, &view, false);
    batch_event_end(b);
}

void change_none(struct batch *b)
{
    int64_t seq = batch_put(b, &(struct change){ .op = OP_NONE });
    event_none(&b->events, seq);
    batch_event_end(b);
}
