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

static void put_entries(struct api *api, const struct json_value *entries)
{
    static const struct table_column columns[] = {
        { .title = "WHEN" },
        { .title = "WHO", .shrinks_to = SUBJECT_WIDTH_MIN },
        { .title = "ACTION" },
        { .title = "SUBJECT", .shrinks_to = SUBJECT_WIDTH_MIN },
        { .title = "DETAIL", .shrinks_to = DETAIL_WIDTH_MIN },
    };
    struct table *t = table_create(api->arena, columns, countof(columns));
    for (size_t i = 0; i < entries->item_count; i++) {
        const struct json_value *entry = &entries->items[i];
        table_add(t, (struct table_cell[]){
                         { api_when(api, entry, "at"), TABLE_DIM },
                         { .text = api_text(entry, "actorLabel") },
                         { .text = api_text(entry, "action") },
                         { .text = api_text(entry, "subject") },
                         { api_json_text(api, api_member(entry, "detail")), TABLE_DIM },
                     });
    }
    api_put_list_of(api, t, "no entries");
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
    const struct json_value *entries = api_member(data, "auditLog.nodes");
    for (size_t i = 0; api->is_json && i < entries->item_count; i++)
        api_put_json(api, &entries->items[i]);
    if (!api->is_json)
        put_entries(api, entries);
    return true;
}

enum { CURSOR_BYTES_MAX = 256 };

/* The last ones of the list before that place, which moves on; empty: there are no more. */
static bool export_page(struct api *api, char place[CURSOR_BYTES_MAX], struct err *e)
{
    const struct json_value *data;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "last");
    json_write_i64(w, PAGE);
    if (place[0] != '\0') {
        json_key_c(w, "before");
        json_write_string(w, str_of_c(place));
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
    struct str start = api_text(data, "auditLog.pageInfo.startCursor");
    bool is_more = api_is_true(data, "auditLog.pageInfo.hasPreviousPage");
    if (is_more && start.len >= CURSOR_BYTES_MAX)
        return err_set(e, ERR_INTERNAL, "the gateway gave a cursor that is too long");
    struct str next = is_more ? start : STR("");
    snprintf(place, CURSOR_BYTES_MAX, "%.*s", STR_FMT(next));
    return true;
}

/* The oldest first, in the memory of one page. */
bool cmd_audit_export(struct api *api, struct err *e)
{
    char place[CURSOR_BYTES_MAX] = "";
    struct arena *lasting = api->arena;
    bool is_done = true, is_read = true;
    do {
        scoped(arena_destroyp) struct arena *page = arena_create(SIZE_MAX);
        api->arena = page;
        is_done = export_page(api, place, e);
        api->arena = lasting;
        is_read = api_flush(api);
    } while (is_done && is_read && place[0] != '\0');
    return is_done;
}
