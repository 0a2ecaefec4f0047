/* api_lists: how the commands ask for lists, and tell of what is in them. */
#include "cmd/api_priv.h"

/* ── pages ── */

struct api_pages api_pages_of(const struct api *api, int64_t page_max)
{
    return (struct api_pages){ .left = conf_int(api->conf, CONF_LIMIT), .page_max = page_max };
}

void api_put_page(struct api *api, const struct api_pages *pages)
{
    struct json_writer *w = api_variables(api);
    json_key_c(w, "first");
    json_write_i64(w, min_of(pages->left, pages->page_max));
    if (pages->after.len > 0) {
        json_key_c(w, "after");
        json_write_string(w, pages->after);
    }
}

const struct json_value *api_take_page(struct api_pages *pages, const struct json_value *connection)
{
    const struct json_value *nodes = api_member(connection, "nodes");
    bool has_more = api_is_true(connection, "pageInfo.hasNextPage") && nodes->item_count > 0;
    pages->left = has_more ? pages->left - (int64_t)nodes->item_count : 0;
    pages->after = api_text(connection, "pageInfo.endCursor");
    return nodes;
}

/* ── telling ── */

void api_put_item(struct api *api, struct table *t, const struct json_value *v, api_add_fn *add)
{
    if (api->is_json)
        api_put_json(api, v);
    else
        add(api, t, v);
}

void api_put_items(struct api *api, struct table *t, const struct json_value *list, api_add_fn *add)
{
    for (size_t i = 0; i < list->item_count; i++)
        api_put_item(api, t, &list->items[i], add);
}

void api_put_list_of(struct api *api, const struct table *t, const char *nothing)
{
    if (table_row_count(t) > 0)
        api_put_table(api, t);
    else if (!api->is_json)
        fprintf(stderr, "%s\n", nothing);
}
