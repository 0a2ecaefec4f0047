/*
 * up_roster: the services that `windlass up` runs: which, on what sockets, with which settings, and
 * in what order they stop. docs/operations.md tells the same to operators.
 */
#pragma once
#include "base/arena.h"
#include "base/base64.h"
#include "cmd/up_plan_priv.h"
#include "conf/shard_map.h"

enum {
    UP_SHARDS_MAX = SHARD_MAP_SHARDS_MAX,
    UP_WORKERS_MAX = 4, /* of a shard */
};

/* The workers of all shards, a runner of each, then what there is once. */
enum up_service {
    UP_WORKER, /* the first of shard 0; UP_WORKER_OF and UP_RUNNER_OF tell the others */
    UP_RUNNER = UP_SHARDS_MAX * UP_WORKERS_MAX,
    UP_AI = UP_RUNNER + UP_SHARDS_MAX,
    UP_GATEWAY,
    UP_SERVICE_COUNT
};
#define UP_WORKER_OF(shard, nth) ((shard)*UP_WORKERS_MAX + (nth))
#define UP_RUNNER_OF(shard) (UP_RUNNER + (shard))

/*
 * Who asks others stops before them: the runner acknowledges to the worker, the gateway asks
 * worker and ai. So the address answers "draining" at once, and the worker goes last.
 */
enum up_wave { UP_WAVE_ASKERS, UP_WAVE_ASKED, UP_WAVE_WORKER, UP_WAVE_COUNT };

struct up_service_kind {
    const char *name;  /* in the log, and of its socket */
    unsigned command;  /* enum conf_for: whose settings go along */
    enum up_wave wave; /* when it stops */
    int shard;         /* 0 also of what has none */
    int nth;           /* of its shard's workers */
    const char *const *args;
};

extern const struct up_service_kind up_roster[UP_SERVICE_COUNT];

/* Whether the settings want that service. */
[[nodiscard]] bool up_is_wanted(const struct conf *conf, enum up_service id);

enum { UP_TOKEN_BYTES = 32, UP_TOKEN_LEN = BASE64URL_LEN(UP_TOKEN_BYTES) };

/* What the services are told of each other. */
struct up_links {
    const char *run;               /* the folder of the sockets */
    int shard_count, worker_count; /* workers of a shard */
    const struct io_listen_set *sockets;
    const char *log_format;
    const char *gateway_database; /* URLs; NULL: none is known */
    const char *worker_databases[UP_SHARDS_MAX];
    const char *commands_socket;          /* NULL: there is no spawner */
    char gateway_token[UP_TOKEN_LEN + 1]; /* new at each start, and nowhere but in environments */
    char runner_token[UP_TOKEN_LEN + 1];
};

/* "RUN/worker.sock" in the arena. */
[[nodiscard]] const char *up_service_path(struct arena *a, const char *run, enum up_service id);
/*
 * "1:TEXT;2:TEXT" of the texts of shards 1 and up, as the settings have it; texts[0] is not looked
 * at. In the arena; NULL: there is shard 0 alone.
 */
[[nodiscard]] const char *up_shard_texts(struct arena *a, const char *const texts[UP_SHARDS_MAX],
                                         int shard_count);
/* Fills both tokens. */
void up_links_make_tokens(struct up_links *links);
/* The service's environment: `base`'s overrides and command are filled in here. In the arena. */
[[nodiscard]] const char *const *up_service_env(struct arena *a, enum up_service id,
                                                const struct up_links *links,
                                                const struct up_env_options *base);
