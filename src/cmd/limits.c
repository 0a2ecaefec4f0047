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
