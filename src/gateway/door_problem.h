/* door_problem: what an HTTP door outside GraphQL answers to an error: RFC 9457 problem details,
 * into http->out, with the headers that belong to them. */
#pragma once
#include "base/err.h"
#include "http/server.h"

/* `*ret_status` is the answer's. What is nobody's business is logged as `event` instead of told. */
void door_problem_put(struct http_request *http, const struct err *e, const char *event,
                      int *ret_status);
/* The code and the words that a client is told. */
[[nodiscard]] const char *door_problem_code(const struct http_request *http, const struct err *e,
                                            const char *event, struct str *ret_detail);
