/* task_priv: what the commands of `windlass task` share. */
#pragma once
#include "cmd/api_priv.h"

/* What a line of a list needs. */
#define TASK_LINE                                                                                  \
    "id type status state priority queue attempt maxAttempts progress error runAt startedAt "      \
    "finishedAt createdAt accepted source "
/* All that a task is. */
#define TASK_WHOLE                                                                                 \
    TASK_LINE "payload result timeoutSeconds idempotencyKey updatedAt dependsOn { id } "           \
              "job { id name } createdBy { id name } "                                             \
              "why { code text expectedAt blockedBy { id } } duplicateOf { id } "                  \
              "attempts { attempt worker startedAt finishedAt outcome error } "

enum { TASK_PAGE_MAX = 100 }; /* tasks of one request */

/* The columns of a list of tasks. */
[[nodiscard]] struct table *task_table(struct api *api);
void task_add(struct api *api, struct table *t, const struct json_value *task);
/* "in progress", of whatever has a status of tasks. */
[[nodiscard]] struct table_cell task_status_cell(struct api *api, const struct json_value *v);
/* "dead", in its colour. */
[[nodiscard]] struct table_cell task_state_cell(struct api *api, const struct json_value *task);
/* What is worth knowing of it beside its state; empty for none. */
[[nodiscard]] struct str task_detail(struct api *api, const struct json_value *task);
/* The id's end at a terminal, else all of it. */
[[nodiscard]] struct str task_id_shown(const struct api *api, struct str id);
[[nodiscard]] bool task_has_ended(const struct json_value *task);
/* 0 where it completed, else CMD_FINDINGS. */
[[nodiscard]] int task_exit_code(const struct json_value *task);
/* All of one task, in words or as JSON. */
void task_put_whole(struct api *api, const struct json_value *task);

/* The variable "filter", as the options say. Errors: as api_job_id. */
[[nodiscard]] bool task_put_filter(struct api *api, struct err *e);
/* None of the filter's options is given. */
[[nodiscard]] bool task_filter_is_empty(const struct api *api);

/* Waits for the task's end, telling its changes to people and its end as JSON; sets the exit code.
 */
[[nodiscard]] bool task_await(struct api *api, struct str id, struct err *e);

/* An action on all tasks of a filter; the options --dry-run and --yes say how far it goes. */
struct task_bulk {
    const char *verb;     /* "cancel" */
    const char *document; /* of $filter, $asOf, $count and $dryRun */
    const char *field;
    bool (*put_filter)(struct api *api, struct err *e);
};
[[nodiscard]] bool task_bulk_run(struct api *api, const struct task_bulk *bulk, struct err *e);

/* The variable "filter" that names those ids. */
void task_put_ids(struct api *api, const struct str *ids, size_t count);
/* Sets the error and returns false. */
bool task_is_missing(struct str id, struct err *e);
/* Of struct follow_events: tells that it is tried again. */
void task_on_break(void *owner, const struct err *e);
