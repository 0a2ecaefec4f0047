/* problem: how the ai service tells an error. Source: docs/protocol.md, docs/errors.md. */
#pragma once
#include "base/err.h"
#include "http/server.h"
#include "json/writer.h"

/* "BAD_USER_INPUT". */
[[nodiscard]] const char *problem_code(const struct err *e);
[[nodiscard]] int problem_status(const struct err *e);
/* What a caller may read; the text of an INTERNAL error stays in the log. */
[[nodiscard]] struct str problem_message(const struct err *e);
/* Ends the request with application/problem+json. */
void problem_respond(struct http_request *r, const struct err *e);
