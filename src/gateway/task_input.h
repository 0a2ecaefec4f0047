/*
 * task_input: what callers may ask of the worker, checked before anything is sent, as the worker's
 * JSON and as the row that the outbox would show. Every refusal names the field.
 */
#pragma once
#include "gateway/await.h"
#include "gateway/creates.h"

enum {
    TASK_TYPE_CHARS_MAX = 200,
    TASK_KEY_CHARS_MAX = 500,
    TASK_ATTEMPTS_MAX = 1'000,
    TASK_TIMEOUT_S_MAX = 30 * 24 * 3'600,
    TASK_DEPENDENCIES_MAX = 100, /* as the worker has it */
    JOB_SCHEDULE_CHARS_MAX = 500,
    JOB_ZONE_CHARS_MAX = 100,
    JOB_FAIL_AFTER_MAX = 1'000,
    JOB_JITTER_S_MAX = 24 * 3'600,
};

/* A CreateTaskInput; `path` is its own: "input", "inputs[3]". In the step's arena. */
[[nodiscard]] bool task_input_read(const struct gql_step *step, const struct gql_value *input,
                                   const char *path, struct create_task *ret_task, struct err *e);

struct job_input {
    struct uuid id;
    struct str body;   /* of POST /v1/jobs: {"job": …, "actor": …}, without is_fresh */
    struct str *cells; /* COL_jobs_COUNT, as the outbox would show it */
    size_t shard;      /* of its queue */
    bool is_fresh;
};
[[nodiscard]] bool job_input_read(const struct gql_step *step, struct job_input *ret_job,
                                  struct err *e);
/* An UpdateJobInput as the body of POST /v1/jobs/ID:update. */
[[nodiscard]] bool job_input_read_update(const struct gql_step *step, struct str *ret_body,
                                         struct err *e);

/* Who asks, as the worker's JSON: {"actor": "ada@example.org"}. */
[[nodiscard]] struct str task_input_actor(const struct gql_step *step);
/* The argument "id" of any task or job. */
[[nodiscard]] bool task_input_id(const struct gql_step *step, struct uuid *ret_id, struct err *e);
