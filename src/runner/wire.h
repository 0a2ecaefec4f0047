/*
 * wire: what the worker answers to a session, read into plain structs. Pure; all of it lives in
 * the arena that was given. Members that are unknown, absent or null are no errors, wrong types
 * are. Source: docs/protocol.md "Leases".
 */
#pragma once
#include "json/json.h"

struct wire_session {
    struct str id, secret;
    int64_t ttl_ms, heartbeat_ms;
};

struct wire_lease {
    struct str task, type, fence;
    const struct json_value *payload; /* never NULL */
    int64_t attempt;
    int64_t lease_until_us, deadline_us; /* by the worker's clock; 0: not told */
};

/* What became of an acknowledgement. */
enum wire_verdict {
    WIRE_APPLIED,
    WIRE_DUPLICATE,
    WIRE_STALE,
    WIRE_UNKNOWN,
    WIRE_VERDICT_COUNT,
};

struct wire_ack {
    struct str task;
    enum wire_verdict verdict;
};

struct wire_command {
    struct str task, fence;
    bool is_timeout; /* else somebody cancelled the task */
};

struct wire_lost {
    struct str task, fence;
};

enum wire_mode { WIRE_RUN, WIRE_QUIET, WIRE_STOP };

/* Of leases, acks and heartbeats alike; what an answer does not have is empty. */
struct wire_answer {
    struct wire_lease *leases;
    struct wire_ack *acks;
    struct wire_command *commands;
    struct wire_lost *lost;
    size_t lease_count, ack_count, command_count, lost_count;
    int64_t held; /* of a heartbeat: so many tasks are leased to the session; 0: not told */
    enum wire_mode mode;
};

/* Errors: INVALID, naming the JSON path. */
[[nodiscard]] bool wire_read_session(struct arena *a, struct str text,
                                     struct wire_session *ret_session, struct err *e);
[[nodiscard]] bool wire_read_answer(struct arena *a, struct str text,
                                    struct wire_answer *ret_answer, struct err *e);
/* The message of an error's body; empty when it has none. */
[[nodiscard]] struct str wire_read_error(struct arena *a, struct str text);

[[nodiscard]] const char *wire_verdict_name(enum wire_verdict verdict);
