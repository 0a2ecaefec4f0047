/*
 * session_priv: what the files of session.h share. session.c has the set, its life and what it
 * loads; session_change.c how sessions begin and end; session_claim.c which task begins in which,
 * and who waits for one; session_clock.c what time does to them.
 */
#pragma once
#include "io/timer.h"
#include "worker/session.h"

struct session_set {
    struct shard *s;
    struct list all, parked;
    struct map *by_id, *by_number; /* keys: the bytes of either */
    struct session_schemas *schemas;
    size_t count, parked_count;
    uint32_t last_number;
    struct io_timer *clock;
    int64_t clock_us; /* monotonic: when it rings, while it runs */
    int64_t token_us; /* monotonic: when one that waits may get a token of its type; 0: never */
};

/* In the set, without secret, ttl and types; there is room for `type_count` of these. When they are
 * in, session_schemas_add is to be told. */
[[nodiscard]] struct session *session_add(struct session_set *set, uint32_t number, struct uuid id,
                                          struct str worker, struct str host, size_t type_count);
/* Out of the set and freed; whoever waits in it is woken. */
void session_drop(struct session_set *set, struct session *session);
/* A full ttl from now on. */
void session_extend(struct session *session);
/* Its session is not known any more: the lease returns. */
void session_return_orphan(struct shard *s, const struct live *task);
/* The set's timer. */
void session_on_clock(void *set);
