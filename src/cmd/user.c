/* user: the commands of `windlass user`. A user is named by id or email. */
#include "cmd/api_priv.h"

enum { PAGE_MAX = 500, NAME_WIDTH_MIN = 8 };

#define USER_LINE "id email name role lastSeenAt createdAt "

static struct table *user_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "EMAIL", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "NAME", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "ROLE" },
        { .title = "SEEN" },
        { .title = "CREATED" },
        { .title = "ID" },
    };
    return table_create(api->arena, columns, countof(columns));
}

static void user_add(struct api *api, struct table *t, const struct json_value *user)
{
    table_add(t, (struct table_cell[]){
                     { .text = api_text(user, "email") },
                     { .text = api_text(user, "name") },
                     { .text = api_text(user, "role") },
                     { .text = api_when(api, user, "lastSeenAt") },
                     { api_when(api, user, "createdAt"), TABLE_DIM },
                     { api_text(user, "id"), TABLE_DIM },
                 });
}

static void put_one(struct api *api, const struct json_value *user)
{
    struct table *t = user_table(api);
    api_put_item(api, t, user, user_add);
    api_put_list_of(api, t, "");
}

bool cmd_user_list(struct api *api, struct err *e)
{
    struct table *t = user_table(api);
    struct api_pages pages = api_pages_of(api, PAGE_MAX);
    while (pages.left > 0) {
        const struct json_value *data;
        api_put_page(api, &pages);
        api_put_text(api, CONF_SEARCH, "search");
        if (!api_ask(api,
                     "query($first: Int, $after: String, $search: String) { users(first: $first, "
                     "after: $after, search: $search) { nodes { " USER_LINE
                     "} pageInfo { hasNextPage endCursor } } }",
                     &data, e))
            return false;
        api_put_items(api, t, api_take_page(&pages, api_member(data, "users")), user_add);
    }
    api_put_list_of(api, t, "no users");
    return true;
}

bool cmd_user_create(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct str password;
    if (!conf_is_given(api->conf, CONF_NAME))
        return api_usage(api, e, "a user needs a --name");
    if (!api_read_password(api, "Password of the new user", &password, e))
        return false;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "input");
    json_begin_object(w);
    json_key_c(w, "email");
    json_write_string(w, conf_operand(api->conf, 0));
    json_key_c(w, "password");
    json_write_string(w, password);
    api_put_text(api, CONF_NAME, "name");
    api_put_enum(api, CONF_ROLE, "role");
    json_end_object(w);
    if (!api_ask(api,
                 "mutation($input: CreateUserInput!) { createUser(input: $input) { " USER_LINE
                 "} }",
                 &data, e))
        return false;
    put_one(api, api_member(data, "createUser"));
    return true;
}

/* What is empty stays as it is. */
static bool update(struct api *api, struct str id, struct str password, struct str current,
                   struct err *e)
{
    const struct json_value *data;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "id");
    json_write_string(w, id);
    json_key_c(w, "input");
    json_begin_object(w);
    api_put_text(api, CONF_NAME, "name");
    api_put_enum(api, CONF_ROLE, "role");
    if (password.len > 0) {
        json_key_c(w, "password");
        json_write_string(w, password);
    }
    if (current.len > 0) {
        json_key_c(w, "currentPassword");
        json_write_string(w, current);
    }
    json_end_object(w);
    if (!api_ask(api,
                 "mutation($id: ID!, $input: UpdateUserInput!) { updateUser(id: $id, input: "
                 "$input) { " USER_LINE "} }",
                 &data, e))
        return false;
    put_one(api, api_member(data, "updateUser"));
    return true;
}

bool cmd_user_update(struct api *api, struct err *e)
{
    const struct str none = { 0 };
    struct str id;
    if (!conf_is_given(api->conf, CONF_NAME) && !conf_is_given(api->conf, CONF_ROLE))
        return api_usage(api, e, "nothing to change: give --name or --role");
    return api_user_id(api, conf_operand(api->conf, 0), &id, e) && update(api, id, none, none, e);
}

/* One's own needs the present one, too. */
bool cmd_user_password(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct str id, password, current = { 0 };
    if (!api_user_id(api, conf_operand(api->conf, 0), &id, e) ||
        !api_ask(api, "{ me { id } }", &data, e))
        return false;
    if (str_eq(api_text(data, "me.id"), id) &&
        !api_read_password(api, "Your present password", &current, e))
        return false;
    return api_read_password(api, "New password", &password, e) &&
           update(api, id, password, current, e);
}

bool cmd_user_delete(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct str id;
    if (!api_user_id(api, conf_operand(api->conf, 0), &id, e))
        return false;
    if (!api_ask_of(api, "mutation($id: ID!) { deleteUser(id: $id) }", id, &data, e))
        return false;
    if (api->is_json)
        api_put_json(api, data);
    else
        buf_put_c(&api->out, "deleted\n");
    return true;
}
