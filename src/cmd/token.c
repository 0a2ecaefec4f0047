/* token: the commands of `windlass token`: API tokens of the signed-in user. */
#include "cmd/api_priv.h"

enum { NAME_WIDTH_MIN = 8 };

#define TOKEN_LINE "id name role scopes taskTypes prefix createdAt lastUsedAt expiresAt "

static struct str joined(struct api *api, const struct json_value *list)
{
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; list != NULL && i < list->item_count; i++)
        buf_printf(&text, "%s%.*s", i > 0 ? "," : "", STR_FMT(list->items[i].text));
    struct str copy = arena_copy(api->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static struct table *token_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "NAME", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "PREFIX" },
        { .title = "ROLE" },
        { .title = "SCOPES" },
        { .title = "TYPES", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "USED" },
        { .title = "EXPIRES" },
        { .title = "ID" },
    };
    return table_create(api->arena, columns, countof(columns));
}

static void token_add(struct api *api, struct table *t, const struct json_value *token)
{
    table_add(t, (struct table_cell[]){
                     { .text = api_text(token, "name") },
                     { .text = api_text(token, "prefix") },
                     { .text = api_text(token, "role") },
                     { .text = joined(api, api_member(token, "scopes")) },
                     { .text = joined(api, api_member(token, "taskTypes")) },
                     { api_when(api, token, "lastUsedAt"), TABLE_DIM },
                     { .text = api_when(api, token, "expiresAt") },
                     { api_text(token, "id"), TABLE_DIM },
                 });
}

static bool ask_tokens(struct api *api, const struct json_value **ret_tokens, struct err *e)
{
    const struct json_value *data;
    if (!api_ask(api, "{ apiTokens { " TOKEN_LINE "} }", &data, e))
        return false;
    *ret_tokens = api_member(data, "apiTokens");
    return true;
}

bool cmd_token_list(struct api *api, struct err *e)
{
    struct table *t = token_table(api);
    const struct json_value *tokens;
    if (!ask_tokens(api, &tokens, e))
        return false;
    api_put_items(api, t, tokens, token_add);
    api_put_list_of(api, t, "no tokens");
    return true;
}

/* The token alone goes to standard output, so that a script can keep it; it is never shown again.
 */
bool cmd_token_create(struct api *api, struct err *e)
{
    const struct json_value *data;
    if (!conf_is_given(api->conf, CONF_ROLE))
        return api_usage(api, e, "a token needs a --role");
    struct json_writer *w = api_variables(api);
    json_key_c(w, "name");
    json_write_string(w, conf_operand(api->conf, 0));
    api_put_enum(api, CONF_ROLE, "role");
    api_put_list(api, CONF_SCOPES, "scopes", true);
    api_put_list(api, CONF_TYPES, "types", false);
    if (conf_is_given(api->conf, CONF_EXPIRES_IN))
        api_put_time(api, "expires", api->now_us + conf_duration_us(api->conf, CONF_EXPIRES_IN));
    if (!api_ask(api,
                 "mutation($name: String!, $role: Role!, $scopes: [TokenScope!], $types: "
                 "[String!], $expires: DateTime) { createApiToken(name: $name, role: $role, "
                 "scopes: $scopes, taskTypes: $types, expiresAt: $expires) { token apiToken "
                 "{ " TOKEN_LINE "} } }",
                 &data, e))
        return false;
    if (api->is_json)
        api_put_json(api, api_member(data, "createApiToken"));
    else
        buf_printf(&api->out, "%.*s\n", STR_FMT(api_text(data, "createApiToken.token")));
    return true;
}

static bool find_token(const struct json_value *tokens, struct str named, struct str *ret_id,
                       struct err *e)
{
    size_t found = 0;
    for (size_t i = 0; i < tokens->item_count; i++) {
        const struct json_value *token = &tokens->items[i];
        if (!str_eq(api_text(token, "id"), named) && !str_eq(api_text(token, "name"), named) &&
            !str_eq(api_text(token, "prefix"), named))
            continue;
        *ret_id = api_text(token, "id");
        found++;
    }
    if (found > 1)
        return err_set(e, ERR_CONFLICT, "\"%.*s\" names more than one token: give an id",
                       STR_FMT(str_first(named, 60)));
    return found == 1 || err_set(e, ERR_NOT_FOUND, "no token of yours is named by \"%.*s\"",
                                 STR_FMT(str_first(named, 60)));
}

bool cmd_token_revoke(struct api *api, struct err *e)
{
    const struct json_value *data, *tokens;
    struct str id;
    if (!ask_tokens(api, &tokens, e) || !find_token(tokens, conf_operand(api->conf, 0), &id, e))
        return false;
    if (!api_ask_of(api, "mutation($id: ID!) { revokeApiToken(id: $id) }", id, &data, e))
        return false;
    if (api->is_json)
        api_put_json(api, data);
    else
        buf_put_c(&api->out, "revoked\n");
    return true;
}
