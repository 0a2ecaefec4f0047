/* types_priv: the task types, one file each. What they do: docs/task-types.md. */
#pragma once
#include "runner/attempt.h"

/* Of runner->spawner_look: whether the spawner is back. */
void type_command_look(void *runner);

extern const struct task_type task_type_noop, task_type_sleep, task_type_fail,
    task_type_http_request, task_type_command, task_type_sql, task_type_email;
