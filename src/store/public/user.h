/*
 * user: accounts. Steps are for one db_pool_call; readers take the rows of their step. What lists
 * and lookups show is read by store/select.h.
 * SQL: user.sql.
 */
#pragma once
#include "db/pool.h"
#include "schema/entities.h"
#include "store/public/actor.h"

/* What a login compares with. */
struct user_password {
    struct uuid id;
    enum user_role role;
    struct str hash, email;
};
[[nodiscard]] struct db_step user_password_by_email_step(struct arena *a, struct str email);
[[nodiscard]] struct db_step user_password_by_id_step(struct arena *a, struct uuid id);
/* Of either; false where there is no such user. The texts point into the rows. */
[[nodiscard]] bool user_read_password(const struct db_rows *rows, struct user_password *ret_found);

struct user_new {
    struct uuid id;
    struct str email, name, password_hash;
    enum user_role role;
};
/* Fails with CONFLICT on USER_EMAIL_TAKEN. */
[[nodiscard]] struct db_step user_create_step(struct arena *a, const struct user_new *user,
                                              const struct actor *actor);
/* The constraint that a second account of one address breaks. */
#define USER_EMAIL_TAKEN "users_email_uq"

struct user_change {
    struct uuid id;
    /* NULL keeps what is there. */
    const struct str *email, *name, *password_hash;
    const enum user_role *role;
    const struct str *password_hash_before; /* must still be the stored one; NULL: any */
    const struct uuid *keep_session_id;     /* of the user's sessions when the password changes */
};
/* Fails with CONFLICT on USER_EMAIL_TAKEN. */
[[nodiscard]] struct db_step user_update_step(struct arena *a, const struct user_change *change,
                                              const struct actor *actor);
[[nodiscard]] struct db_step user_delete_step(struct arena *a, struct uuid id,
                                              const struct actor *actor);

enum user_outcome {
    USER_DONE,
    USER_NOT_FOUND,
    USER_LAST_ADMIN,       /* would have left the installation without one; nothing was changed */
    USER_PASSWORD_CHANGED, /* password_hash_before is no longer the stored one */
};
/* Of user_update_step and user_delete_step. */
[[nodiscard]] enum user_outcome user_read_outcome(const struct db_rows *rows);

/* When users were last seen: now. */
[[nodiscard]] struct db_step user_seen_step(struct arena *a, const struct uuid *ids, size_t count);
