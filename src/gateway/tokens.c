/* apiTokens, createApiToken, revokeApiToken. */
#include "auth/token.h"
#include "base/clock.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/users.h"
#include "store/public/token.h"

/* An ApiToken, read from a row or just made. */
struct token_view {
    struct str id, name, prefix;
    enum role role;
    unsigned scopes;
    const struct str *task_types;
    size_t task_type_count;
    int64_t created_at_us, last_used_at_us; /* 0: never */
    int64_t expires_at_us;                  /* INT64_MAX: never */
};

enum token_member { TOKEN_ID, TOKEN_NAME, TOKEN_PREFIX };

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct token_view *token = parent;
    const struct str members[] = {
        [TOKEN_ID] = token->id, [TOKEN_NAME] = token->name, [TOKEN_PREFIX] = token->prefix
    };
    (void)ctx;
    *ret_value = gql_text(members[binding_number(f)]);
}

static void get_role(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct token_view *token = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(str_of_c(role_name(token->role)));
}

static void get_scopes(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    static const enum scope scopes[] = { SCOPE_API, SCOPE_LEASE };
    const struct token_view *token = parent;
    const struct request *r = ctx;
    struct gql_value *items = arena_new_array(r->arena, countof(scopes), struct gql_value);
    size_t count = 0;
    (void)f;
    for (size_t i = 0; i < countof(scopes); i++)
        if (token->scopes & scopes[i])
            items[count++] = gql_enum(str_of_c(scope_name(scopes[i])));
    *ret_value = gql_list(items, count);
}

static void get_task_types(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct token_view *token = parent;
    const struct request *r = ctx;
    struct gql_value *items = arena_new_array(r->arena, token->task_type_count, struct gql_value);
    (void)f;
    for (size_t i = 0; i < token->task_type_count; i++)
        items[i] = gql_text(token->task_types[i]);
    *ret_value = gql_list(items, token->task_type_count);
}

static void get_created(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct token_view *token = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, token->created_at_us);
}

static void get_last_used(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct token_view *token = parent;
    const struct request *r = ctx;
    (void)f;
    if (token->last_used_at_us > 0)
        *ret_value = binding_time(r->arena, token->last_used_at_us);
}

static void get_expires(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct token_view *token = parent;
    const struct request *r = ctx;
    (void)f;
    if (token->expires_at_us < INT64_MAX)
        *ret_value = binding_time(r->arena, token->expires_at_us);
}

/* ── apiTokens ── */

static struct token_view *view_of(struct arena *a, const struct db_rows *rows, size_t row)
{
    struct token_view *token = arena_new(a, struct token_view);
    struct str *task_types;
    bool is_known = role_parse(db_rows_text(rows, row, TOKEN_LIST_ROLE), &token->role) &&
                    db_array_parse(a, db_rows_text(rows, row, TOKEN_LIST_TASK_TYPES), &task_types,
                                   &token->task_type_count);
    assert(is_known);
    token->task_types = task_types;
    token->id = db_rows_text(rows, row, TOKEN_LIST_ID);
    token->name = db_rows_text(rows, row, TOKEN_LIST_NAME);
    token->prefix = db_rows_text(rows, row, TOKEN_LIST_PREFIX);
    token->scopes = token_scopes_of(a, db_rows_text(rows, row, TOKEN_LIST_SCOPES));
    token->created_at_us = db_rows_time(rows, row, TOKEN_LIST_CREATED_AT);
    token->last_used_at_us = db_rows_is_null(rows, row, TOKEN_LIST_LAST_USED_AT)
                                 ? 0
                                 : db_rows_time(rows, row, TOKEN_LIST_LAST_USED_AT);
    token->expires_at_us = db_rows_is_null(rows, row, TOKEN_LIST_EXPIRES_AT)
                               ? INT64_MAX
                               : db_rows_time(rows, row, TOKEN_LIST_EXPIRES_AT);
    return token;
}

static void got_tokens(struct gql_step *step, const struct db_reply *reply)
{
    struct db_rows *rows = reply->rows[0];
    size_t count = db_rows_count(rows);
    void **objects = arena_new_array(step->arena, count, void *);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < count; i++)
        objects[i] = view_of(step->arena, rows, i);
    step->results[0] = gql_objects(objects, count);
    gql_step_finish(step);
}

static enum gql_next resolve_tokens(struct gql_step *step)
{
    struct db_step list =
        token_list_step(step->arena, await_request(step)->credential->owner.user_id);
    return await_db(step, DB_LANE_READ, &list, 1, got_tokens);
}

/* ── createApiToken ── */

struct creation {
    struct token secret;
    struct token_new token;
    struct token_view view;
    struct str text; /* of the secret */
};

static void token_created(struct gql_step *step, const struct db_reply *reply)
{
    struct creation *creation = step->host;
    creation->view.created_at_us = token_read_created_at(reply->rows[0]);
    step->results[0] = gql_object(creation);
    gql_step_finish(step);
}

/* What the maker is bound to binds the token too: its end, and its task types. */
static bool check_bounds(const struct credential *maker, const struct token_view *view,
                         struct err *e)
{
    if (view->expires_at_us <= clock_wall_us())
        return err_set(e, ERR_INVALID, "expiresAt: has passed");
    if (maker->kind == CREDENTIAL_SESSION)
        return true;
    if (view->expires_at_us > maker->expires_at_us)
        return err_set(e, ERR_DENIED, "expiresAt: a token cannot outlive the one that makes it");
    if (!(view->scopes & SCOPE_LEASE) || maker->task_type_count == 0)
        return true;
    for (size_t i = 0; i < view->task_type_count; i++) {
        bool is_held = false;
        for (size_t k = 0; k < maker->task_type_count; k++)
            is_held |= str_eq(view->task_types[i], maker->task_types[k]);
        if (!is_held)
            return err_set(e, ERR_DENIED, "taskTypes: beyond those of the token that makes it");
    }
    return view->task_type_count > 0 ||
           err_set(e, ERR_DENIED, "taskTypes: beyond those of the token that makes it");
}

static bool read_scopes(const struct gql_value *value, unsigned *ret_scopes, struct err *e)
{
    if (gql_is_null(value))
        return err_set(e, ERR_INVALID, "scopes: must not be null");
    for (uint32_t i = 0; i < value->count; i++) {
        enum scope scope;
        if (scope_parse(value->items[i].text, &scope))
            *ret_scopes |= scope;
    }
    return true;
}

static bool read_task_types(struct gql_step *step, struct token_view *view, struct err *e)
{
    const struct gql_value *value = gql_arg(step, "taskTypes");
    if (gql_is_null(value))
        return err_set(e, ERR_INVALID, "taskTypes: must not be null; empty is all");
    if (value->count > CHECK_TASK_TYPES_MAX)
        return err_set(e, ERR_INVALID, "taskTypes: at most %d", CHECK_TASK_TYPES_MAX);
    struct str *types = arena_new_array(step->arena, value->count, struct str);
    for (uint32_t i = 0; i < value->count; i++)
        if (!check_name("taskTypes", value->items[i].text, &types[i], e))
            return false;
    view->task_types = types;
    view->task_type_count = value->count;
    return true;
}

static bool read_creation(struct gql_step *step, struct creation *creation, struct err *e)
{
    const struct credential *maker = await_request(step)->credential;
    const struct gql_value *expires = gql_arg(step, "expiresAt");
    struct token_view *view = &creation->view;
    bool is_role = role_parse(gql_arg(step, "role")->text, &view->role);
    assert(is_role);
    view->expires_at_us = gql_is_null(expires) ? INT64_MAX : expires->integer;
    return check_name("name", gql_arg(step, "name")->text, &view->name, e) &&
           read_scopes(gql_arg(step, "scopes"), &view->scopes, e) &&
           read_task_types(step, view, e) &&
           grant_check(maker->grant, (struct grant){ view->role, view->scopes }, e) &&
           check_bounds(maker, view, e);
}

static enum gql_next resolve_create(struct gql_step *step)
{
    const struct actor *owner = &await_request(step)->credential->owner;
    struct creation *creation = arena_new(step->arena, struct creation);
    struct token_view *view = &creation->view;
    struct err e;
    step->host = creation;
    if (!read_creation(step, creation, &e))
        return gql_step_fail(step, &e);
    struct token_new token = { .id = uuid_v7(),
                               .name = view->name,
                               .role = (enum user_role)view->role,
                               .scopes = view->scopes,
                               .task_types = view->task_types,
                               .task_type_count = view->task_type_count,
                               .expires_at_us =
                                   view->expires_at_us < INT64_MAX ? &view->expires_at_us : NULL };
    creation->secret = token_make(TOKEN_API);
    creation->text = str_of_c(creation->secret.text);
    view->id = binding_id(step->arena, token.id).text;
    view->prefix = token.prefix = str_first(creation->text, TOKEN_SHOWN_LEN);
    memcpy(token.token_hash, creation->secret.hash, sizeof token.token_hash);
    struct db_step create = token_create_step(step->arena, &token, owner);
    return await_db(step, DB_LANE_WRITE, &create, 1, token_created);
}

static void get_secret(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct creation *creation = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(creation->text);
}

static void get_api_token(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    struct creation *creation = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(&creation->view);
}

/* ── revokeApiToken ── */

static void token_revoked(struct gql_step *step, const struct db_reply *reply)
{
    const struct uuid *id = step->host;
    struct err e;
    if (db_rows_count(reply->rows[0]) == 0) {
        err_set(&e, ERR_NOT_FOUND, "id: you have no such token");
        (void)gql_step_fail(step, &e);
        return;
    }
    gateway_forget(await_request(step)->loop, (struct uuid){ 0 }, *id);
    step->results[0] = gql_bool(true);
    gql_step_finish(step);
}

static enum gql_next resolve_revoke(struct gql_step *step)
{
    struct uuid *id = arena_new(step->arena, struct uuid);
    struct err e;
    step->host = id;
    if (!users_read_id("id", gql_arg(step, "id"), id, &e))
        return gql_step_fail(step, &e);
    struct db_step revoke =
        token_revoke_step(step->arena, *id, &await_request(step)->credential->owner);
    return await_db(step, DB_LANE_WRITE, &revoke, 1, token_revoked);
}

const struct gateway_binding bindings_tokens[] = {
    { "Query.apiTokens", { .resolve = resolve_tokens } },
    { "Mutation.createApiToken", { .resolve = resolve_create } },
    { "Mutation.revokeApiToken", { .resolve = resolve_revoke } },
    { "CreatedApiToken.token", { .get = get_secret } },
    { "CreatedApiToken.apiToken", { .get = get_api_token } },
    { "ApiToken.id", { .get = get_text, .data = BINDING_NUMBER(TOKEN_ID) } },
    { "ApiToken.name", { .get = get_text, .data = BINDING_NUMBER(TOKEN_NAME) } },
    { "ApiToken.prefix", { .get = get_text, .data = BINDING_NUMBER(TOKEN_PREFIX) } },
    { "ApiToken.role", { .get = get_role } },
    { "ApiToken.scopes", { .get = get_scopes } },
    { "ApiToken.taskTypes", { .get = get_task_types } },
    { "ApiToken.createdAt", { .get = get_created } },
    { "ApiToken.lastUsedAt", { .get = get_last_used } },
    { "ApiToken.expiresAt", { .get = get_expires } },
    { 0 },
};
