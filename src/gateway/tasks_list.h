/*
 * tasks_list: TaskConnections: the page of a list of tasks, or of one for each parent, read by
 * keyset over the order's column and the ids. What no index serves goes to the slow lane, where the
 * time is limited.
 */
#pragma once
#include "gateway/page.h"
#include "gateway/task_filter.h"
#include "gateway/tasks.h"

/* The prepare of fields that return a TaskConnection. */
void *tasks_list_prepare(struct gql_field *f, struct arena *plan_arena);

/* A TaskOrder. */
struct tasks_order;
/* By its name, which the engine has let through. */
[[nodiscard]] const struct tasks_order *tasks_order_of(struct str name);

struct tasks_list_query {
    const struct select_filter *filter; /* NULL: all */
    const struct tasks_order *order;
    bool is_bounded;     /* an index serves it: the read lane may */
    const char *dearest; /* what to narrow when it takes too long */
    /* A page for each of the step's parents, records whose id is the tasks' `each_column`. */
    bool is_of_each;
    int each_column;
};
/* Reads the pages that the field's first, after, last and before tell; ends the step. */
enum gql_next tasks_list_read(struct gql_step *step, const struct tasks_list_query *query);

/* Ends the step with the error; one that is for want of time says what to narrow. */
void tasks_list_fail(struct gql_step *step, const char *dearest, const struct err *why);
[[nodiscard]] struct task_filter_clock tasks_list_clock(const struct gql_step *step);
