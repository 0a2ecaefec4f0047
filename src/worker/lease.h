/* lease: what an executor's word does to the task it speaks of. Source: docs/protocol.md "Leases".
 */
#pragma once
#include "worker/logs.h"
#include "worker/session.h"
#include "worker/spawn.h"

enum lease_word {
    LEASE_COMPLETE,
    LEASE_FAIL,
    LEASE_FATAL,
    LEASE_RELEASE,
    LEASE_SNOOZE,
    LEASE_CANCELLED,
    LEASE_WORD_COUNT
};

enum lease_answer { LEASE_APPLIED, LEASE_DUPLICATE, LEASE_STALE, LEASE_UNKNOWN };

/* An acknowledgement. */
struct lease_ack {
    struct intent intent;
    void *owner;
    struct uuid task;
    int64_t fence;
    uint32_t session; /* number */
    enum lease_word word;
    bool has_result, has_error, has_delay;
    struct str result, error;
    struct log_lines logs; /* the attempt's last words */
    struct spawn spawn;    /* tasks that come with its completion */
    int64_t delay_ms;
    int64_t ready_us; /* RELEASE of one that nobody was told of: since when it waited; else 0 */
    uint32_t chance;  /* for the back-off's jitter */
    enum lease_answer answer; /* STALE: read_acks tells whether it is one of the others */
};

[[nodiscard]] bool lease_word_of(struct str name, enum lease_word *ret_word);
[[nodiscard]] struct str lease_answer_name(enum lease_answer answer);
/* An intent's apply. */
void lease_apply_ack(struct intent *intent, struct batch *b);
