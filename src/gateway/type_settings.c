/*
 * Query.taskTypeSettings, Mutation.updateTaskType: how tasks of one type are run. The worker keeps
 * the settings and applies them; see told.h.
 *
 *   updateTaskType: check --> told_change
 */
#include "gateway/check.h"
#include "gateway/task_input.h"
#include "gateway/told.h"
#include "gateway/users.h"

enum {
    KEY_PATH_CHARS_MAX = 200,
    RUNNING_LIMIT_MAX = 1'000'000,
    RATE_MAX = 100'000,
    RETENTION_DAYS_MAX = 36'500,
};
#define RATE_MIN 0.001 /* one task in about a quarter of an hour */

enum {
    TYPE_NAME,
    TYPE_IS_PAUSED,
    TYPE_PAUSED_BY,
    TYPE_PAUSED_REASON,
    TYPE_MAX_RUNNING,
    TYPE_MAX_RUNNING_PER_KEY,
    TYPE_KEY_PATH,
    TYPE_RATE,
    TYPE_BURST,
    TYPE_RATE_PER_KEY,
    TYPE_BURST_PER_KEY,
    TYPE_MAX_ATTEMPTS,
    TYPE_TIMEOUT,
    TYPE_RETENTION,
    TYPE_RUNNING,
    TYPE_WAITING,
    TYPE_MEMBERS
};
static const struct told_member members[TYPE_MEMBERS + 1] = {
    [TYPE_NAME] = { "type", TOLD_TEXT, false },
    [TYPE_IS_PAUSED] = { "is_paused", TOLD_BOOL, false },
    [TYPE_PAUSED_BY] = { "paused_by", TOLD_USER, true },
    [TYPE_PAUSED_REASON] = { "paused_reason", TOLD_TEXT, true },
    [TYPE_MAX_RUNNING] = { "max_running", TOLD_WHOLE, true },
    [TYPE_MAX_RUNNING_PER_KEY] = { "max_running_per_key", TOLD_WHOLE, true },
    [TYPE_KEY_PATH] = { "key_path", TOLD_TEXT, true },
    [TYPE_RATE] = { "rate_per_s", TOLD_NUMBER, true },
    [TYPE_BURST] = { "burst", TOLD_WHOLE, true },
    [TYPE_RATE_PER_KEY] = { "rate_per_key_per_s", TOLD_NUMBER, true },
    [TYPE_BURST_PER_KEY] = { "burst_per_key", TOLD_WHOLE, true },
    [TYPE_MAX_ATTEMPTS] = { "max_attempts", TOLD_WHOLE, false },
    [TYPE_TIMEOUT] = { "timeout_s", TOLD_WHOLE, false },
    [TYPE_RETENTION] = { "retention_days", TOLD_WHOLE, false },
    [TYPE_RUNNING] = { "running", TOLD_WHOLE, false },
    [TYPE_WAITING] = { "waiting", TOLD_WHOLE, false },
};

/* ── Query.taskTypeSettings ── */

static bool read_types(struct gql_step *step, const struct json_value *body, bool is_fresh,
                       struct gql_value *ret_list)
{
    const struct gql_value *type = gql_arg(step, "type");
    struct str only = gql_is_null(type) ? (struct str){ 0 } : type->text;
    return told_objects_read(step->arena, body, "types", members, only, is_fresh, ret_list);
}

static bool check_type(const struct gql_value *type, struct err *e)
{
    return check_label("type", type->text, TASK_TYPE_CHARS_MAX, e) &&
           (type->text.len <= TASK_TYPE_CHARS_MAX ||
            err_set(e, ERR_INVALID, "type: is longer than %d bytes", TASK_TYPE_CHARS_MAX));
}

static enum gql_next resolve_types(struct gql_step *step)
{
    const struct gql_value *type = gql_arg(step, "type");
    struct err e;
    if (!gql_is_null(type) && !check_type(type, &e))
        return gql_step_fail(step, &e);
    return told_ask(step, TOLD_TYPES, read_types);
}

/* ── TaskTypeSettingsInput ── */

/* A field of the input, and the least and the most that it may be; of TEXT, in characters. */
struct setting {
    const char *name, *key; /* of the API, and of the worker */
    enum told_kind kind;
    bool is_nullable;
    double min, max;
};

static const struct setting settings[] = {
    { "paused", "is_paused", TOLD_BOOL, false, 0, 0 },
    { "pausedReason", "paused_reason", TOLD_TEXT, true, 1, TOLD_REASON_CHARS_MAX },
    { "maxRunning", "max_running", TOLD_WHOLE, true, 1, RUNNING_LIMIT_MAX },
    { "maxRunningPerKey", "max_running_per_key", TOLD_WHOLE, true, 1, RUNNING_LIMIT_MAX },
    { "keyPath", "key_path", TOLD_TEXT, true, 1, KEY_PATH_CHARS_MAX },
    { "ratePerSecond", "rate_per_s", TOLD_NUMBER, true, RATE_MIN, RATE_MAX },
    { "burst", "burst", TOLD_WHOLE, true, 1, RUNNING_LIMIT_MAX },
    { "ratePerKeyPerSecond", "rate_per_key_per_s", TOLD_NUMBER, true, RATE_MIN, RATE_MAX },
    { "burstPerKey", "burst_per_key", TOLD_WHOLE, true, 1, RUNNING_LIMIT_MAX },
    { "maxAttempts", "max_attempts", TOLD_WHOLE, false, 1, TASK_ATTEMPTS_MAX },
    { "timeoutSeconds", "timeout_s", TOLD_WHOLE, false, 1, TASK_TIMEOUT_S_MAX },
    { "retentionDays", "retention_days", TOLD_WHOLE, false, 1, RETENTION_DAYS_MAX },
};

static bool check_setting(const struct setting *s, const struct gql_value *value, struct err *e)
{
    char path[64];
    snprintf(path, sizeof path, "settings.%s", s->name);
    if (value->kind == GQL_NULL)
        return s->is_nullable || err_set(e, ERR_INVALID, "%s: must not be null", path);
    if (s->kind == TOLD_TEXT)
        return check_label(path, value->text, (size_t)s->max, e);
    double number = s->kind == TOLD_WHOLE ? (double)value->integer : value->number;
    return s->kind == TOLD_BOOL || (number >= s->min && number <= s->max) ||
           err_set(e, ERR_INVALID, "%s: must be %.10g to %.10g, not %.10g", path, s->min, s->max,
                   number);
}

static void write_setting(struct json_writer *w, const struct setting *s,
                          const struct gql_value *value)
{
    if (value->kind == GQL_NULL)
        json_write_null(w);
    else if (s->kind == TOLD_BOOL)
        json_write_bool(w, value->boolean);
    else if (s->kind == TOLD_WHOLE)
        json_write_i64(w, value->integer);
    else if (s->kind == TOLD_NUMBER)
        json_write_double(w, value->number);
    else
        json_write_string(w, value->text);
}

/* In the names of the API, or in the worker's. */
static struct str settings_json(struct arena *a, const struct gql_value *input, bool is_ours)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    for (size_t i = 0; i < countof(settings); i++) {
        const struct gql_value *value = gql_input(input, settings[i].name);
        if (value->kind == GQL_ABSENT)
            continue;
        json_key(&w, str_of_c(is_ours ? settings[i].name : settings[i].key));
        write_setting(&w, &settings[i], value);
    }
    json_end_object(&w);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

static struct str update_body(const struct gql_step *step)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    json_key_c(&w, "type");
    json_write_string(&w, gql_arg(step, "type")->text);
    json_key_c(&w, "settings");
    json_write_raw(&w, settings_json(step->arena, gql_arg(step, "settings"), false));
    told_write_actor(&w, step);
    json_end_object(&w);
    struct str body = arena_copy(step->arena, buf_str(&out));
    buf_clear(&out);
    return body;
}

static bool check_settings(const struct gql_value *input, struct err *e)
{
    size_t given = 0;
    for (size_t i = 0; i < countof(settings); i++) {
        const struct gql_value *value = gql_input(input, settings[i].name);
        if (value->kind == GQL_ABSENT)
            continue;
        given++;
        if (!check_setting(&settings[i], value, e))
            return false;
    }
    return given > 0 || err_set(e, ERR_INVALID, "settings: names nothing to change");
}

/* ── Mutation.updateTaskType ── */

/* Whether a name of the worker's stands there, whole; its length. */
static size_t key_at(struct str message, size_t at, struct str key)
{
    static const char in_names[] = "abcdefghijklmnopqrstuvwxyz_";
    struct str rest = str_from(message, at);
    bool begins = at == 0 || strchr(in_names, message.ptr[at - 1]) == NULL;
    bool is_it = begins && str_starts_with(rest, key) &&
                 (rest.len == key.len || strchr(in_names, rest.ptr[key.len]) == NULL);
    return is_it ? key.len : 0;
}

/* "settings.max_running_per_key: needs a key_path" with the API's names. */
static void in_our_words(struct err *e)
{
    const struct err told = *e;
    struct str message = str_of_c(told.message);
    struct buf out;
    buf_init(&out, 0);
    for (size_t at = 0; at < message.len;) {
        const struct setting *found = NULL;
        for (size_t i = 0; found == NULL && i < countof(settings); i++)
            if (key_at(message, at, str_of_c(settings[i].key)) > 0)
                found = &settings[i];
        buf_put_str(&out,
                    found != NULL ? str_of_c(found->name) : str_first(str_from(message, at), 1));
        at += found != NULL ? strlen(found->key) : 1;
    }
    (void)err_set_from(e, told.origin, told.code, "%.*s", STR_FMT(buf_str(&out)));
    buf_clear(&out);
}

static enum gql_next resolve_update(struct gql_step *step)
{
    struct str name = gql_arg(step, "type")->text;
    struct err e;
    if (!check_type(gql_arg(step, "type"), &e) || !check_settings(gql_arg(step, "settings"), &e))
        return gql_step_fail(step, &e);
    /* Nobody owns a type: each shard counts its own tasks. */
    const struct told_change change = {
        .what = TOLD_TYPES,
        .path = "/v1/types:update",
        .body = update_body(step),
        .members = members,
        .action = "task-type.update",
        .subject = arena_printf(step->arena, "task-type:%.*s", STR_FMT(name)),
        .detail = settings_json(step->arena, gql_arg(step, "settings"), true),
        .words = in_our_words,
    };
    return told_change(step, &change);
}

const struct gateway_binding bindings_type_settings[] = {
    { "Query.taskTypeSettings", { .resolve = resolve_types } },
    { "Mutation.updateTaskType", { .resolve = resolve_update } },
    { "TaskTypeSettings.type", { .get = told_get_text, .data = BINDING_NUMBER(TYPE_NAME) } },
    { "TaskTypeSettings.paused", { .get = told_get_bool, .data = BINDING_NUMBER(TYPE_IS_PAUSED) } },
    { "TaskTypeSettings.pausedBy",
      { .resolve = told_resolve_user,
        .prepare = users_prepare,
        .data = BINDING_NUMBER(TYPE_PAUSED_BY) } },
    { "TaskTypeSettings.pausedReason",
      { .get = told_get_text, .data = BINDING_NUMBER(TYPE_PAUSED_REASON) } },
    { "TaskTypeSettings.maxRunning",
      { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_MAX_RUNNING) } },
    { "TaskTypeSettings.maxRunningPerKey",
      { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_MAX_RUNNING_PER_KEY) } },
    { "TaskTypeSettings.keyPath", { .get = told_get_text, .data = BINDING_NUMBER(TYPE_KEY_PATH) } },
    { "TaskTypeSettings.ratePerSecond",
      { .get = told_get_number, .data = BINDING_NUMBER(TYPE_RATE) } },
    { "TaskTypeSettings.burst", { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_BURST) } },
    { "TaskTypeSettings.ratePerKeyPerSecond",
      { .get = told_get_number, .data = BINDING_NUMBER(TYPE_RATE_PER_KEY) } },
    { "TaskTypeSettings.burstPerKey",
      { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_BURST_PER_KEY) } },
    { "TaskTypeSettings.maxAttempts",
      { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_MAX_ATTEMPTS) } },
    { "TaskTypeSettings.timeoutSeconds",
      { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_TIMEOUT) } },
    { "TaskTypeSettings.retentionDays",
      { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_RETENTION) } },
    { "TaskTypeSettings.running", { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_RUNNING) } },
    { "TaskTypeSettings.waiting", { .get = told_get_whole, .data = BINDING_NUMBER(TYPE_WAITING) } },
    { "TaskTypeSettings.source", { .get = told_get_source } },
    { 0 },
};
