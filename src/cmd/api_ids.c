/* api_ids: what people name instead of an id. */
#include "base/uuid.h"
#include "cmd/api_priv.h"

enum { SUFFIX_LEN_MIN = 8 };

static bool is_id(struct str text)
{
    struct uuid id;
    return uuid_parse(text, &id);
}

/* One of the list is meant, by the id of its only member. */
static bool only_one(const struct json_value *list, const char *what, struct str text,
                     struct str *ret_id, struct err *e)
{
    size_t count = list != NULL && list->type == JSON_ARRAY ? list->item_count : 0;
    if (count == 0)
        return err_set(e, ERR_NOT_FOUND, "no %s is named by \"%.*s\"", what,
                       STR_FMT(str_first(text, 60)));
    if (count > 1)
        return err_set(e, ERR_CONFLICT, "\"%.*s\" names more than one %s: give an id",
                       STR_FMT(str_first(text, 60)), what);
    *ret_id = api_text(&list->items[0], "id");
    return true;
}

bool api_task_id(struct api *api, struct str text, struct str *ret_id, struct err *e)
{
    const struct json_value *data;
    *ret_id = text;
    if (is_id(text))
        return true;
    if (text.len < SUFFIX_LEN_MIN)
        return api_usage(api, e, "\"%.*s\" is no id, nor the last %d characters of one or more",
                         STR_FMT(str_first(text, 60)), SUFFIX_LEN_MIN);
    struct json_writer *w = api_variables(api);
    json_key_c(w, "end");
    json_write_string(w, text);
    return api_ask(api,
                   "query($end: String!) "
                   "{ tasks(filter: {idEndsWith: $end}, first: 2) { nodes { id } } }",
                   &data, e) &&
           only_one(api_member(data, "tasks.nodes"), "task", text, ret_id, e);
}

bool api_job_id(struct api *api, struct str text, struct str *ret_id, struct err *e)
{
    const struct json_value *data, *jobs;
    *ret_id = text;
    if (is_id(text))
        return true;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "name");
    json_write_string(w, text);
    if (!api_ask(api, "query($name: String!) { jobs(search: $name) { id name } }", &data, e))
        return false;
    jobs = api_member(data, "jobs");
    struct json_value *same = arena_new_array(api->arena, jobs->item_count, struct json_value);
    size_t count = 0;
    for (size_t i = 0; i < jobs->item_count; i++)
        if (str_eq(api_text(&jobs->items[i], "name"), text))
            same[count++] = jobs->items[i];
    const struct json_value matches = json_of_items(same, count);
    return only_one(&matches, "job", text, ret_id, e);
}

bool api_user_id(struct api *api, struct str text, struct str *ret_id, struct err *e)
{
    const struct json_value *data;
    *ret_id = text;
    if (is_id(text))
        return true;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "email");
    json_write_string(w, text);
    if (!api_ask(api, "query($email: String!) { userByEmail(email: $email) { id } }", &data, e))
        return false;
    *ret_id = api_text(data, "userByEmail.id");
    return ret_id->len > 0 || err_set(e, ERR_NOT_FOUND, "no user has the email \"%.*s\"",
                                      STR_FMT(str_first(text, 60)));
}
