/*
 * session_schemas: which payload schema binds new tasks of a type. A session may state one for each
 * type that it takes (docs/protocol.md "Leases"); it is kept with the session's row. A type is
 * bound while every session that takes it states one, and stays as it was when the last has ended.
 */
#pragma once
#include "payload/payload.h"
#include "worker/session.h"

struct session_schemas;

[[nodiscard]] struct session_schemas *session_schemas_create(void);
void session_schemas_destroy(struct session_schemas *schemas); /* accepts NULL */
void session_schemas_clear(struct session_schemas *schemas);

/* A session with these types is there, or is gone. */
void session_schemas_add(struct session_schemas *schemas, const struct session_type *types,
                         size_t count);
void session_schemas_remove(struct session_schemas *schemas, const struct session_type *types,
                            size_t count);

/*
 * The schema that a type's description in a session states: {"slots": 20, "schema":
 * "windlass:sleep"}. NULL: none, or one that this worker does not know: then it does not bind.
 * Errors: INVALID where it is no text that begins with "windlass:".
 */
[[nodiscard]] bool session_schema_read(const struct json_value *description, struct str type,
                                       const struct payload_schema **ret_schema, struct err *e);

/*
 * Whether a new task of that type may have the payload (NULL: none).
 * Errors: INVALID, "PLACE: $.seconds: …".   Cost: a look-up where no schema binds the type.
 */
[[nodiscard]] bool session_set_check_payload(const struct session_set *set, uint32_t type,
                                             const struct json_value *payload, const char *place,
                                             struct err *e);
/* The same for a payload as JSON text. */
[[nodiscard]] bool session_set_check_payload_text(const struct session_set *set, uint32_t type,
                                                  struct str payload, const char *place,
                                                  struct err *e);
