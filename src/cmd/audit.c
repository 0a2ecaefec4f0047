/* audit: the commands of `windlass audit`: who did what to what. */
#include "cmd/api_priv.h"

enum { SUBJECT_WIDTH_MIN = 12, DETAIL_WIDTH_MIN = 10, PAGE = 500 };

#define ENTRY "id at actorLabel actor { id } action subject detail "

static void put_filter(struct api *api, struct json_writer *w)
{
    if (conf_operand_count(api->conf) > 0) {
        json_key_c(w, "subject");
        json_write_string(w, conf_operand(api->conf, 0));
    }
    api_put_text(api, CONF_SEARCH, "search");
}

static struct table *entry_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "WHEN" },
        { .title = "WHO", .shrinks_to = SUBJECT_WIDTH_MIN },
        { .title = "ACTION" },
        { .title = "SUBJECT", .shrinks_to = SUBJECT_WIDTH_MIN },
        { .title = "DETAIL", .shrinks_to = DETAIL_WIDTH_MIN },
    };
    return table_create(api->arena, columns, countof(columns));
}

static void entry_add(struct api *api, struct table *t, const struct json_value *entry)
{
    table_add(t, (struct table_cell[]){
                     { api_when(api, entry, "at"), TABLE_DIM },
                     { .text = api_text(entry, "actorLabel") },
                     { .text = api_text(entry, "action") },
                     { .text = api_text(entry, "subject") },
                     { api_json_text(api, api_member(entry, "detail")), TABLE_DIM },
                 });
}

bool cmd_audit_list(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct json_writer *w = api_variables(api);
    int64_t limit = conf_int(api->conf, CONF_LIMIT);
    if (limit > PAGE)
        return api_usage(api, e, "--limit: is %d at most; `windlass audit export` gives all", PAGE);
    json_key_c(w, "first");
    json_write_i64(w, limit);
    put_filter(api, w);
    if (!api_ask(api,
                 "query($first: Int, $subject: String, $search: String) { auditLog(first: $first, "
                 "subject: $subject, search: $search) { nodes { " ENTRY "} } }",
                 &data, e))
        return false;
    struct table *t = entry_table(api);
    api_put_items(api, t, api_member(data, "auditLog.nodes"), entry_add);
    api_put_list_of(api, t, "no entries");
    return true;
}

/* The last ones of the list before that place, which moves on; empty: there are no more. */
static bool export_page(struct api *api, struct buf *place, struct err *e)
{
    const struct json_value *data;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "last");
    json_write_i64(w, PAGE);
    if (place->len > 0) {
        json_key_c(w, "before");
        json_write_string(w, buf_str(place));
    }
    put_filter(api, w);
    if (!api_ask(api,
                 "query($last: Int, $before: String, $subject: String, $search: String) { "
                 "auditLog(last: $last, before: $before, subject: $subject, search: $search) "
                 "{ nodes { " ENTRY "} pageInfo { startCursor hasPreviousPage } } }",
                 &data, e))
        return false;
    const struct json_value *entries = api_member(data, "auditLog.nodes");
    for (size_t i = entries->item_count; i > 0; i--)
        api_put_json(api, &entries->items[i - 1]);
    buf_reset(place);
    if (api_is_true(data, "auditLog.pageInfo.hasPreviousPage"))
        buf_put_str(place, api_text(data, "auditLog.pageInfo.startCursor"));
    return true;
}

/* The oldest first, in the memory of one page. */
bool cmd_audit_export(struct api *api, struct err *e)
{
    struct buf place;
    struct arena *lasting = api->arena;
    bool is_done = true, is_read = true;
    buf_init(&place, 0);
    do {
        scoped(arena_destroyp) struct arena *page = arena_create(SIZE_MAX);
        api->arena = page;
        is_done = export_page(api, &place, e);
        api->arena = lasting;
        is_read = api_flush(api);
    } while (is_done && is_read && place.len > 0);
    buf_clear(&place);
    return is_done;
}
