/*
 * session: the executors that may hold leases, what they hold, and who of them waits for a task.
 * Sessions are rows; their silence is measured here, and a new leader gives each one full ttl.
 * Source: docs/protocol.md "Leases".
 */
#pragma once
#include "base/sha256.h"
#include "worker/change.h"

struct db_rows;
struct payload_schema;

enum {
    SESSION_TYPES_MAX = 200,
    SESSION_SLOTS_MAX = 10'000,
    SESSION_TEXT_MAX = 200, /* of worker, host and version */
    SESSION_LEASES_MAX = 500,
    SESSION_TTL_MIN_MS = 1'000,
    SESSION_TTL_MAX_MS = 3'600'000,
    SESSION_ALONE_PATIENCE_US = 2'000'000, /* then one that crashed gets a session for itself */
};

struct session_type {
    uint32_t type, slots, used;
    bool is_quiet; /* it takes none of them for now, as its last request for leases said */
    const struct payload_schema *schema; /* that it states for new tasks; NULL: none */
};

struct session {
    struct list node;
    uint32_t number;
    struct uuid id;
    uint8_t secret_hash[SHA256_LEN];
    struct str worker, host;
    int64_t began_us, seen_us; /* wall */
    struct session_type *types;
    size_t type_count;
    int64_t ttl_ms, expires_us; /* monotonic */
    uint32_t leases;
    bool is_alone;         /* the one task that it runs has crashed before */
    bool is_ending;        /* an intent is on its way */
    uint32_t fitting;      /* leases of an answer, as long as they are large; 0: no bound */
    struct uuid *commands; /* tasks that it shall cancel; some may have ended */
    size_t command_count, command_capacity;
};

/* A request for leases that waits for a task, a command, or its time. */
struct lease_wait {
    struct list node; /* in the set while it is parked */
    struct intent intent;
    struct session_set *set;
    struct session *session; /* NULL: it has ended meanwhile */
    bool is_parked;
    int64_t until_us;                      /* monotonic */
    void (*wake)(struct lease_wait *wait); /* its time, a command, or its session's end */
};

struct session_set;

[[nodiscard]] struct session_set *session_set_create(struct shard *s);
void session_set_destroy(struct session_set *set); /* accepts NULL */
/* Forgets all; whoever waits is woken. */
void session_set_clear(struct session_set *set);

/* While loading: a row of load_sessions. */
void session_set_load(struct session_set *set, const struct db_rows *rows, size_t row);
/* All is loaded and we lead: who runs what, from now on a full ttl each. */
void session_set_start(struct session_set *set);

[[nodiscard]] size_t session_set_count(const struct session_set *set);
/* The next one in order of their beginning that does not end; of NULL the first. NULL: no more. */
[[nodiscard]] const struct session *session_next(const struct session_set *set,
                                                 const struct session *session);
/* NULL: it does not run tasks of that type. */
[[nodiscard]] struct session_type *session_slot_of(struct session *session, uint32_t type);
/* How many sessions take tasks of that type, and their slots for it, all and used. */
size_t session_set_slots(const struct session_set *set, uint32_t type, uint32_t *ret_slots,
                         uint32_t *ret_used);
/* NULL: none, or it ends. */
[[nodiscard]] struct session *session_find(const struct session_set *set, struct uuid id);
[[nodiscard]] struct session *session_by_number(const struct session_set *set, uint32_t number);
/* What is kept of a secret. Of a session that was opened with an API token it is that token's
 * secret: `token_id`, empty else, is a part of it. */
void session_hash(struct str secret, struct str token_id, uint8_t ret_hash[SHA256_LEN]);
[[nodiscard]] bool session_is_secret(const struct session *session, struct str secret,
                                     struct str token_id);
/* It was heard of. */
void session_touch(struct session *session);

struct session_new {
    struct uuid id;
    uint8_t secret_hash[SHA256_LEN];
    struct str worker, host, version, types_json;
    struct session_type *types; /* in the caller's arena */
    size_t type_count;
    int64_t ttl_ms;
};
/* For `apply`: a new session, once the batch is committed; its types are numbers of the shard. */
void session_open(struct batch *b, const struct session_new *wanted);
/* Its leases return: lost, or without an attempt when `is_release`; then it is gone. Queued. */
void session_end(struct session_set *set, struct session *session, bool is_release);

/* Of a task before it began. */
struct session_claimed {
    const struct task_view *added; /* as of change_added */
    int64_t ready_us;
};
/* For `apply`: the best task that the session may run begins in it. NULL: none. */
[[nodiscard]] struct live *session_claim(struct batch *b, struct session *session,
                                         struct session_claimed *ret_claimed);
/* For `apply`: before a running task ends or waits: its slot is free again. */
void session_give_back(struct batch *b, const struct live *task);

void session_park(struct session_set *set, struct lease_wait *wait);
void session_unpark(struct lease_wait *wait); /* harmless when it is not parked */
/* Whether somebody who waits could run something. */
[[nodiscard]] bool session_set_can_claim(struct session_set *set);
/* Those who wait and can run something join the batch. */
void session_set_claim(struct session_set *set, struct batch *b);
[[nodiscard]] size_t session_set_waiting(const struct session_set *set);

/* Answers all who wait: the service ends. */
void session_set_wake_all(struct session_set *set);

/* A committed command for the session that runs the task. */
void session_command(struct session_set *set, const struct live *task);
/* Something may be due sooner than it was: look at the clock's next. */
void session_set_clock(struct session_set *set);

/* lease.c: a lease ended without its executor: for `apply`. */
void lease_lost(struct batch *b, struct live *task);
/* The same without an attempt, when it was never heard of or is given up. */
void lease_return(struct batch *b, struct live *task);
void lease_timed_out(struct batch *b, struct live *task);
