/*
 * health: what the gateway knows of itself and of what it needs: the same on every loop, by
 * health_board.h.
 */
#pragma once
#include "gateway/gateway_priv.h"

enum health_status { HEALTH_UP, HEALTH_DEGRADED, HEALTH_DOWN };

struct health_part {
    const char *name; /* "database" */
    enum health_status status;
    struct str detail; /* empty: nothing to say */
    int64_t since_us;
    int64_t latency_us;       /* -1: not measured */
    int64_t feed_lag_us;      /* of the worker; -1: not known */
    int64_t breaker_since_us; /* wall; 0: what it is asked with has none */
    enum http_breaker_state breaker;
};

enum { HEALTH_PARTS_MAX = 3 + GATEWAY_SHARDS_MAX };
/* Those that are asked through a breaker: a shard's worker has the shard's number. */
enum { HEALTH_PEER_AI = GATEWAY_SHARDS_MAX, HEALTH_PEERS };
/* DOWN without the database; DEGRADED where something else is not as it should be. */
struct health {
    enum health_status status;
    struct health_part parts[HEALTH_PARTS_MAX];
    size_t part_count;
};

/* "HALF_OPEN" */
[[nodiscard]] struct str health_breaker_name(enum http_breaker_state state);

/* Texts live as long as the arena. */
void health_look(const struct gateway_loop *loop, struct arena *a, struct health *ret_health);

/* Once a second: why the loop has no database, as long as it has none. */
void health_tick(struct gateway_loop *loop);

/* db_pool's on_state, with the loop as owner. */
void health_database_changed(void *loop, bool is_up, const struct err *why);

/* db_pool's on_refused. The database counts as degraded for some seconds after the last one. */
void health_writes_refused(void *loop, const struct err *why);

/* Why the process should not get requests now; NULL: it should. */
[[nodiscard]] const char *health_not_ready(const struct gateway_loop *loop);
