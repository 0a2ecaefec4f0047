/*
 * task_bulk: one action on all tasks of a filter. They are counted first, as of a moment, and the
 * action is for exactly those: it is refused where their count has changed meanwhile.
 */
#include <unistd.h>

#include "base/clock.h"
#include "cmd/task_priv.h"

static bool ask(struct api *api, const struct task_bulk *bulk, bool is_dry, int64_t expected,
                const struct json_value **ret_result, struct err *e)
{
    const struct json_value *data;
    if (!bulk->put_filter(api, e))
        return false;
    struct json_writer *w = api_variables(api);
    api_put_time(api, "asOf", api->now_us);
    json_key_c(w, "dryRun");
    json_write_bool(w, is_dry);
    if (expected >= 0) {
        json_key_c(w, "count");
        json_write_i64(w, expected);
    }
    if (!api_ask(api, bulk->document, &data, e))
        return false;
    *ret_result = api_member(data, bulk->field);
    return true;
}

/* Somebody at the terminal says yes, or --yes did. */
static bool may_go_on(struct api *api, const struct task_bulk *bulk, int64_t count, struct err *e)
{
    struct str answer;
    if (conf_bool(api->conf, CONF_YES))
        return true;
    if (!isatty(STDIN_FILENO))
        return api_usage(api, e, "%lld %s; --yes would %s %s, --dry-run only counts",
                         (long long)count, count == 1 ? "task matches" : "tasks match", bulk->verb,
                         count == 1 ? "it" : "them");
    fprintf(stderr, "%s %lld task%s? [y/N] ", bulk->verb, (long long)count, count == 1 ? "" : "s");
    return (api_read_line(api, &answer, e) && str_eq_nocase(answer, STR("y"))) ||
           err_set(e, ERR_CANCELLED, "nothing was done");
}

static void tell_refused(struct api *api, const struct json_value *result)
{
    static const struct table_column columns[] = { { .title = "REFUSED" },
                                                   { .title = "REASON", .shrinks_to = 10 } };
    const struct json_value *refused = api_member(result, "refused");
    struct table *t = table_create(api->arena, columns, countof(columns));
    for (size_t i = 0; i < refused->item_count; i++)
        table_add(t, (struct table_cell[]){
                         { .text = task_id_shown(api, api_text(&refused->items[i], "id")) },
                         { .text = api_text(&refused->items[i], "reason") },
                     });
    if (table_row_count(t) > 0)
        api_put_table(api, t);
}

static void tell(struct api *api, const struct json_value *result, bool is_dry)
{
    if (api->is_json) {
        api_put_json(api, result);
        return;
    }
    buf_printf(&api->out, "%.*s match, %.*s %s, %.*s %s\n", STR_FMT(api_text(result, "matched")),
               STR_FMT(api_text(result, "done")), is_dry ? "would be done" : "done",
               STR_FMT(api_text(result, "refusedCount")), is_dry ? "would be refused" : "refused");
    tell_refused(api, result);
}

bool task_bulk_run(struct api *api, const struct task_bulk *bulk, struct err *e)
{
    const struct json_value *result;
    int64_t matched = 0;
    bool is_dry = conf_bool(api->conf, CONF_DRY_RUN);
    if (!ask(api, bulk, true, -1, &result, e))
        return false;
    (void)json_to_i64(api_member(result, "matched"), &matched);
    if (!is_dry && matched > 0 &&
        (!may_go_on(api, bulk, matched, e) || !ask(api, bulk, false, matched, &result, e)))
        return false;
    tell(api, result, is_dry);
    return true;
}
