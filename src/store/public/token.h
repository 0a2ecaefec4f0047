/*
 * token: API tokens of users. Only the SHA-256 of a token is stored; revoking deletes the row.
 * SQL: token.sql.
 */
#pragma once
#include "base/sha256.h"
#include "db/pool.h"
#include "schema/entities.h"
#include "store/public/actor.h"

/* Sets of scopes: bit n is scope n. */
#define TOKEN_SCOPE_BIT(scope) (1U << (scope))

struct token_new {
    struct uuid id;
    uint8_t token_hash[SHA256_LEN];
    struct str name, prefix;
    enum user_role role;
    unsigned scopes;
    const struct str *task_types;
    size_t task_type_count;
    const int64_t *expires_at_us; /* NULL: never */
};
[[nodiscard]] struct db_step token_create_step(struct arena *a, const struct token_new *token,
                                               const struct actor *owner);
[[nodiscard]] int64_t token_read_created_at(const struct db_rows *rows);

struct token_found {
    struct uuid id, user_id;
    enum user_role role, owner_role; /* its own, and its owner's now */
    struct str email;                /* the owner's; points into the rows */
    unsigned scopes;
    struct str *task_types; /* in the arena */
    size_t task_type_count;
    int64_t expires_at_us;   /* INT64_MAX: never */
    int64_t last_used_at_us; /* 0: never */
};
[[nodiscard]] struct db_step token_by_hash_step(struct arena *a,
                                                const uint8_t token_hash[SHA256_LEN]);
/* False where there is none; one that has expired is found. */
[[nodiscard]] bool token_read(const struct db_rows *rows, struct arena *a,
                              struct token_found *ret_found);

/* A user's, newest first. */
enum token_list_column {
    TOKEN_LIST_ID,
    TOKEN_LIST_NAME,
    TOKEN_LIST_ROLE,
    TOKEN_LIST_SCOPES,
    TOKEN_LIST_TASK_TYPES,
    TOKEN_LIST_PREFIX,
    TOKEN_LIST_CREATED_AT,
    TOKEN_LIST_LAST_USED_AT,
    TOKEN_LIST_EXPIRES_AT,
};
[[nodiscard]] struct db_step token_list_step(struct arena *a, struct uuid user_id);

/* One of the actor's own. One row where it was. */
[[nodiscard]] struct db_step token_revoke_step(struct arena *a, struct uuid id,
                                               const struct actor *actor);
/* Tokens were used just now. */
[[nodiscard]] struct db_step token_used_step(struct arena *a, const struct uuid *ids, size_t count);

/* "{api,lease}" as a set. */
[[nodiscard]] unsigned token_scopes_of(struct arena *a, struct str array_text);
