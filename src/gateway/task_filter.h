/*
 * task_filter: a TaskFilter, as a condition on the table `tasks` and as a test of one task in
 * memory. An absent or null member asks for nothing; an empty list matches nothing.
 */
#pragma once
#include "gateway/record.h"

enum {
    TASK_FILTER_IDS_MAX = 500,
    TASK_FILTER_NAMES_MAX = 100, /* types, queues */
    TASK_FILTER_NAME_BYTES_MAX = 800,
    TASK_FILTER_SEARCH_BYTES_MAX = 500,
    TASK_FILTER_TEMPLATE_BYTES_MAX = 8'192,
    TASK_FILTER_SUFFIX_MIN = 8, /* characters of an id */
    TASK_FILTER_ALL_STATUSES = (1 << TASK_STATUS_COUNT) - 1,
};

/* How far the time in an id may lie from its task's creation: id-past and id-future. */
struct task_filter_clock {
    int64_t past_us, future_us;
};

struct task_filter_ids {
    const struct uuid *items;
    size_t count;
};
struct task_filter_texts {
    const struct str *items;
    size_t count;
};

/* A member that was not given is NULL, or 0 where it is a set of labels. */
struct task_filter {
    const struct task_filter_ids *ids;
    const struct str *id_suffix;                    /* in lower case */
    const uint32_t *statuses, *states, *priorities; /* sets of labels */
    const struct task_filter_texts *types, *queues;
    const struct str *error_template, *search, *payload; /* payload: JSON */
    const struct uuid *job_id;
    const int64_t *created_after_us, *created_before_us; /* both exclusive */
};

/* `input` is the argument, perhaps null. Errors: INVALID, naming the member. */
[[nodiscard]] bool task_filter_read(const struct gql_value *input, struct arena *a,
                                    struct task_filter *ret_filter, struct err *e);

/* All of it as one condition; NULL: none. */
[[nodiscard]] const struct select_filter *task_filter_select(const struct task_filter *filter,
                                                             const struct task_filter_clock *clock,
                                                             struct arena *a);
/* Whether an index serves it, in the order of ids, without rows that do not match. */
[[nodiscard]] bool task_filter_is_bounded(const struct task_filter *filter);
/* Whether an index finds it, and it is few, whatever the order. */
[[nodiscard]] bool task_filter_is_few(const struct task_filter *filter);
/* Nothing is named: it matches every task. */
[[nodiscard]] bool task_filter_names_nothing(const struct task_filter *filter);
/* Whether it asks for types and statuses alone, which the counters know. */
[[nodiscard]] bool task_filter_is_counted(const struct task_filter *filter);
/* The statuses that it leaves, a set of labels. */
[[nodiscard]] uint32_t task_filter_statuses(const struct task_filter *filter);
[[nodiscard]] bool task_filter_has_type(const struct task_filter *filter, struct str type);
/* The member that costs most, "filter.search"; for the error when it takes too long. */
[[nodiscard]] const char *task_filter_dearest(const struct task_filter *filter);

/* ── in memory ── */

/* Columns that task_filter_match asks for. */
[[nodiscard]] uint64_t task_filter_columns(const struct task_filter *filter);
/* The member that cannot be tested in memory, as above; NULL: all can. */
[[nodiscard]] const char *task_filter_needs_table(const struct task_filter *filter);

enum task_match { TASK_MATCH_NO, TASK_MATCH_MAYBE, TASK_MATCH_YES };
/* MAYBE where the record lacks a column that decides. */
[[nodiscard]] enum task_match task_filter_match(const struct task_filter *filter,
                                                const struct record *task);
/* Whether it matched while its status was `from` (-1: as it is), all else being as it is. */
[[nodiscard]] enum task_match task_filter_match_before(const struct task_filter *filter,
                                                       const struct record *task, int from);
