/*
 * task_view: a task as callers see it, put together of its rows and of memory, and its JSON, which
 * is the same in answers, the snapshot and the feed.
 * Source: docs/protocol.md "The task object", "Feed and snapshot".
 */
#pragma once
#include "json/members.h"
#include "json/writer.h"
#include "worker/live.h"
#include "worker/ops.h"

struct task_view {
    struct uuid id;
    int64_t version;
    int64_t added;                   /* the number of its beginning; 0: left out */
    struct str type, queue, payload; /* payload empty: left out */
    struct str key;                  /* empty: none */
    struct str actor;                /* who made it */
    struct str by; /* of an event: the person who did this; empty: nobody in person */
    enum rule_state state;
    enum rule_priority priority;
    uint32_t attempt, max_attempts, timeout_s;
    int64_t run_at_us, created_at_us, updated_at_us;
    int64_t started_at_us, finished_at_us, scheduled_for_us; /* 0: null */
    double progress;                                         /* negative: null */
    bool has_result, has_error, has_job, has_creator;
    struct str result, error;
    struct str why; /* JSON; empty: null */
    struct uuid job_id, created_by;
    const struct uuid *depends_on;
    size_t depends_on_count;
    uint64_t key_hash;   /* of its partition key; 0: none */
    struct arena *arena; /* of a new one: for what is added in `apply`; NULL: the batch's */
};

void task_view_put(struct json_writer *w, const struct task_view *view);

/* ── events ── */

/* An event's object, open after its number, time and op. */
[[nodiscard]] struct json_writer event_begin(struct buf *out, int64_t seq, int64_t at_us,
                                             const char *op);
void event_add(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task);
void event_start(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task);
void event_finish(struct buf *out, int64_t seq, int64_t at_us, enum rule_status from,
                  const struct task_view *task);
void event_wait(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task);
void event_reopen(struct buf *out, int64_t seq, int64_t at_us, enum rule_status from,
                  const struct task_view *task);
/* `member` is one more member of the task: "cancel_requested" true, or progress. */
void event_note(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task,
                bool is_cancel);
/* `counts` is the JSON array of what left, `by` the person who deleted it; empty: nobody. */
void event_drop(struct buf *out, int64_t seq, int64_t at_us, struct uuid id, struct str counts,
                struct str by);
void event_drop_range(struct buf *out, int64_t seq, int64_t at_us, struct uuid from, struct uuid to,
                      struct str counts);
/* `job` is the job's object, and `change` an object, or empty: who did what to its settings. */
void event_job(struct buf *out, int64_t seq, int64_t at_us, struct str job, struct str change);
void event_job_gone(struct buf *out, int64_t seq, int64_t at_us, struct uuid id, struct str change);
void event_none(struct buf *out, int64_t seq);
/* Of a task whose rows are gone: what it was cannot be told. */
void event_gone(struct buf *out, int64_t seq);
