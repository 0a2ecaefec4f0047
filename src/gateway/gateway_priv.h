/*
 * gateway_priv: the process and its loops. What the process holds is read only once the loops run,
 * or atomic; everything of a loop belongs to its thread.
 */
#pragma once
#include "base/base.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/sha256.h"
#include "conf/shard_map.h"
#include "db/pool.h"
#include "gateway/ai_client.h"
#include "gateway/credentials.h"
#include "gateway/cursor.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/upkeep.h"
#include "gql/gql.h"
#include "http/server.h"
#include "io/listen_set.h"
#include "io/loop.h"

struct gateway_loop;

struct creates;
struct documents;
struct feed;
struct feed_subscribers;
struct health_board;
struct own_rows;
struct meter;
struct io_offload;
struct stats_board;
struct told;
struct zone_cache;
struct worker_client;
struct checkup;
struct ai_client;
struct capabilities;
struct chat_limits;
struct insights;
struct insight_watch;
struct task_logs;
struct lease_door;

enum { GATEWAY_ROUTES_MAX = 40, GATEWAY_SHARDS_MAX = SHARD_MAP_SHARDS_MAX };

/* What the loop has told the meter so far. */
struct gateway_published {
    struct http_stats http;
    struct db_lane_stats lanes[DB_LANE_COUNT];
    struct gql_counters gql;
    struct credentials_stats credentials;
    struct ai_client_stats ai;
    uint64_t plan_count;
    uint64_t worker_calls[4];
    uint64_t mirror_changes[4], windows, snapshots, audits; /* of the first loop */
};

struct gateway {
    const struct conf *conf;
    struct gql_schema *schema;
    struct gateway_loop *loops;
    size_t loop_count;
    struct gate *gate; /* on the first loop */
    struct meter *meter;
    struct zone_cache *zones;
    size_t shard_count;                         /* 1 at least */
    struct shard_map shards;                    /* which queue is whose */
    struct str worker_urls[GATEWAY_SHARDS_MAX]; /* by shard: where its workers are; see shards.h */
    struct feed *feeds[GATEWAY_SHARDS_MAX];     /* on the first loop; see feed.h */
    struct own_rows *own_rows[GATEWAY_SHARDS_MAX];
    struct capabilities *capabilities;
    struct chat_limits *chat_limits;
    struct told *told;
    struct health_board *health;
    struct checkup *checkup;

    int64_t started_at_us;
    int64_t request_timeout_us;
    struct str public_origin;     /* "https://ops.example.org"; empty: whatever Host says */
    char address[IO_ADDRESS_MAX]; /* that it listens at */
    char url[IO_URL_MAX];         /* where people reach it */
    const char *callback_url; /* where the ai service reaches it; set before the first request */
    struct str cookie_path;   /* "/", or the path of the public URL */
    bool is_https;            /* as the public URL says */
    int64_t session_lifetime_s;
    struct http_proxies *proxies; /* whose forwarded headers count */
    bool is_introspection_open;   /* to anonymous callers too */
    bool is_get_open;             /* so are queries by GET */
    struct str cors_origins;      /* see headers.h */
    struct documents *documents;

    /* Set by the start, before is_ready. */
    struct cursor_key cursor_key;
    char schema_version[64];

    atomic_llong writes_refused_since_us, writes_refused_at_us; /* wall; see health.h */
    atomic_bool is_ready;           /* the database was there and its schema is right */
    atomic_llong draining_since_us; /* wall; 0: it does not stop */
    atomic_bool has_users;          /* setup is over; never false again */
};

struct gateway_loop {
    struct gateway *gateway;
    size_t number;
    pthread_t thread; /* not thrd_t: ThreadSanitizer does not know those */
    struct io_loop *io;
    struct db_pool *pool;
    struct credentials *credentials;
    struct gql_engine *engine;
    struct stats_board *stats;
    struct io_offload *judges; /* of trends */
    struct ai_client *ai;
    struct insights *insights;
    struct insight_watch *insight_watch;
    struct task_logs *task_logs;
    struct http_server *server;
    struct worker_client *workers[GATEWAY_SHARDS_MAX]; /* NULL: no worker-url */
    struct creates *creates[GATEWAY_SHARDS_MAX];
    struct lease_door *lease_door;
    struct feed_subscribers *feed_subscribers;
    int64_t feed_positions[GATEWAY_SHARDS_MAX]; /* see feed.h; 0: nothing was told yet */
    struct io_turn *log_turn;                   /* writes the access log's lines */
    struct io_timer *sweep;                     /* ends requests that are past their deadline */
    struct list subscriptions;                  /* see subscription.c */
    struct list sockets;                        /* see socket_priv.h */
    struct list sockets_waiting; /* those that are yet to be initialised, the oldest first */
    size_t socket_count;
    struct list streams;     /* of Server-Sent Events */
    struct list watches;     /* of credentials; see credential_watch.h */
    size_t watched_bytes;    /* of changes that those are yet to be told; see changes.h */
    struct list requests;    /* struct request, the oldest first */
    struct arena *spare[64]; /* of requests that ended */
    size_t spare_count;
    size_t running; /* arenas in use: requests that have not ended */
    struct gateway_published published;
    uint64_t ticks;
    struct upkeep upkeep;  /* of the first loop */
    struct io_timer *tick; /* once a second: publishes, and what else is periodic */
    size_t audit_exports;  /* that run; see audit_export.c */
    struct http_route routes[GATEWAY_ROUTES_MAX];
    bool is_database_up; /* of this loop's connections; the process's state is in `health` */
};

/* Calls `fn` on each loop's thread with a copy of `message` (`size` bytes). Thread: any. */
typedef void gateway_message_fn(struct gateway_loop *loop, const void *message);
void gateway_tell_loops(struct gateway *gw, gateway_message_fn *fn, const void *message,
                        size_t size);

/* On this loop at once and on all others: what is known of the user's credentials, or of that one,
 * holds no longer. */
void gateway_forget(struct gateway_loop *loop, struct uuid user_id, struct uuid credential_id);

/* `is_large`: for a request whose body is beyond body-limit. */
[[nodiscard]] struct arena *gateway_arena(struct gateway_loop *loop, bool is_large);
void gateway_arena_done(struct gateway_loop *loop, struct arena *a, bool is_large);
