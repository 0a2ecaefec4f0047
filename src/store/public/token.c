#include "store/public/token.h"

#include "store/public/token_sql.h"
#include "store/text_priv.h"

static const struct schema_enum *scope_enum(void)
{
    return &schema_public.enums[ENUM_token_scope];
}

struct db_step token_create_step(struct arena *a, const struct token_new *token,
                                 const struct actor *owner)
{
    struct str scopes[TOKEN_SCOPE_COUNT];
    size_t scope_count = 0;
    for (size_t i = 0; i < TOKEN_SCOPE_COUNT; i++)
        if (token->scopes & TOKEN_SCOPE_BIT(i))
            scopes[scope_count++] = scope_enum()->labels[i].text;
    return (struct db_step){ &token_create,
                             token_create_args(
                                 a, token->id, str_of((const char *)token->token_hash, SHA256_LEN),
                                 owner->user_id, token->name, text_of_role(token->role), scopes,
                                 scope_count, token->task_types, token->task_type_count,
                                 token->prefix, token->expires_at_us, uuid_v7(), owner->label) };
}

int64_t token_read_created_at(const struct db_rows *rows)
{
    return db_rows_time(rows, 0, 0);
}

struct db_step token_by_hash_step(struct arena *a, const uint8_t token_hash[SHA256_LEN])
{
    return (struct db_step){ &token_by_hash,
                             token_by_hash_args(a, str_of((const char *)token_hash, SHA256_LEN)) };
}

unsigned token_scopes_of(struct arena *a, struct str array_text)
{
    struct str *items;
    size_t count;
    unsigned scopes = 0;
    bool is_array = db_array_parse(a, array_text, &items, &count);
    assert(is_array);
    for (size_t i = 0; i < count; i++) {
        int scope = schema_label_of(scope_enum(), items[i]);
        if (scope >= 0)
            scopes |= TOKEN_SCOPE_BIT(scope);
    }
    return scopes;
}

bool token_read(const struct db_rows *rows, struct arena *a, struct token_found *ret_found)
{
    if (db_rows_count(rows) == 0)
        return false;
    struct token_found found = {
        .id = db_rows_uuid(rows, 0, 0),
        .user_id = db_rows_uuid(rows, 0, 1),
        .role = text_role(db_rows_text(rows, 0, 2)),
        .owner_role = text_role(db_rows_text(rows, 0, 3)),
        .email = db_rows_text(rows, 0, 4),
        .expires_at_us = db_rows_is_null(rows, 0, 5) ? INT64_MAX : db_rows_time(rows, 0, 5),
        .last_used_at_us = db_rows_is_null(rows, 0, 6) ? 0 : db_rows_time(rows, 0, 6),
        .scopes = token_scopes_of(a, db_rows_text(rows, 0, 7)),
    };
    bool is_array =
        db_array_parse(a, db_rows_text(rows, 0, 8), &found.task_types, &found.task_type_count);
    assert(is_array);
    *ret_found = found;
    return true;
}

struct db_step token_list_step(struct arena *a, struct uuid user_id)
{
    return (struct db_step){ &token_list, token_list_args(a, user_id) };
}

struct db_step token_revoke_step(struct arena *a, struct uuid id, const struct actor *actor)
{
    return (struct db_step){ &token_revoke,
                             token_revoke_args(a, id, actor->user_id, uuid_v7(), actor->label) };
}

struct db_step token_used_step(struct arena *a, const struct uuid *ids, size_t count)
{
    return (struct db_step){ &token_used, token_used_args(a, ids, count) };
}
