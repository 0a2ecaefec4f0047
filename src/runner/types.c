#include "runner/types_priv.h"

const struct task_type *const task_types[TASK_TYPE_COUNT] = {
    &task_type_noop,    &task_type_sleep, &task_type_fail,  &task_type_http_request,
    &task_type_command, &task_type_sql,   &task_type_email,
};
