/*
 * payload: what the payload of each built-in task type must be, defined once: the worker checks new
 * tasks by it, the runner reads by it what it is about to run. Pure.
 * What the members mean: docs/task-types.md.
 */
#pragma once
#include "json/json.h"

struct payload_schema {
    const char *name; /* of the task type that it is made for */
    /*
     * Reads the payload into the type's struct of payload/inputs.h, in the arena; nothing of
     * `payload` is kept. Errors: INVALID, naming the JSON path: "$.seconds: …".
     */
    bool (*read)(struct arena *a, const struct json_value *payload, const void **ret_input,
                 struct err *e);
};

/* In the order of docs/task-types.md. */
enum { PAYLOAD_SCHEMA_COUNT = 8 };
extern const struct payload_schema *const payload_schemas[PAYLOAD_SCHEMA_COUNT];

extern const struct payload_schema payload_noop, payload_sleep, payload_fail, payload_http_request,
    payload_command, payload_sql, payload_email, payload_task_group;

/* Tasks of this type are the worker's own: no session needs to state its schema. */
#define PAYLOAD_GROUP_TYPE "task.group"

/* "ada@example.org": ASCII, unquoted, nothing that ends a line or a path of SMTP. */
[[nodiscard]] bool payload_is_address(struct str text);

/* How a session states a schema: "windlass:sleep". */
#define PAYLOAD_SCHEMA_PREFIX "windlass:"
/* The schema stated so; NULL: there is none of that name. */
[[nodiscard]] const struct payload_schema *payload_schema_find(struct str stated);
