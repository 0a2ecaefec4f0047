/* A TaskFilter as a test of one task in memory, and what it costs as a condition. */
#include "gateway/task_filter.h"

enum { OPEN_STATUSES = 1 << TASK_STATUS_PENDING | 1 << TASK_STATUS_IN_PROGRESS };

/* ── statuses and states ── */

static uint32_t status_of_state(int state)
{
    switch ((enum task_state)state) {
    case TASK_STATE_SCHEDULED:
    case TASK_STATE_READY:
    case TASK_STATE_BLOCKED:
    case TASK_STATE_RETRYING:
        return 1 << TASK_STATUS_PENDING;
    case TASK_STATE_RUNNING:
        return 1 << TASK_STATUS_IN_PROGRESS;
    case TASK_STATE_SUCCEEDED:
        return 1 << TASK_STATUS_COMPLETED;
    case TASK_STATE_CANCELLED:
    case TASK_STATE_DEAD:
        return 1 << TASK_STATUS_FAILED;
    case TASK_STATE_COUNT:
        break;
    }
    return 0;
}

/* Those that status and state leave together. */
uint32_t task_filter_statuses(const struct task_filter *filter)
{
    uint32_t statuses = filter->statuses ? *filter->statuses : TASK_FILTER_ALL_STATUSES,
             implied = 0;
    if (filter->states == NULL)
        return statuses;
    for (int state = 0; state < TASK_STATE_COUNT; state++)
        if (*filter->states & UINT32_C(1) << state)
            implied |= status_of_state(state);
    return statuses & implied;
}

/* ── its cost ── */

/* Members of which no index knows. */
static bool has_unindexed(const struct task_filter *filter)
{
    return filter->states != NULL || filter->priorities != NULL || filter->queues != NULL ||
           task_filter_needs_table(filter) != NULL;
}

bool task_filter_is_bounded(const struct task_filter *filter)
{
    uint32_t statuses = task_filter_statuses(filter);
    /* Of these an index of their own holds little else: what runs is few. */
    bool is_indexed = statuses == TASK_FILTER_ALL_STATUSES || statuses == OPEN_STATUSES ||
                      statuses == 1 << TASK_STATUS_PENDING || statuses == 1 << TASK_STATUS_FAILED;
    int others =
        (filter->types != NULL) + (filter->job_id != NULL) + (statuses != TASK_FILTER_ALL_STATUSES);
    if (task_filter_is_few(filter))
        return true;
    return is_indexed && others <= 1 && (filter->types == NULL || filter->types->count <= 1) &&
           !has_unindexed(filter) && filter->created_after_us == NULL &&
           filter->created_before_us == NULL;
}

bool task_filter_is_counted(const struct task_filter *filter)
{
    return filter->ids == NULL && filter->id_suffix == NULL && filter->job_id == NULL &&
           filter->created_after_us == NULL && filter->created_before_us == NULL &&
           !has_unindexed(filter);
}

bool task_filter_names_nothing(const struct task_filter *filter)
{
    return task_filter_is_counted(filter) && filter->statuses == NULL && filter->types == NULL;
}

bool task_filter_has_type(const struct task_filter *filter, struct str type)
{
    bool has_type = filter->types == NULL;
    for (size_t i = 0; !has_type && i < filter->types->count; i++)
        has_type = str_eq(filter->types->items[i], type);
    return has_type;
}

bool task_filter_is_few(const struct task_filter *filter)
{
    return filter->ids != NULL || filter->id_suffix != NULL || task_filter_statuses(filter) == 0;
}

const char *task_filter_dearest(const struct task_filter *filter)
{
    const char *needs_table = task_filter_needs_table(filter);
    if (needs_table != NULL)
        return needs_table;
    return filter->queues              ? "filter.queue"
           : filter->priorities        ? "filter.priority"
           : filter->states            ? "filter.state"
           : filter->statuses          ? "filter.status"
           : filter->types             ? "filter.type"
           : filter->created_after_us  ? "filter.createdAfter"
           : filter->created_before_us ? "filter.createdBefore"
                                       : "filter";
}

const char *task_filter_needs_table(const struct task_filter *filter)
{
    return filter->search           ? "filter.search"
           : filter->payload        ? "filter.payloadContains"
           : filter->error_template ? "filter.errorTemplate"
                                    : NULL;
}

/* ── in memory ── */

uint64_t task_filter_columns(const struct task_filter *filter)
{
    uint64_t columns = SELECT_BIT(COL_tasks_id);
    const struct {
        bool is_asked;
        int column;
    } members[] = {
        { filter->statuses != NULL, COL_tasks_status },
        { filter->states != NULL, COL_tasks_state },
        { filter->priorities != NULL, COL_tasks_priority },
        { filter->types != NULL, COL_tasks_type },
        { filter->queues != NULL, COL_tasks_queue },
        { filter->job_id != NULL, COL_tasks_job_id },
        { filter->created_after_us != NULL || filter->created_before_us != NULL,
          COL_tasks_created_at },
    };
    for (size_t i = 0; i < countof(members); i++)
        if (members[i].is_asked)
            columns |= SELECT_BIT(members[i].column);
    return columns;
}

static bool has_column(const struct record *task, int column)
{
    return (task->given | (task->rows ? task->columns : 0)) & SELECT_BIT(column);
}

static enum task_match match_labels(const uint32_t *labels, const struct record *task, int column)
{
    if (labels == NULL)
        return TASK_MATCH_YES;
    if (!has_column(task, column))
        return TASK_MATCH_MAYBE;
    return *labels & UINT32_C(1) << record_label(task, column) ? TASK_MATCH_YES : TASK_MATCH_NO;
}

static enum task_match match_texts(const struct task_filter_texts *texts, const struct record *task,
                                   int column)
{
    if (texts == NULL)
        return TASK_MATCH_YES;
    if (!has_column(task, column))
        return TASK_MATCH_MAYBE;
    for (size_t i = 0; i < texts->count; i++)
        if (str_eq(texts->items[i], record_cell(task, column)))
            return TASK_MATCH_YES;
    return TASK_MATCH_NO;
}

static enum task_match match_id(const struct task_filter *filter, const struct record *task)
{
    bool is_found = filter->ids == NULL;
    struct uuid id = record_uuid(task, COL_tasks_id);
    for (size_t i = 0; !is_found && i < filter->ids->count; i++)
        is_found = uuid_eq(filter->ids->items[i], id);
    if (filter->id_suffix != NULL)
        is_found &= str_ends_with(record_cell(task, COL_tasks_id), *filter->id_suffix);
    return is_found ? TASK_MATCH_YES : TASK_MATCH_NO;
}

static enum task_match match_job(const struct uuid *job_id, const struct record *task)
{
    if (job_id == NULL)
        return TASK_MATCH_YES;
    if (!has_column(task, COL_tasks_job_id))
        return TASK_MATCH_MAYBE;
    return !record_is_null(task, COL_tasks_job_id) &&
                   uuid_eq(*job_id, record_uuid(task, COL_tasks_job_id))
               ? TASK_MATCH_YES
               : TASK_MATCH_NO;
}

static enum task_match match_time(const struct task_filter *filter, const struct record *task)
{
    if (filter->created_after_us == NULL && filter->created_before_us == NULL)
        return TASK_MATCH_YES;
    if (!has_column(task, COL_tasks_created_at))
        return TASK_MATCH_MAYBE;
    int64_t created_us = record_time(task, COL_tasks_created_at);
    bool is_within = (filter->created_after_us == NULL || created_us > *filter->created_after_us) &&
                     (filter->created_before_us == NULL || created_us < *filter->created_before_us);
    return is_within ? TASK_MATCH_YES : TASK_MATCH_NO;
}

enum task_match task_filter_match(const struct task_filter *filter, const struct record *task)
{
    const enum task_match members[] = {
        match_id(filter, task),
        match_labels(filter->statuses, task, COL_tasks_status),
        match_labels(filter->states, task, COL_tasks_state),
        match_labels(filter->priorities, task, COL_tasks_priority),
        match_texts(filter->types, task, COL_tasks_type),
        match_texts(filter->queues, task, COL_tasks_queue),
        match_job(filter->job_id, task),
        match_time(filter, task),
    };
    enum task_match all = TASK_MATCH_YES;
    assert(task_filter_needs_table(filter) == NULL);
    for (size_t i = 0; i < countof(members); i++)
        all = min_of(all, members[i]);
    return all;
}

/* The states of that status are in the filter all, in part, or not at all. */
static enum task_match match_states(uint32_t states, int status)
{
    size_t count = 0, found = 0;
    for (int state = 0; state < TASK_STATE_COUNT; state++)
        if (status_of_state(state) & UINT32_C(1) << status) {
            count++;
            found += states >> state & 1;
        }
    return found == 0 ? TASK_MATCH_NO : found == count ? TASK_MATCH_YES : TASK_MATCH_MAYBE;
}

enum task_match task_filter_match_before(const struct task_filter *filter,
                                         const struct record *task, int from)
{
    if (from < 0)
        return task_filter_match(filter, task);
    struct task_filter others = *filter;
    others.statuses = others.states = NULL;
    enum task_match all = task_filter_match(&others, task);
    if (filter->statuses != NULL && !(*filter->statuses & UINT32_C(1) << from))
        return TASK_MATCH_NO;
    return filter->states != NULL ? min_of(all, match_states(*filter->states, from)) : all;
}
