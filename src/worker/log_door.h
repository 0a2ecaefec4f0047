/*
 * log_door: GET /v1/tasks/ID/log, the lines of a task behind a place, long polled; and the lines of
 * each attempt as one text, for GET /v1/tasks/ID.
 * Source: docs/protocol.md "Logs".
 */
#pragma once
#include "http/server.h"
#include "json/writer.h"
#include "worker/logs.h"

struct worker;

/* False: the path is another. Else the request, whose caller was checked, is answered. */
[[nodiscard]] bool log_door(struct worker *w, struct http_request *r);

enum { ATTEMPT_LOGS_BYTES = 4 << 20 }; /* of the newest lines of a task, as they are stored */
struct attempt_logs;

/* `rows` of log_all, and what memory has; false for none: the answer says null. */
[[nodiscard]] struct attempt_logs *attempt_logs_read(struct arena *a, const struct shard *s,
                                                     const struct db_rows *rows, struct uuid task);
/* `"log": …` of an attempt, at most `log-limit` bytes of it. */
void attempt_logs_put(const struct attempt_logs *logs, struct json_writer *w, uint32_t attempt);
