#include "worker/task_read.h"

#include "worker/door.h"
#include "worker/session_schemas.h"
#include "worker/settings.h"
#include "worker/shard_priv.h"

enum {
    NAME_MAX = 200, /* bytes of a type, a queue, a priority */
    KEY_MAX = 500,
};

static const int64_t run_at_max_us = INT64_C(253402300799999999); /* the end of the year 9999 */

bool task_read_texts(struct shard *s, const struct json_value *v, const char *at,
                     struct task_view *t, uint32_t *ret_type, struct err *e)
{
    struct str priority = STR("normal");
    t->queue = STR("default");
    if (!door_text(v, at, "type", NAME_MAX, &t->type, e) && !door_is_bad(e))
        return door_missing(e, at, "type");
    if (!door_is_bad(e))
        door_text(v, at, "queue", NAME_MAX, &t->queue, e);
    if (!door_is_bad(e))
        door_text(v, at, "idempotency_key", KEY_MAX, &t->key, e);
    if (!door_is_bad(e))
        door_text(v, at, "actor", DOOR_ACTOR_MAX, &t->actor, e);
    if (!door_is_bad(e))
        door_text(v, at, "priority", NAME_MAX, &priority, e);
    if (!door_is_bad(e) && !rule_priority_of(priority, &t->priority))
        err_set(e, ERR_INVALID, "%spriority: is none of low, normal and high", at);
    return !door_is_bad(e) && shard_type_of(s, t->type, ret_type, e);
}

bool task_read_numbers(const struct json_value *v, const char *at, struct task_view *t,
                       struct task_limits *ret_limits, struct err *e)
{
    int64_t attempts = 0, timeout_s = 0;
    door_int(v, at, "max_attempts", 1, SETTINGS_ATTEMPTS_MAX, &attempts, e);
    if (!door_is_bad(e))
        door_int(v, at, "timeout_s", 1, SETTINGS_TIMEOUT_MAX_S, &timeout_s, e);
    if (!door_is_bad(e))
        door_int(v, at, "run_at_us", 0, run_at_max_us, &t->run_at_us, e);
    if (!door_is_bad(e))
        door_int(v, at, "scheduled_for_us", 0, run_at_max_us, &t->scheduled_for_us, e);
    *ret_limits = (struct task_limits){ (uint32_t)attempts, (uint32_t)timeout_s };
    return !door_is_bad(e);
}

bool task_read_payload(struct arena *a, const struct shard *s, const struct json_value *v,
                       const char *at, struct str *ret_payload, struct err *e)
{
    const struct json_value *payload = json_get_c(v, "payload");
    *ret_payload = !payload || payload->type == JSON_NULL ? STR("{}") : door_json_text(a, payload);
    return ret_payload->len <= s->options.payload_max ||
           err_set(e, ERR_LIMIT, "%spayload: is longer than %zu bytes", at, s->options.payload_max);
}

bool task_check_payload(const struct shard *s, uint32_t type, const struct json_value *v,
                        const char *at, struct err *e)
{
    char place[64];
    snprintf(place, sizeof place, "%spayload", at);
    return session_set_check_payload(s->sessions, type, json_get_c(v, "payload"), place, e);
}

void task_put_limits(struct task_view *t, const struct task_limits *limits, const struct shard *s,
                     uint32_t type)
{
    t->max_attempts = limits->attempts > 0
                          ? limits->attempts
                          : settings_or(s, type, SETTING_MAX_ATTEMPTS, SHARD_ATTEMPTS_DEFAULT);
    t->timeout_s = limits->timeout_s > 0
                       ? limits->timeout_s
                       : settings_or(s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S);
}
