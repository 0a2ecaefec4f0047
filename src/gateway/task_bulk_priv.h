/*
 * task_bulk_priv: a bulk action on its way: task_bulk.c finds what matches, task_bulk_ask.c has it
 * done by the worker.
 */
#pragma once
#include "base/err.h"
#include "gateway/audited.h"
#include "gateway/task_filter.h"

enum { BULK_REFUSED_MAX = 100 }; /* that are named */

struct bulk_action {
    const char *name; /* as the worker calls it */
    const char *audit;
    bool needs_filter, is_delete;
};

struct bulk_target {
    struct uuid id;
    int64_t version; /* 0: the worker never took it */
    size_t shard;
};

struct bulk_refusal {
    struct uuid id;
    struct str reason;
};

struct bulk {
    struct gql_step *step;
    const struct bulk_action *action;
    struct task_filter filter;
    const struct select_filter *where;
    bool is_dry;
    int64_t as_of_us, targets_max;
    /* On the heap; those that are none of the worker's are taken out. */
    struct bulk_target *targets;
    size_t count, capacity, matched;
    size_t at, to;      /* those that the worker is asked for */
    struct arena *page; /* of the worker's answer, until it is stored */
    int64_t done, refused_count;
    struct bulk_refusal refused[BULK_REFUSED_MAX];
    void *refused_objects[BULK_REFUSED_MAX];
    size_t refused_shown;
    struct audited_act act; /* its detail is that of the end */
    bool is_in_doubt;       /* nobody knows what became of the page that was asked last */
    struct err broke;
};

/* Writes down what is asked for; then asks for one page of the targets after the other, and ends
 * the step once all are asked for, or with what went wrong. */
void task_bulk_begin(struct bulk *b);
/* One more that is named among those that were not done, if there is room. */
void task_bulk_refuse(struct bulk *b, struct uuid id, struct str reason);
