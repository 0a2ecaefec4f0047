/* type: the commands of `windlass type`: how tasks of one type are run. */
#include "cmd/limits_priv.h"

enum { NAME_WIDTH_MIN = 8, DETAIL_WIDTH_MIN = 10 };

#define TYPE_LINE                                                                                  \
    "type paused pausedBy { id name } pausedReason maxRunning maxRunningPerKey keyPath "           \
    "ratePerSecond burst ratePerKeyPerSecond burstPerKey maxAttempts timeoutSeconds "              \
    "retentionDays running waiting source "

/* ── what settings look like ── */

static struct table *type_table(struct api *api)
{
    static const struct table_column columns[] = {
        { .title = "TYPE", .shrinks_to = NAME_WIDTH_MIN },
        { .title = "STATUS" },
        { .title = "RUNNING", .is_right = true },
        { .title = "WAITING", .is_right = true },
        { .title = "MAX", .is_right = true },
        { .title = "PER KEY", .is_right = true },
        { .title = "RATE", .is_right = true },
        { .title = "TRIES", .is_right = true },
        { .title = "TIMEOUT", .is_right = true },
        { .title = "KEPT", .is_right = true },
        { .title = "DETAIL", .shrinks_to = DETAIL_WIDTH_MIN },
    };
    return table_create(api->arena, columns, countof(columns));
}

/* The member with its unit behind it; empty where it is null. */
static void type_add(struct api *api, struct table *t, const struct json_value *type)
{
    table_add(t, (struct table_cell[]){
                     { .text = api_text(type, "type") },
                     limits_status_cell(type),
                     { .text = api_text(type, "running") },
                     { .text = api_text(type, "waiting") },
                     { .text = api_text(type, "maxRunning") },
                     { .text = api_text(type, "maxRunningPerKey") },
                     { .text = api_with_unit(api, type, "ratePerSecond", "/s") },
                     { .text = api_text(type, "maxAttempts") },
                     { .text = api_with_unit(api, type, "timeoutSeconds", "s") },
                     { .text = api_with_unit(api, type, "retentionDays", "d") },
                     { limits_detail(api, type), TABLE_WARN },
                 });
}

static void put_facts(struct api *api, const struct json_value *type)
{
    struct table *facts = api_facts(api);
    struct table_cell status = limits_status_cell(type);
    api_fact(facts, "type", api_text(type, "type"), TABLE_BOLD);
    api_fact(facts, "status", status.text, status.style);
    api_fact(facts, "detail", limits_detail(api, type), TABLE_WARN);
    api_fact(facts, "running", api_text(type, "running"), TABLE_PLAIN);
    api_fact(facts, "waiting", api_text(type, "waiting"), TABLE_PLAIN);
    api_fact(facts, "max running", api_text(type, "maxRunning"), TABLE_PLAIN);
    api_fact(facts, "of one key", api_text(type, "maxRunningPerKey"), TABLE_PLAIN);
    api_fact(facts, "key path", api_text(type, "keyPath"), TABLE_PLAIN);
    api_fact(facts, "rate", api_with_unit(api, type, "ratePerSecond", "/s"), TABLE_PLAIN);
    api_fact(facts, "burst", api_text(type, "burst"), TABLE_PLAIN);
    api_fact(facts, "rate of a key", api_with_unit(api, type, "ratePerKeyPerSecond", "/s"),
             TABLE_PLAIN);
    api_fact(facts, "its burst", api_text(type, "burstPerKey"), TABLE_PLAIN);
    api_fact(facts, "attempts", api_text(type, "maxAttempts"), TABLE_PLAIN);
    api_fact(facts, "timeout", api_with_unit(api, type, "timeoutSeconds", "s"), TABLE_PLAIN);
    api_fact(facts, "kept", api_with_unit(api, type, "retentionDays", " days"), TABLE_PLAIN);
    api_put_facts(api, facts);
}

static void put_one(struct api *api, const struct json_value *type)
{
    if (api->is_json)
        api_put_json(api, type);
    else
        put_facts(api, type);
}

/* ── reading ── */

bool cmd_type_list(struct api *api, struct err *e)
{
    const struct json_value *data;
    struct table *t = type_table(api);
    if (!api_ask(api, "{ taskTypeSettings { " TYPE_LINE "} }", &data, e))
        return false;
    api_put_items(api, t, api_member(data, "taskTypeSettings"), type_add);
    api_put_list_of(api, t, "no types");
    return true;
}

bool cmd_type_show(struct api *api, struct err *e)
{
    const struct json_value *data, *types;
    struct str named = conf_operand(api->conf, 0);
    struct json_writer *w = api_variables(api);
    json_key_c(w, "type");
    json_write_string(w, named);
    if (!api_ask(api, "query($type: String) { taskTypeSettings(type: $type) { " TYPE_LINE "} }",
                 &data, e))
        return false;
    types = api_member(data, "taskTypeSettings");
    if (types->item_count == 0) {
        err_set(e, ERR_NOT_FOUND, "no task was ever of the type %.*s, nor was it set",
                STR_FMT(str_first(named, 60)));
        return err_in(e, "NOT_FOUND");
    }
    put_one(api, &types->items[0]);
    return true;
}

/* ── changing ── */

/* Begins the variables, within the input. */
static struct json_writer *begin_settings(struct api *api)
{
    struct json_writer *w = api_variables(api);
    json_key_c(w, "type");
    json_write_string(w, conf_operand(api->conf, 0));
    json_key_c(w, "settings");
    json_begin_object(w);
    return w;
}

static bool change(struct api *api, struct err *e)
{
    const struct json_value *data;
    json_end_object(&api->writer);
    if (!api_ask(api,
                 "mutation($type: String!, $settings: TaskTypeSettingsInput!) "
                 "{ updateTaskType(type: $type, settings: $settings) { " TYPE_LINE "} }",
                 &data, e))
        return false;
    put_one(api, api_member(data, "updateTaskType"));
    return true;
}

bool cmd_type_pause(struct api *api, struct err *e)
{
    struct json_writer *w = begin_settings(api);
    json_key_c(w, "paused");
    json_write_bool(w, true);
    api_put_text(api, CONF_REASON, "pausedReason");
    return change(api, e);
}

bool cmd_type_resume(struct api *api, struct err *e)
{
    struct json_writer *w = begin_settings(api);
    json_key_c(w, "paused");
    json_write_bool(w, false);
    return change(api, e);
}

/* Option and member of the input. */
static const struct setting {
    enum conf_id id;
    const char *member;
    void (*put)(struct api *api, enum conf_id id, const char *key);
} settings[] = {
    { CONF_MAX_RUNNING, "maxRunning", api_put_int },
    { CONF_MAX_RUNNING_PER_KEY, "maxRunningPerKey", api_put_int },
    { CONF_KEY_PATH, "keyPath", api_put_text },
    { CONF_BURST, "burst", api_put_int },
    { CONF_BURST_PER_KEY, "burstPerKey", api_put_int },
    { CONF_MAX_ATTEMPTS, "maxAttempts", api_put_int },
    { CONF_TIMEOUT, "timeoutSeconds", api_put_seconds },
    { CONF_RETENTION_DAYS, "retentionDays", api_put_int },
    { CONF_RATE, "ratePerSecond", NULL }, /* api_put_number */
    { CONF_RATE_PER_KEY, "ratePerKeyPerSecond", NULL },
};

/* The names of --unset as nulls. */
static bool put_unset(struct api *api, struct err *e)
{
    struct str item, left = conf_str(api->conf, CONF_UNSET);
    while (left.len > 0) {
        const struct setting *found = NULL;
        (void)str_cut(left, ',', &item, &left);
        item = str_trim(item);
        for (size_t i = 0; i < countof(settings); i++)
            if (str_eq(conf_name(settings[i].id), item))
                found = &settings[i];
        if (found == NULL)
            return api_usage(api, e, "--unset: \"%.*s\" is no option of this command",
                             STR_FMT(str_first(item, 60)));
        if (conf_is_given(api->conf, found->id))
            return api_usage(api, e, "--unset: --%.*s is given, too", STR_FMT(item));
        json_key(&api->writer, str_of_c(found->member));
        json_write_null(&api->writer);
    }
    return true;
}

bool cmd_type_set(struct api *api, struct err *e)
{
    bool is_any = conf_is_given(api->conf, CONF_UNSET);
    (void)begin_settings(api);
    for (size_t i = 0; i < countof(settings); i++) {
        const struct setting *s = &settings[i];
        is_any = is_any || conf_is_given(api->conf, s->id);
        if (s->put != NULL)
            s->put(api, s->id, s->member);
        else if (!api_put_number(api, s->id, s->member, e))
            return false;
    }
    if (!is_any)
        return api_usage(api, e, "say what to set, such as --max-running=5");
    return put_unset(api, e) && change(api, e);
}
