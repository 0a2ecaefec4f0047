/*
 * deliver: what of a response comes after the answer.
 *
 *   walk finds tasks and streams --> fragments and streams open: `pending` --> jobs run, like the
 *        ^                                                                     first level did
 *        `------ walk writes what came: `incremental`, `completed` <-- a job's steps are all back
 *
 * A task is what @defer puts off of one object: fields that wait for the same fragments. It runs
 * once, when the first of its fragments opens, and is sent once, with the first that is complete. A
 * job is all tasks of one place in the plan, or all streams of one field, that start together: so
 * each deferred field still runs once a level, for all its parents.
 * Source: README.md, "Incremental delivery".
 */
#pragma once
#include "base/list.h"
#include "gql/execute_priv.h"

/* What the client was told to wait for: a fragment or a stream. */
struct announced {
    struct list by_state; /* open, or closed since the last payload */
    uint32_t id;
    const struct frame *at;
    struct str label_json; /* or empty */
    const char *member;    /* "data" or "items" */
};

enum fragment_state { FRAGMENT_CLOSED, FRAGMENT_OPEN, FRAGMENT_OVER };

/* A @defer at one object of the response. */
struct fragment {
    struct fragment *next; /* among its parent's, or of those to open */
    struct fragment *children, **children_tail;
    struct announced announced;
    enum fragment_state state;
    struct task_link *tasks, **tasks_tail;
    size_t waiting_count;            /* of its tasks */
    const struct gql_error *failure; /* a task's, from before it opened */
};

struct task_link {
    struct task_link *next;
    struct task *task;
};

/* The @defers that begin at one object, on the way to where a walk is. */
struct scope {
    const struct scope *above;
    const struct plan_deferral *deferral;
    const struct frame *at;
    struct fragment **fragments; /* one a @defer, made when a task wants it */
};

enum task_state { TASK_FOUND, TASK_RUNNING, TASK_DONE, TASK_FAILED, TASK_SENT };

struct task {
    struct task *next; /* of its job */
    const struct plan_part *part;
    const struct scope *scope;
    struct node node;
    struct fragment **fragments;
    uint32_t fragment_count;
    enum task_state state;
    struct str data_json;
    struct gql_errors errors;
    struct stream *streams, **streams_tail; /* found in its data */
};

/* The rest of one list with @stream. */
struct stream {
    struct stream *next; /* of its job, its task, or of those to open */
    struct announced announced;
    const struct gql_field_plan *field;
    const struct cut_list *cut;
    struct slot rest;
};

/* Tasks of one part of the plan, or streams of one field, that start together. */
struct job {
    struct job *next;
    const struct plan_part *part;
    const struct gql_field_plan *field;
    struct task *tasks, **tasks_tail;
    struct stream *streams, **streams_tail;
    size_t count;
    size_t waiting_count; /* steps */
};

/* What a walk found, newest first: it takes back what a null has taken down. */
struct found {
    struct found *before;
    size_t position; /* in the walk's buffer */
    struct task *task;
    struct stream *stream;
};

struct delivery {
    struct gql_operation *op;
    bool is_2022; /* the format */
    struct found *found;
    const struct scope *scope;
    struct list open, closed; /* struct announced */
    size_t open_count;
    uint32_t next_id;
    struct fragment *fragments, **fragments_tail; /* to open */
    struct stream *streams, **streams_tail;       /* to open */
    struct job *starting, **starting_tail;
    struct job *running, **running_tail;        /* in the order started */
    struct buf pending, incremental, completed; /* of the next payload: `{…},{…}` */
    struct buf scratch;
    size_t sent_bytes;
};

/* Makes op->delivery. */
void deliver_init(struct gql_operation *op);

/* ── asked by the walk ── */

/* The walk is at an object where @defers begin; returns what deliver_leave wants. */
const struct scope *deliver_enter(struct gql_operation *op, const struct plan_deferral *deferral,
                                  const struct frame *at);
void deliver_leave(struct gql_operation *op, const struct scope *outer);
/* `position`: how much is written by now. */
void deliver_found_parts(struct gql_operation *op, const struct node *n, size_t position);
void deliver_found_rest(struct gql_operation *op, const struct gql_field_plan *f,
                        const struct cut_list *cut, const struct frame *at, size_t position);
/* What was found since `position` stands below a null. */
void deliver_forget(struct gql_operation *op, size_t position);

/* ── asked by the loop ── */

/* Opens what the answer's walk has found: how much is pending then, 0 when nothing follows. */
size_t deliver_open(struct gql_operation *op);
/* Adds `,"pending":…,"hasNext":true` to the answer. */
void deliver_announce(struct gql_operation *op);
/* Runs what is open, as far as it goes, and sends what is complete. */
void deliver_run(struct gql_operation *op);

/* ── payloads: deliver_write.c ── */

/* Tells of a fragment or stream that it is pending. */
void payload_announce(struct delivery *d, struct announced *a);
/* Tells that it is complete; with `failure`: and lacks its data. */
void payload_complete(struct delivery *d, struct announced *a, const struct gql_error *failure);
/* The data of a task that `f` completes. */
void payload_task(struct delivery *d, const struct fragment *f, const struct task *t);
/* The items in `scratch`. */
void payload_items(struct delivery *d, const struct stream *s, const struct gql_errors *errors);
/* Sends what was told since the last payload. */
void payload_send(struct delivery *d);
/* All that is pending ends with an error that names the limit: `value` is beyond it. */
void payload_give_up(struct delivery *d, const char *limit, size_t value, const char *what);
