/*
 * operation: what a client asks a request to run: the members `query`, `documentId`,
 * `operationName`, `variables` and `extensions`, of a body or a message, and the document that they
 * lead to. Members with other names are ignored.
 * Source: GraphQL over HTTP, "Request parameters" and appendix A.
 */
#pragma once
#include "gateway/request.h"

struct json_value;

/* From the members of an object. False: the request was refused. */
[[nodiscard]] bool operation_read(struct request *r, const struct json_value *members);
/* The same with the members in hand; variables and operation name are set already. */
[[nodiscard]] bool operation_find(struct request *r, const struct documents_ask *ask);
/* A member that must be an object, null or absent. */
[[nodiscard]] bool operation_read_object(struct request *r, const struct json_value *v,
                                         const char *name, const struct json_value **ret_object);
