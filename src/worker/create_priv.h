/*
 * create_priv: a call that makes tasks, for create_read.c (what it says), create_apply.c (what
 * comes of it in a batch) and create_door.c (its course).
 */
#pragma once
#include "base/map.h"
#include "worker/create.h"
#include "worker/standing.h"
#include "worker/task_read.h"

struct db_rows;
struct http_request;

enum { CREATE_TASKS_MAX = 10'000 }; /* of a call, with the children of its groups */

enum item_outcome { ITEM_NEW, ITEM_STORED, ITEM_DUPLICATE, ITEM_REFUSED, ITEM_LOOK };

struct create_item {
    struct intent intent;
    struct create *create;
    struct task_view view;
    struct task_limits limits; /* that it asks for */
    bool is_fresh, is_settled; /* settled: only others of its call must be looked at again */
    enum item_outcome outcome;
    struct uuid duplicate_of;
    struct err err;
    const struct err *wrong; /* should it be new: its queue or payload; NULL: nothing */
    size_t row;              /* + 1: of `found` */
};

struct create {
    struct worker *w;
    struct arena *a;
    struct http_request *r; /* NULL: not over HTTP, but: */
    const struct create_hooks *hooks;
    void *owner;
    struct create_item *items;
    struct map *by_id; /* is_atomic, with dependencies: the first item of each id */
    size_t count, open;
    bool is_atomic, is_brief, must_look;
    bool is_gone;      /* err is of a task that was deleted */
    struct intent all; /* is_atomic */
    struct view moment;
    struct db_rows *found;
    size_t child_count; /* of the groups of this call */
    size_t dep_count;   /* ids that tasks of this call wait for, in all */
    struct standings standings;
    struct err err;
    size_t err_index;
};

/*
 * create_read.c: makes c->items of the c->count `tasks`. One that is wrong is refused; with
 * is_atomic c->err says what is wrong, c->err_index with which, and the others are not looked at.
 */
void create_read_items(struct create *c, const struct json_value *tasks);

/* create_apply.c: what `item->intent` and `c->all` do in a batch. */
intent_apply_fn create_apply_item, create_apply_all;
