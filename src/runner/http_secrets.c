#include "runner/http_secrets.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "runner/private_file.h"

enum {
    KEYS_MAX = 5,
    KEY_BYTES_MIN = 24, /* as the specification says, both */
    KEY_BYTES_MAX = 64,
};

#define PREFIX "whsec_"

struct secret {
    size_t count;
    struct str keys[KEYS_MAX];
};

struct http_secrets {
    struct arena *arena;
    struct map *by_name; /* struct secret */
};

static bool read_key(struct arena *a, const struct json_value *v, struct str *ret_key)
{
    size_t len = 0;
    if (v->type != JSON_STRING || !str_starts_with(v->text, STR(PREFIX)))
        return false;
    struct str text = str_from(v->text, strlen(PREFIX));
    uint8_t *bytes = arena_alloc(a, BASE64URL_BYTES(text.len) + 1);
    if (!base64_decode(text, bytes, &len) || len < KEY_BYTES_MIN || len > KEY_BYTES_MAX)
        return false;
    *ret_key = str_of((const char *)bytes, len);
    return true;
}

static bool read_secret(struct http_secrets *secrets, const struct json_member *m, struct err *e)
{
    const struct json_value *v = &m->value;
    bool is_list = v->type == JSON_ARRAY;
    struct secret *secret = arena_new(secrets->arena, struct secret);
    secret->count = is_list ? v->item_count : 1;
    if (secret->count == 0 || secret->count > KEYS_MAX)
        return err_set(e, ERR_INVALID, "%.*s: 1 to %d keys expected",
                       STR_FMT(str_first(m->key, 60)), (int)KEYS_MAX);
    for (size_t i = 0; i < secret->count; i++)
        if (!read_key(secrets->arena, is_list ? &v->items[i] : v, &secret->keys[i]))
            return err_set(e, ERR_INVALID,
                           "%.*s: \"" PREFIX "\" and base64 of %d to %d bytes expected",
                           STR_FMT(str_first(m->key, 60)), (int)KEY_BYTES_MIN, (int)KEY_BYTES_MAX);
    (void)map_put(secrets->by_name, arena_copy(secrets->arena, m->key), secret);
    return true;
}

static bool read_all(struct http_secrets *secrets, const char *path, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(PRIVATE_FILE_ARENA_BYTES);
    const struct json_value *object;
    if (!private_file_read(a, path, &object, e))
        return false;
    for (size_t i = 0; i < object->member_count; i++)
        if (!read_secret(secrets, &object->members[i], e))
            return err_in(e, "read %s", path);
    return true;
}

bool http_secrets_create(const char *path, struct http_secrets **ret_secrets, struct err *e)
{
    struct http_secrets *secrets = mem_new(struct http_secrets);
    secrets->arena = arena_create(0);
    secrets->by_name = map_create();
    if (path[0] != '\0' && !read_all(secrets, path, e)) {
        http_secrets_destroy(secrets);
        return false;
    }
    *ret_secrets = secrets;
    return true;
}

void http_secrets_destroy(struct http_secrets *secrets)
{
    if (!secrets)
        return;
    map_destroy(secrets->by_name);
    arena_destroy(secrets->arena);
    mem_free(secrets);
}

const char *http_secrets_sign(const struct http_secrets *secrets, struct arena *a, struct str name,
                              struct str id, int64_t timestamp_s, struct str body)
{
    const struct secret *secret = map_get(secrets->by_name, name);
    struct buf content, value;
    if (!secret)
        return NULL;
    buf_init(&content, 0);
    buf_init(&value, 0);
    buf_printf(&content, "%.*s.%lld.", STR_FMT(id), (long long)timestamp_s);
    buf_put_str(&content, body);
    for (size_t i = 0; i < secret->count; i++) {
        uint8_t mac[SHA256_LEN];
        char text[BASE64_LEN(SHA256_LEN) + 1];
        sha256_hmac(secret->keys[i], buf_str(&content), mac);
        base64_encode(str_of((const char *)mac, sizeof mac), text);
        buf_printf(&value, "%sv1,%s", i > 0 ? " " : "", text);
    }
    const char *header = arena_cstr(a, buf_str(&value));
    buf_clear(&content);
    buf_clear(&value);
    return header;
}
