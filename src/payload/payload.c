#include "payload/payload.h"

const struct payload_schema *const payload_schemas[PAYLOAD_SCHEMA_COUNT] = {
    &payload_noop,    &payload_sleep, &payload_fail,  &payload_http_request,
    &payload_command, &payload_sql,   &payload_email, &payload_task_group,
};

const struct payload_schema *payload_schema_find(struct str stated)
{
    const struct str prefix = STR(PAYLOAD_SCHEMA_PREFIX);
    if (!str_starts_with(stated, prefix))
        return NULL;
    for (size_t i = 0; i < PAYLOAD_SCHEMA_COUNT; i++)
        if (str_eq_c(str_from(stated, prefix.len), payload_schemas[i]->name))
            return payload_schemas[i];
    return NULL;
}
