#include "cmd/limits_priv.h"

struct table_cell limits_status_cell(const struct json_value *v)
{
    return api_is_true(v, "paused") ? (struct table_cell){ STR("paused"), TABLE_WARN }
                                    : (struct table_cell){ STR("open"), TABLE_GOOD };
}

struct str limits_detail(struct api *api, const struct json_value *v)
{
    struct str who = api_text(v, "pausedBy.name"), why = api_text(v, "pausedReason");
    struct buf text;
    buf_init(&text, 0);
    if (api_is_true(v, "paused") && who.len > 0)
        buf_printf(&text, "by %.*s", STR_FMT(who));
    if (api_is_true(v, "paused") && why.len > 0)
        buf_printf(&text, "%s%.*s", text.len > 0 ? ": " : "", STR_FMT(why));
    if (str_eq_c(api_text(v, "source"), "CACHE"))
        buf_printf(&text, "%sas last known: the worker is out of reach", text.len > 0 ? "; " : "");
    struct str copy = arena_copy(api->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

void limits_put_list(struct api *api, const struct json_value *list, struct table *t,
                     void (*add)(struct api *api, struct table *t, const struct json_value *v),
                     const char *nothing)
{
    for (size_t i = 0; i < list->item_count; i++)
        if (api->is_json)
            api_put_json(api, &list->items[i]);
        else
            add(api, t, &list->items[i]);
    api_put_list_of(api, t, nothing);
}
