/*
 * credentials: who a token belongs to. A loop's cache of sessions and API tokens: what the database
 * said is believed for `ttl_us` (about a second), so a request with a token that was used just now
 * costs no query, and a revocation elsewhere takes effect soon after it; one of this process is
 * told to all its loops at once (credentials_forget).
 *
 *   ask --> (fresh) --> answer
 *       `-> lookup --> (rows) --> answer all who wait
 *                        `-- forgotten meanwhile --> lookup again
 *
 * Source: docs/decisions/0016-credentials-believed-for-a-second.md.
 * Thread: the loop's.
 */
#pragma once
#include "auth/role.h"
#include "auth/token.h"
#include "base/list.h"
#include "db/pool.h"
#include "io/loop.h"
#include "store/public/actor.h"

struct credentials;

enum credential_kind { CREDENTIAL_SESSION, CREDENTIAL_TOKEN };

/* Immutable. Owned by reference: credential_ref and credential_unref, on its loop. */
struct credential {
    enum credential_kind kind;
    struct uuid id; /* of the session or token */
    struct actor owner;
    struct grant grant; /* now: of a token at most its owner's */
    const struct str *task_types;
    size_t task_type_count; /* 0: all */
    int64_t expires_at_us;  /* INT64_MAX: never */
    int64_t seen_at_us;     /* last use, as the database knew it; 0: never */
};
void credential_ref(const struct credential *c);
void credential_unref(const struct credential *c); /* accepts NULL */

struct credentials_options {
    struct io_loop *loop;
    struct db_pool *pool;
    int64_t ttl_us;
    size_t entries_max;
    int64_t slide_s; /* how far a session's end moves ahead when it is used; 0: it is fixed */
};

[[nodiscard]] struct credentials *credentials_create(const struct credentials_options *options);
/* Nobody may wait any more. */
void credentials_destroy(struct credentials *cs); /* accepts NULL */

/* `c` NULL and `e` NULL: no such token, or it has expired. Ref it to keep it. */
typedef void credential_fn(void *owner, const struct credential *c, const struct err *e);

/* One question; the asker's memory. */
struct credential_wait {
    struct list waiting; /* initialised by credentials_ask */
    credential_fn *fn;
    void *owner;
    int64_t deadline_us;
};

/*
 * Answers by `wait->fn`, often before it returns.
 *
 * Errors (by fn): UNAVAILABLE, TIMEOUT.   Cost: SHA-256 of the token; a point read when not fresh.
 */
void credentials_ask(struct credentials *cs, struct str token, struct credential_wait *wait);
/* The same for a token of which only kind and digest are known; one that is neither a session's nor
 * of the API is nobody's, and its digest is not looked at. */
void credentials_ask_digest(struct credentials *cs, enum token_kind kind,
                            const uint8_t token_hash[SHA256_LEN], struct credential_wait *wait);
/* No answer is wanted any more; harmless after it came. */
void credential_wait_cancel(struct credential_wait *wait);

/*
 * What was known of the user's credentials, or of that one, is believed no longer. Either may be
 * all zeroes: none.
 */
void credentials_forget(struct credentials *cs, struct uuid user_id, struct uuid credential_id);

struct credentials_stats {
    size_t entries;
    uint64_t hits, lookups;
};
[[nodiscard]] struct credentials_stats credentials_stats(const struct credentials *cs);
