/*
 * lease_priv: a call of a session (acknowledgements, leases, or both), for lease_read.c (what it
 * says), lease_answer.c (what it is told) and lease_door.c (its course).
 */
#pragma once
#include "worker/lease.h"

struct db_request;
struct http_request;
struct json_value;

/*
 * Of payloads and checkpoints: what is read for one call at most, were each as long as it may be,
 * which bounds its leases; and what an answer of several leases holds. One lease alone holds no
 * more than that either (payload-limit goes to 16 MiB, and bounds checkpoints, too); a client's
 * bound must leave room for what else an answer says.
 */
enum { LEASE_READ_BYTES_MAX = 256 << 20, LEASE_ANSWER_BYTES_MAX = 32 << 20 };

/* What a lease holds beside what memory knows. */
struct lease_body {
    struct str payload, checkpoint; /* JSON; no checkpoint: empty */
    struct str key;                 /* empty: none */
    bool has_job;
    struct uuid job_id;
    int64_t scheduled_for_us; /* 0: none */
};

struct lease_claim {
    struct uuid id;
    struct str type; /* lives as long as the call: the leader's own may not */
    uint32_t timeout_s;
    uint16_t attempt, max_attempts;
    int64_t fence, started_us;
    int64_t ready_us; /* since when it waited, as it does again when nobody was told of it */
    bool has_body;
    bool is_too_much; /* for this answer: it is not told, and waits on as if it had not begun */
    struct lease_body body; /* its texts live as long as the call */
};

/* What the executor says that it runs. */
struct lease_held {
    struct uuid task;
    int64_t fence;
};

struct leasing {
    struct lease_wait wait; /* its intent claims */
    struct worker *w;
    struct http_request *r;
    struct uuid session_id;
    int64_t ttl_ms;
    struct lease_ack *acks;
    size_t ack_count, open;
    bool wants_leases, is_refused;
    struct err refusal;
    size_t max;
    struct lease_claim *claims;
    size_t claim_count;
    bool says_held;
    struct lease_held *held;
    size_t held_count;
    uint32_t *quiet; /* types */
    size_t quiet_count;
    struct db_request *reading; /* bodies; NULL: they are not on their way */
    bool is_telling;            /* the answer waits for them alone */
    bool is_early;              /* it does, and they were asked for before the commit */
};

/* ── lease_read.c ── members of the body; errors: INVALID and LIMIT, naming the member ── */

[[nodiscard]] bool leasing_read_acks(struct leasing *l, const struct json_value *list,
                                     struct err *e);
[[nodiscard]] bool leasing_read_held(struct leasing *l, const struct json_value *list,
                                     struct err *e);
/* Of which of its types the session wants none for now, to be said to the one of that moment. */
[[nodiscard]] bool leasing_read_quiet(struct leasing *l, const struct json_value *list,
                                      struct err *e);

void leasing_tell_quiet(const struct leasing *l, struct session *session);

/* ── lease_answer.c ── */

/* Begins to read the bodies of what was claimed; once the call is being told, it is answered with
 * them. A task's row does not change, so this may begin before the claim is committed, but not
 * where a task may have a checkpoint; what is not there yet is read again after the commit. */
void leasing_read_bodies(struct leasing *l);
void leasing_forget_bodies(struct leasing *l);
/* What came of the call is not known, or cannot be told: it is made again. Its leases return, and
 * acknowledgements that were taken all the same are told as duplicates then. */
void leasing_fail(struct leasing *l, const struct err *err);
/* Answers the call. Acknowledgements that changed nothing may have been said before: the tables
 * tell. Where nobody is there to take the leases, they return, without an attempt. */
void leasing_tell(struct leasing *l);
