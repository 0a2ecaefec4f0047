/*
 * chat: one question to the assistant.
 *
 *   check --> store question --> (committed) --> ask ai --> (answer) --> store it --> reply
 *                 |                                `-- away, slow, garbage --> figures --^
 *                 `-- stored before, with its answer ---------------------------------> reply
 *
 * The question is committed before ai hears of it; an answer is always given, if only that there
 * is none. A client that goes away ends nothing: the answer is stored all the same.
 * Source: docs/decisions/0018-an-answer-has-the-next-id.md.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct chat_limits;

/* How often a user may ask; shared by all loops. */
[[nodiscard]] struct chat_limits *chat_limits_create(const struct conf *conf);
void chat_limits_destroy(struct chat_limits *limits); /* accepts NULL */
