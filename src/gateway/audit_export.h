/*
 * audit_export: GET /v1/audit.ndjson, the audit log as one JSON object a line, the oldest first,
 * for administrators; from, to, subject, action, actorId and search as in Query.auditLog. It is
 * read in pages, each when the client has taken most of the one before, so neither side needs more
 * memory for a longer log. What breaks off ends with a line {"error": {"code", "message"}}.
 *
 *   who? --> page --> write --> (taken) --> next page … --> end
 *
 * Source: docs/operations.md "The audit log".
 */
#pragma once
#include "gateway/gateway_priv.h"

/* A route's handler; `owner` is the loop. */
void audit_export_door(void *owner, struct http_request *http);
