/*
 * lease_shard: whose worker a request of the lease protocol is for. A session belongs to one shard;
 * outside, its id says which: "1.UUID" is shard 1's, a plain UUID shard 0's. On the way to the
 * worker and back, the number is taken off and put on again; all else is passed on as it is.
 * Source: docs/protocol.md "Outside workers". Pure.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

struct lease_shard {
    size_t shard;
    struct str body; /* for the worker: the same bytes where nothing had to go */
};

/* A body; NULL where it is no object, about which the worker says what is wrong. */
[[nodiscard]] const struct json_value *lease_shard_parse(struct arena *a, struct str body);
/* "1.UUID", or a UUID; false: neither, or of a shard that there is none of. */
[[nodiscard]] bool lease_shard_of_session(struct str text, size_t shard_count, size_t *ret_shard,
                                          struct str *ret_id);
/* Of a request with the member "session". What is wrong with it otherwise, the worker says.
 * Errors: NOT_FOUND: no session of any shard has such an id. */
[[nodiscard]] bool lease_shard_read(struct arena *a, struct str body, size_t shard_count,
                                    struct lease_shard *ret_shard, struct err *e);
/* Of POST /v1/sessions, whose body is that object or NULL, by the member "shard", which no worker
 * knows. Errors: INVALID. */
[[nodiscard]] bool lease_shard_read_opening(struct arena *a, struct str body,
                                            const struct json_value *object, size_t shard_count,
                                            struct lease_shard *ret_shard, struct err *e);
/* The answer to that. */
[[nodiscard]] struct str lease_shard_answer(struct arena *a, size_t shard, struct str body);
/* {"shards": [{"shard": 0}, …]} */
[[nodiscard]] struct str lease_shard_list(struct arena *a, size_t shard_count);
