/*
 * task_read: what a new task is said to be, wherever it stands: in POST /v1/tasks, in an entry of
 * the inbox, in the `spawn` of an acknowledgement. Which of the members it may have there is for
 * the caller to look at before (json_only). An absent one leaves the view as it is; but the type
 * must be there, and queue and priority are "default" and normal.
 * `at` names the object in messages: "tasks[3].".   Errors: INVALID, LIMIT.
 * Source: docs/protocol.md "Tasks (gateway)".
 */
#pragma once
#include "worker/task_view.h"

struct shard;

/* What it asks for; 0: what its type has. */
struct task_limits {
    uint32_t attempts, timeout_s;
};

/* type, queue, idempotency_key, actor, priority; the texts are the JSON's. */
[[nodiscard]] bool task_read_texts(struct shard *s, const struct json_value *v, const char *at,
                                   struct task_view *t, uint32_t *ret_type, struct err *e);
/* max_attempts, timeout_s, run_at_us, scheduled_for_us. */
[[nodiscard]] bool task_read_numbers(const struct json_value *v, const char *at,
                                     struct task_view *t, struct task_limits *ret_limits,
                                     struct err *e);
/* payload, in the arena, as long as it may be. */
[[nodiscard]] bool task_read_payload(struct arena *a, const struct shard *s,
                                     const struct json_value *v, const char *at,
                                     struct str *ret_payload, struct err *e);

/* Whether the payload fits the schema that binds its type. */
[[nodiscard]] bool task_check_payload(const struct shard *s, uint32_t type,
                                      const struct json_value *v, const char *at, struct err *e);

/* max_attempts and timeout_s of the view. */
void task_put_limits(struct task_view *t, const struct task_limits *limits, const struct shard *s,
                     uint32_t type);
