/*
 * task_watch: what Subscription.taskChanged and jobChanged tell. The feed's events are matched in
 * memory; what they do not tell of a row that is wanted is read from the table, for all that wait
 * in one statement.
 *
 *   feed --> changes --> all that is wanted is told ----------------> event
 *                    `-- read the rest from the table --> (found) -----^
 *                               ^---- not there yet --------'
 *
 * Whether a task matched before follows from its status then; where a filter by state leaves that
 * open, LEFT and CHANGED are told rather than nothing. What retention removes is told as DELETED
 * where its ids are known: by the feed, or by the filter.
 */
#pragma once
#include "gateway/await.h"
#include "gateway/record.h"
#include "gateway/task_filter.h"

enum event_kind { EVENT_ADDED, EVENT_CHANGED, EVENT_LEFT, EVENT_DELETED };

/* A TaskEvent. */
struct task_event {
    struct uuid id;
    enum event_kind kind;
    struct record *task; /* NULL: it was deleted */
};

/* The step's result becomes an event source of TaskEvents, or of jobs where `filter` is NULL.
 * `plan`: what an event needs: id, version, filter, selection. Both live as long as the step's
 * arena. */
enum gql_next task_watch_begin(struct gql_step *step, const struct task_filter *filter,
                               struct record_plan *plan);
