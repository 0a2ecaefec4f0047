/*
 * http_batch: several operations in one body, an array. They run at once, each a request of its own
 * with the caller of the whole, and are answered in their order, by one array. What they cost
 * together is bounded as the cost of one; one that fails leaves the others as they are.
 *
 *   begin --> (each) run --> answered, the last of all --> answer
 *                        `-> ended, the last of all ----> the whole ends
 *
 * Source: docs/graphql-over-http.md, "Batches".
 */
#pragma once
#include "gateway/request.h"

struct json_value;

/* Why this array may not be a batch, with the code to tell; NULL: it may. */
[[nodiscard]] const char *http_batch_refusal(struct request *whole, const struct json_value *batch,
                                             const char **ret_code);
/* `whole` is known; it ends here, and answers `http` with this media type (a constant line). */
void http_batch_begin(struct request *whole, const struct json_value *batch,
                      struct http_request *http, struct str content_type);
