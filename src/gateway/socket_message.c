#include "gateway/socket_message.h"

#include "json/writer.h"

static const char *const types[SOCKET_MESSAGE_TYPE_COUNT] = {
    [SOCKET_INIT] = "connection_init", [SOCKET_PING] = "ping",         [SOCKET_PONG] = "pong",
    [SOCKET_SUBSCRIBE] = "subscribe",  [SOCKET_COMPLETE] = "complete",
};

/* ── reading ── */

static bool read_type(const struct json_value *message, enum socket_message_type *ret_type,
                      struct err *e)
{
    const struct json_value *type = json_get_c(message, "type");
    if (type == NULL || type->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "a message must have a 'type', a string");
    for (int i = 0; i < SOCKET_MESSAGE_TYPE_COUNT; i++)
        if (str_eq_c(type->text, types[i])) {
            *ret_type = (enum socket_message_type)i;
            return true;
        }
    return err_set(e, ERR_INVALID, "message type is not one that a client sends");
}

static bool read_id(const struct json_value *message, struct socket_message *m, struct err *e)
{
    const struct json_value *id = json_get_c(message, "id");
    if (id == NULL || id->type != JSON_STRING || str_is_empty(id->text))
        return err_set(e, ERR_INVALID, "\"%s\" needs an 'id', a string that is not empty",
                       types[m->type]);
    m->id = id->text;
    return true;
}

/* A member of that type, null, or none. */
static bool is_of_type(const struct json_value *payload, struct str name, enum json_type type,
                       struct err *e)
{
    const struct json_value *v = json_get(payload, name);
    return v == NULL || v->type == JSON_NULL || v->type == type ||
           err_set(e, ERR_INVALID, "\"subscribe\": '%.*s' must be of type %s", STR_FMT(name),
                   type == JSON_STRING ? "string" : "object");
}

/* The members that the protocol knows; which of them lead to a document is told later. */
static bool check_subscribe(const struct json_value *payload, struct err *e)
{
    if (payload == NULL)
        return err_set(e, ERR_INVALID, "\"subscribe\" needs a 'payload', an object");
    return is_of_type(payload, STR("query"), JSON_STRING, e) &&
           is_of_type(payload, STR("documentId"), JSON_STRING, e) &&
           is_of_type(payload, STR("operationName"), JSON_STRING, e) &&
           is_of_type(payload, STR("variables"), JSON_OBJECT, e) &&
           is_of_type(payload, STR("extensions"), JSON_OBJECT, e);
}

static bool read_payload(const struct json_value *message, struct socket_message *m, struct err *e)
{
    const struct json_value *payload = json_get_c(message, "payload");
    m->payload = payload != NULL && payload->type == JSON_NULL ? NULL : payload;
    if (m->type == SOCKET_COMPLETE)
        return true; /* nothing is read of it */
    if (m->payload != NULL && m->payload->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "\"%s\": the 'payload' must be an object", types[m->type]);
    return m->type != SOCKET_SUBSCRIBE || check_subscribe(m->payload, e);
}

bool socket_message_read(struct arena *a, struct str text, struct socket_message *ret_message,
                         struct err *e)
{
    const struct json_value *message;
    struct socket_message m = { 0 };
    struct err why;
    if (!json_parse(a, text, &message, &why))
        return err_set(e, ERR_INVALID, "message is not JSON: %s", why.message);
    if (message->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "a message must be an object");
    if (!read_type(message, &m.type, e) || !read_payload(message, &m, e))
        return false;
    if ((m.type == SOCKET_SUBSCRIBE || m.type == SOCKET_COMPLETE) && !read_id(message, &m, e))
        return false;
    *ret_message = m;
    return true;
}

/* `Authorization: Bearer …`, or the token alone. */
static bool read_token(const struct json_value *v, bool is_header, struct str *ret_token,
                       struct err *e)
{
    struct str scheme, token;
    if (v->type == JSON_NULL)
        return true;
    if (v->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "\"connection_init\": a token must be a string");
    token = v->text;
    if (is_header &&
        (!str_cut(v->text, ' ', &scheme, &token) || !str_eq_nocase(scheme, STR("Bearer"))))
        return err_set(e, ERR_INVALID, "\"connection_init\": Authorization must be a Bearer token");
    *ret_token = str_trim(token);
    return true;
}

bool socket_message_token(const struct json_value *payload, struct str *ret_token, struct err *e)
{
    *ret_token = (struct str){ 0 };
    for (size_t i = 0; payload != NULL && i < payload->member_count; i++) {
        const struct json_member *m = &payload->members[i];
        bool is_header = str_eq_nocase(m->key, STR("authorization"));
        if ((is_header || str_eq_c(m->key, "token")) &&
            !read_token(&m->value, is_header, ret_token, e))
            return false;
    }
    return true;
}

/* ── writing ── */

static void put_begin(struct buf *out, struct str id, const char *type)
{
    buf_put_c(out, "{\"id\":");
    json_put_string(out, id);
    buf_printf(out, ",\"type\":\"%s\"", type);
}

void socket_message_put_next(struct buf *out, struct str id)
{
    put_begin(out, id, "next");
    buf_put_c(out, ",\"payload\":");
}

void socket_message_put_error(struct buf *out, struct str id, struct str errors)
{
    put_begin(out, id, "error");
    buf_put_c(out, ",\"payload\":");
    buf_put_str(out, errors);
    buf_put_char(out, '}');
}

void socket_message_put_complete(struct buf *out, struct str id)
{
    put_begin(out, id, "complete");
    buf_put_char(out, '}');
}

void socket_message_put_pong(struct buf *out, const struct json_value *payload)
{
    buf_put_c(out, "{\"type\":\"pong\"");
    if (payload != NULL) {
        buf_put_c(out, ",\"payload\":");
        json_put_value(out, payload);
    }
    buf_put_char(out, '}');
}
