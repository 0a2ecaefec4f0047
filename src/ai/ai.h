/*
 * ai: the AI Service: insights, recommendations, data analysis and chat, by the built-in analyst
 * (docs/protocol.md). It has no database and keeps nothing. One loop, one thread.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "http/server.h"
#include "io/loop.h"

enum { AI_ROUTES_MAX = 8 };

struct ai;

/* Errors: INVALID for settings. */
[[nodiscard]] bool ai_create(struct io_loop *loop, const struct conf *conf, struct ai **ret_ai,
                             struct err *e);
[[nodiscard]] size_t ai_routes(struct ai *ai, struct http_route *ret_routes);
[[nodiscard]] const char *ai_not_ready(const struct ai *ai);
void ai_put_metrics(struct ai *ai, struct buf *out);
/* Finishes the chats that run, then calls `done`. */
void ai_drain(struct ai *ai, io_fn *done, void *owner);
void ai_destroy(struct ai *ai); /* accepts NULL */
