#include "runner/wire.h"

#include "base/uuid.h"

enum { TTL_MS_MAX = 1'000'000'000 };

static const char *const verdict_names[WIRE_VERDICT_COUNT] = {
    [WIRE_APPLIED] = "applied",
    [WIRE_DUPLICATE] = "duplicate",
    [WIRE_STALE] = "stale",
    [WIRE_UNKNOWN] = "unknown",
};

/* A member's place, for messages: "$.leases[3].task". */
struct place {
    const char *list; /* NULL: the document itself */
    size_t index;
};

static const struct json_value absent = { .type = JSON_NULL };

static const struct json_value *member(const struct json_value *v, const char *key)
{
    const struct json_value *found = json_get(v, str_of_c(key));
    return found ? found : &absent;
}

static bool wrong(const struct place *at, const char *key, const char *wanted, struct err *e)
{
    if (at->list == NULL)
        return err_set(e, ERR_INVALID, "$.%s: %s expected", key, wanted);
    return err_set(e, ERR_INVALID, "$.%s[%zu].%s: %s expected", at->list, at->index, key, wanted);
}

static bool read_text(const struct json_value *v, const struct place *at, const char *key,
                      struct str *ret_text, struct err *e)
{
    const struct json_value *found = member(v, key);
    if (found->type != JSON_STRING || found->text.len == 0)
        return wrong(at, key, "text", e);
    *ret_text = found->text;
    return true;
}

/* `ret_number` stays as it is where there is none. */
static bool read_number(const struct json_value *v, const struct place *at, const char *key,
                        int64_t *ret_number, struct err *e)
{
    const struct json_value *found = member(v, key);
    if (found->type == JSON_NULL)
        return true;
    if (found->type != JSON_NUMBER || !json_to_i64(found, ret_number))
        return wrong(at, key, "whole number", e);
    return true;
}

static bool parse_object(struct arena *a, struct str text, const struct json_value **ret_object,
                         struct err *e)
{
    if (!json_parse(a, text, ret_object, e))
        return false;
    return (*ret_object)->type == JSON_OBJECT || err_set(e, ERR_INVALID, "$: object expected");
}

/* It travels in a header. */
static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

bool wire_read_session(struct arena *a, struct str text, struct wire_session *ret_session,
                       struct err *e)
{
    const struct json_value *v;
    const struct place top = { 0 };
    struct wire_session session = { 0 };
    if (!parse_object(a, text, &v, e) || !read_text(v, &top, "session", &session.id, e) ||
        !read_text(v, &top, "secret", &session.secret, e) ||
        !read_number(v, &top, "ttl_ms", &session.ttl_ms, e) ||
        !read_number(v, &top, "heartbeat_ms", &session.heartbeat_ms, e))
        return false;
    struct uuid id;
    if (!uuid_parse(session.id, &id))
        return wrong(&top, "session", "UUID", e);
    if (!is_token(session.secret))
        return wrong(&top, "secret", "plain text", e);
    if (session.ttl_ms < 1 || session.ttl_ms > TTL_MS_MAX || session.heartbeat_ms < 1)
        return err_set(e, ERR_INVALID, "$.ttl_ms, $.heartbeat_ms: positive numbers expected");
    *ret_session = session;
    return true;
}

static bool read_lease(const struct json_value *v, const struct place *at, void *item,
                       struct err *e)
{
    struct wire_lease *lease = item;
    *lease = (struct wire_lease){ .payload = member(v, "payload"), .attempt = 1 };
    return read_text(v, at, "task", &lease->task, e) && read_text(v, at, "type", &lease->type, e) &&
           read_text(v, at, "fence", &lease->fence, e) &&
           read_number(v, at, "attempt", &lease->attempt, e) &&
           read_number(v, at, "lease_until_us", &lease->lease_until_us, e) &&
           read_number(v, at, "deadline_us", &lease->deadline_us, e);
}

static bool read_ack(const struct json_value *v, const struct place *at, void *item, struct err *e)
{
    struct wire_ack *ack = item;
    struct str outcome;
    if (!read_text(v, at, "task", &ack->task, e) || !read_text(v, at, "outcome", &outcome, e))
        return false;
    for (size_t i = 0; i < WIRE_VERDICT_COUNT; i++)
        if (str_eq_c(outcome, verdict_names[i])) {
            ack->verdict = (enum wire_verdict)i;
            return true;
        }
    return wrong(at, "outcome", "applied, duplicate, stale or unknown", e);
}

/* Commands that a newer worker may know are left out by their caller: they have no fence. */
static bool read_command(const struct json_value *v, const struct place *at, void *item,
                         struct err *e)
{
    struct wire_command *command = item;
    const struct json_value *kind = member(v, "kind"), *reason = member(v, "reason");
    *command = (struct wire_command){ 0 };
    if (kind->type != JSON_STRING || !str_eq_c(kind->text, "cancel"))
        return true;
    command->is_timeout = reason->type == JSON_STRING && str_eq_c(reason->text, "timeout");
    return read_text(v, at, "task", &command->task, e) &&
           read_text(v, at, "fence", &command->fence, e);
}

static bool read_lost(const struct json_value *v, const struct place *at, void *item, struct err *e)
{
    struct wire_lost *lost = item;
    return read_text(v, at, "task", &lost->task, e) && read_text(v, at, "fence", &lost->fence, e);
}

typedef bool read_fn(const struct json_value *v, const struct place *at, void *item, struct err *e);

/* The array `key` into an array of `item_size` each. */
static bool read_list(struct arena *a, const struct json_value *v, const char *key,
                      size_t item_size, read_fn *read, void *ret_items, size_t *ret_count,
                      struct err *e)
{
    const struct json_value *list = member(v, key);
    const struct place top = { 0 };
    if (list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY)
        return wrong(&top, key, "array", e);
    char *items = arena_array(a, list->item_count, item_size);
    for (size_t i = 0; i < list->item_count; i++) {
        const struct place at = { key, i };
        if (!read(&list->items[i], &at, items + i * item_size, e))
            return false;
    }
    memcpy(ret_items, &items, sizeof items);
    *ret_count = list->item_count;
    return true;
}

static bool read_mode(const struct json_value *v, enum wire_mode *ret_mode, struct err *e)
{
    static const char *const names[] = {
        [WIRE_RUN] = "run", [WIRE_QUIET] = "quiet", [WIRE_STOP] = "stop"
    };
    const struct json_value *mode = member(v, "mode");
    const struct place top = { 0 };
    if (mode->type == JSON_NULL)
        return true;
    for (size_t i = 0; mode->type == JSON_STRING && i < countof(names); i++)
        if (str_eq_c(mode->text, names[i])) {
            *ret_mode = (enum wire_mode)i;
            return true;
        }
    return wrong(&top, "mode", "run, quiet or stop", e);
}

bool wire_read_answer(struct arena *a, struct str text, struct wire_answer *ret_answer,
                      struct err *e)
{
    const struct json_value *v;
    const struct place top = { 0 };
    struct wire_answer answer = { 0 };
    if (!parse_object(a, text, &v, e) || !read_mode(v, &answer.mode, e) ||
        !read_number(v, &top, "held", &answer.held, e) ||
        !read_list(a, v, "leases", sizeof *answer.leases, read_lease, &answer.leases,
                   &answer.lease_count, e) ||
        !read_list(a, v, "acks", sizeof *answer.acks, read_ack, &answer.acks, &answer.ack_count,
                   e) ||
        !read_list(a, v, "commands", sizeof *answer.commands, read_command, &answer.commands,
                   &answer.command_count, e) ||
        !read_list(a, v, "lost", sizeof *answer.lost, read_lost, &answer.lost, &answer.lost_count,
                   e))
        return false;
    *ret_answer = answer;
    return true;
}

struct str wire_read_error(struct arena *a, struct str text)
{
    const struct json_value *v;
    struct err ignored;
    if (!json_parse(a, text, &v, &ignored))
        return STR("");
    const struct json_value *message = member(v, "detail");
    return message->type == JSON_STRING ? message->text : STR("");
}

const char *wire_verdict_name(enum wire_verdict verdict)
{
    return verdict_names[verdict];
}
