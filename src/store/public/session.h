/*
 * session: logins. The token itself is known to its browser alone; here lies its SHA-256.
 * SQL: session.sql.
 */
#pragma once
#include "base/sha256.h"
#include "db/pool.h"
#include "schema/entities.h"
#include "store/public/actor.h"

struct session_new {
    struct uuid id, user_id;
    uint8_t token_hash[SHA256_LEN];
    struct str password_hash;            /* that was compared: it must still be the stored one */
    const struct str *new_password_hash; /* the same password under newer parameters, or NULL */
    struct str address;
    const struct str *user_agent; /* NULL: none was sent */
    int64_t lifetime_s;
};
[[nodiscard]] struct db_step session_create_step(struct arena *a,
                                                 const struct session_new *session);
/* False where the password has changed meanwhile, or the user is gone. */
[[nodiscard]] bool session_read_created(const struct db_rows *rows, int64_t *ret_expires_at_us);

struct session_found {
    struct uuid id, user_id;
    enum user_role role; /* the user's, now */
    struct str email;    /* points into the rows */
    int64_t expires_at_us, last_seen_at_us;
};
[[nodiscard]] struct db_step session_by_token_step(struct arena *a,
                                                   const uint8_t token_hash[SHA256_LEN]);
/* False where there is none; one that has expired is found. */
[[nodiscard]] bool session_read(const struct db_rows *rows, struct session_found *ret_found);

/* A user's, newest use first. */
enum session_list_column {
    SESSION_LIST_ID,
    SESSION_LIST_ADDRESS,
    SESSION_LIST_USER_AGENT,
    SESSION_LIST_CREATED_AT,
    SESSION_LIST_LAST_SEEN_AT,
    SESSION_LIST_EXPIRES_AT,
};
[[nodiscard]] struct db_step session_list_step(struct arena *a, struct uuid user_id);

/* Ends one of the actor's own. `action` is what the audit log calls it. One row where it was. */
[[nodiscard]] struct db_step session_revoke_step(struct arena *a, struct uuid id,
                                                 const struct actor *actor, const char *action);
/* Sessions were used just now; `slide_s` above 0 moves their end to so much later. */
[[nodiscard]] struct db_step session_seen_step(struct arena *a, const struct uuid *ids,
                                               size_t count, int64_t slide_s);
/* Drops some of those that have long expired. */
[[nodiscard]] struct db_step session_expire_step(struct arena *a, int64_t row_limit);
