#include "store/public/session.h"

#include "store/public/session_sql.h"
#include "store/text_priv.h"

static struct str bytes_of(const uint8_t hash[SHA256_LEN])
{
    return str_of((const char *)hash, SHA256_LEN);
}

struct db_step session_create_step(struct arena *a, const struct session_new *session)
{
    return (struct db_step){
        &session_create,
        session_create_args(a, session->id, bytes_of(session->token_hash), session->user_id,
                            session->password_hash, session->new_password_hash, session->address,
                            session->user_agent, session->lifetime_s, uuid_v7())
    };
}

bool session_read_created(const struct db_rows *rows, int64_t *ret_expires_at_us)
{
    if (db_rows_count(rows) == 0)
        return false;
    *ret_expires_at_us = db_rows_time(rows, 0, 0);
    return true;
}

struct db_step session_by_token_step(struct arena *a, const uint8_t token_hash[SHA256_LEN])
{
    return (struct db_step){ &session_by_token, session_by_token_args(a, bytes_of(token_hash)) };
}

bool session_read(const struct db_rows *rows, struct session_found *ret_found)
{
    if (db_rows_count(rows) == 0)
        return false;
    *ret_found = (struct session_found){ .id = db_rows_uuid(rows, 0, 0),
                                         .user_id = db_rows_uuid(rows, 0, 1),
                                         .role = text_role(db_rows_text(rows, 0, 2)),
                                         .email = db_rows_text(rows, 0, 3),
                                         .expires_at_us = db_rows_time(rows, 0, 4),
                                         .last_seen_at_us = db_rows_time(rows, 0, 5) };
    return true;
}

struct db_step session_list_step(struct arena *a, struct uuid user_id)
{
    return (struct db_step){ &session_list, session_list_args(a, user_id) };
}

struct db_step session_revoke_step(struct arena *a, struct uuid id, const struct actor *actor,
                                   const char *action)
{
    return (struct db_step){ &session_revoke, session_revoke_args(a, id, actor->user_id, uuid_v7(),
                                                                  actor->label, str_of_c(action)) };
}

struct db_step session_seen_step(struct arena *a, const struct uuid *ids, size_t count,
                                 int64_t slide_s)
{
    return (struct db_step){ &session_seen, session_seen_args(a, ids, count, slide_s) };
}

struct db_step session_expire_step(struct arena *a, int64_t row_limit)
{
    return (struct db_step){ &session_expire, session_expire_args(a, row_limit) };
}
