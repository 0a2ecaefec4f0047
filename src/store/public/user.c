#include "store/public/user.h"

#include "store/public/user_sql.h"
#include "store/text_priv.h"

struct db_step user_password_by_email_step(struct arena *a, struct str email)
{
    return (struct db_step){ &user_password_by_email, user_password_by_email_args(a, email) };
}

struct db_step user_password_by_id_step(struct arena *a, struct uuid id)
{
    return (struct db_step){ &user_password_by_id, user_password_by_id_args(a, id) };
}

bool user_read_password(const struct db_rows *rows, struct user_password *ret_found)
{
    if (db_rows_count(rows) == 0)
        return false;
    *ret_found = (struct user_password){ .id = db_rows_uuid(rows, 0, 0),
                                         .role = text_role(db_rows_text(rows, 0, 1)),
                                         .hash = db_rows_text(rows, 0, 2),
                                         .email = db_rows_text(rows, 0, 3) };
    return true;
}

struct db_step user_create_step(struct arena *a, const struct user_new *user,
                                const struct actor *actor)
{
    return (struct db_step){ &user_create,
                             user_create_args(a, user->id, user->email, user->name,
                                              user->password_hash, text_of_role(user->role),
                                              uuid_v7(), actor->user_id, actor->label) };
}

struct db_step user_update_step(struct arena *a, const struct user_change *change,
                                const struct actor *actor)
{
    struct str role = change->role ? text_of_role(*change->role) : STR("");
    return (struct db_step){ &user_update,
                             user_update_args(a, change->id, change->email, change->name,
                                              change->password_hash, change->role ? &role : NULL,
                                              change->password_hash_before, change->keep_session_id,
                                              uuid_v7(), actor->user_id, actor->label) };
}

struct db_step user_delete_step(struct arena *a, struct uuid id, const struct actor *actor)
{
    return (struct db_step){ &user_delete,
                             user_delete_args(a, id, uuid_v7(), actor->user_id, actor->label) };
}

enum user_outcome user_read_outcome(const struct db_rows *rows)
{
    if (!db_rows_bool(rows, 0, 0))
        return USER_NOT_FOUND;
    if (db_rows_bool(rows, 0, 1))
        return USER_LAST_ADMIN;
    return db_rows_bool(rows, 0, 2) ? USER_DONE : USER_PASSWORD_CHANGED;
}

struct db_step user_seen_step(struct arena *a, const struct uuid *ids, size_t count)
{
    return (struct db_step){ &user_seen, user_seen_args(a, ids, count) };
}
