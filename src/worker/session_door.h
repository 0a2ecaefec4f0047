/*
 * session_door: what every call of a session does: say who it is, and hear what shall stop.
 * Source: docs/protocol.md "Leases".
 */
#pragma once
#include "http/server.h"
#include "json/writer.h"
#include "worker/session.h"
#include "worker/shard_priv.h"

struct worker;

/*
 * The session that the body names, with its secret, which is touched; else it is answered and NULL.
 */
[[nodiscard]] struct session *session_of_body(struct worker *w, struct http_request *r,
                                              const struct json_value *body);

/* Whether who asks may make tasks: an outside worker whose token has only the scope LEASE may not.
 */
[[nodiscard]] bool session_may_create(const struct http_request *r);

/* `commands`: those of its tasks that shall stop; what has ended is forgotten. NULL: none. */
void session_put_commands(struct json_writer *w, const struct shard *s, struct session *session);
/* `mode`: whether more may be asked for. */
void session_put_mode(struct json_writer *w, const struct worker *worker);
