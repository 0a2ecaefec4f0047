/*
 * lease_door: the lease protocol for outside workers. Each request is checked for a token with the
 * scope LEASE and passed on to its session's worker (see lease_shard.h) under the gateway's own name, with the token's id, by
 * which the worker knows whose a session is.
 *
 *   room? --> who? --> may he? --> ask the worker --> (reply) --> answer
 *     `-- 429   `-- 401   `-- 403        |-- the token ends --> 401
 *                                        |-- the client goes --> the worker's call breaks
 *                                        `-- the gateway stops --> 503
 *
 * A long poll holds a connection to the worker and little else. Those have a bound of their own, so
 * that acknowledgements and heartbeats always get through.
 * Source: docs/protocol.md "Outside workers".
 * Thread: the loop's.
 */
#pragma once
#include "gateway/gateway_priv.h"

enum { LEASE_DOOR_BODY_BYTES_MAX = 8 << 20 };

struct lease_door;

/* False where `worker-url` is no URL. */
[[nodiscard]] bool lease_door_create(struct gateway_loop *loop, struct lease_door **ret_door,
                                     struct err *e);
/* What still runs is answered 503. */
void lease_door_drain(struct lease_door *door);
void lease_door_destroy(struct lease_door *door); /* accepts NULL; drains */

/* Handlers; their owner is the loop. */
http_handler_fn lease_door_sessions, lease_door_session_end, lease_door_leases, lease_door_acks,
    lease_door_heartbeats, lease_door_shards, lease_door_openapi;
