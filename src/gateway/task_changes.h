/* task_changes: mutations of tasks, and the part of it that those of jobs use. */
#pragma once
#include "gateway/await.h"
#include "json/json.h"

/* Ends the step with the Task of the worker's {"task": …}, after its row is stored. Its prepare is
 * tasks_prepare. An await_worker_fn. */
void task_changes_answer(struct gql_step *step, size_t shard, const struct json_value *body);
/* The same with the Job of {"job": …}; jobs_prepare. */
void job_row_answer(struct gql_step *step, size_t shard, const struct json_value *body);
