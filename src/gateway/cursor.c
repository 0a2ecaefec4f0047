#include "gateway/cursor.h"

#include "base/base64.h"

enum { CURSOR_VERSION = 1, CURSOR_MAC_LEN = 8 };

struct cursor_bytes {
    uint8_t version;
    uint8_t list;
    uint8_t row[16];
    uint8_t mac[CURSOR_MAC_LEN]; /* of all before it */
};
static_assert(sizeof(struct cursor_bytes) == 26, "a cursor has no padding");

static void seal(const struct cursor_key *key, struct cursor_bytes *c)
{
    uint8_t mac[SHA256_LEN];
    sha256_hmac(str_of((const char *)key->bytes, sizeof key->bytes),
                str_of((const char *)c, offsetof(struct cursor_bytes, mac)), mac);
    memcpy(c->mac, mac, sizeof c->mac);
}

struct str cursor_make(const struct cursor_key *key, enum cursor_list list, struct uuid row,
                       struct arena *a)
{
    struct cursor_bytes c = { .version = CURSOR_VERSION, .list = (uint8_t)list };
    memcpy(c.row, row.bytes, sizeof c.row);
    seal(key, &c);
    char *text = arena_alloc(a, BASE64URL_LEN(sizeof c) + 1);
    base64url_encode(str_of((const char *)&c, sizeof c), text);
    return str_of(text, BASE64URL_LEN(sizeof c));
}

bool cursor_read(const struct cursor_key *key, enum cursor_list list, struct str text,
                 struct uuid *ret_row, struct err *e)
{
    struct cursor_bytes c, sealed;
    size_t len = 0;
    if (text.len != BASE64URL_LEN(sizeof c) || !base64url_decode(text, (uint8_t *)&c, &len))
        return err_set(e, ERR_INVALID, "not a cursor");
    if (c.version != CURSOR_VERSION)
        return err_set(e, ERR_INVALID, "a cursor of another version; start from the first page");
    sealed = c;
    seal(key, &sealed);
    if (!str_eq_secret(str_of((const char *)c.mac, sizeof c.mac),
                       str_of((const char *)sealed.mac, sizeof sealed.mac)))
        return err_set(e, ERR_INVALID, "not a cursor of this installation");
    if (c.list != (uint8_t)list)
        return err_set(e, ERR_INVALID, "a cursor of another list");
    memcpy(ret_row->bytes, c.row, sizeof c.row);
    return true;
}
