#include "gateway/cursor.h"

#include "base/base64.h"

enum { CURSOR_VERSION = 2, CURSOR_MAC_LEN = 8 };

/* Numbers stand with their highest byte first, on whatever machine. */
struct cursor_bytes {
    uint8_t version;
    uint8_t list;
    uint8_t order;
    uint8_t filter[4];
    uint8_t key[8];
    uint8_t id[16];
    uint8_t mac[CURSOR_MAC_LEN]; /* of all before it */
};
static_assert(sizeof(struct cursor_bytes) == 39, "a cursor has no padding");

static void put_number(uint64_t number, uint8_t *bytes, size_t len)
{
    for (size_t i = len; i-- > 0; number >>= 8)
        bytes[i] = (uint8_t)number;
}

static uint64_t number_of(const uint8_t *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | bytes[i];
    return number;
}

static void seal(const struct cursor_key *key, struct cursor_bytes *c)
{
    uint8_t mac[SHA256_LEN];
    sha256_hmac(str_of((const char *)key->bytes, sizeof key->bytes),
                str_of((const char *)c, offsetof(struct cursor_bytes, mac)), mac);
    memcpy(c->mac, mac, sizeof c->mac);
}

struct str cursor_make(const struct cursor_key *key, const struct cursor_scope *scope,
                       struct cursor_row row, struct arena *a)
{
    struct cursor_bytes c = { .version = CURSOR_VERSION,
                              .list = (uint8_t)scope->list,
                              .order = scope->order };
    put_number(scope->filter, c.filter, sizeof c.filter);
    put_number((uint64_t)row.key, c.key, sizeof c.key);
    memcpy(c.id, row.id.bytes, sizeof c.id);
    seal(key, &c);
    char *text = arena_alloc(a, BASE64URL_LEN(sizeof c) + 1);
    base64url_encode(str_of((const char *)&c, sizeof c), text);
    return str_of(text, BASE64URL_LEN(sizeof c));
}

/* The version first: it tells how long the rest is. */
static bool unpack(const struct cursor_key *key, struct str text, struct cursor_bytes *ret_c,
                   struct err *e)
{
    enum { CURSOR_TEXT_MAX = 128 };
    uint8_t bytes[CURSOR_TEXT_MAX];
    struct cursor_bytes sealed;
    size_t len = 0;
    if (text.len == 0 || text.len > CURSOR_TEXT_MAX || !base64url_decode(text, bytes, &len))
        return err_set(e, ERR_INVALID, "not a cursor");
    if (bytes[0] < CURSOR_VERSION && bytes[0] > 0)
        return err_set(e, ERR_INVALID, "a cursor of an older version; start from the first page");
    if (len != sizeof sealed || bytes[0] != CURSOR_VERSION)
        return err_set(e, ERR_INVALID, "not a cursor");
    memcpy(ret_c, bytes, sizeof *ret_c);
    sealed = *ret_c;
    seal(key, &sealed);
    if (!str_eq_secret(str_of((const char *)ret_c->mac, sizeof ret_c->mac),
                       str_of((const char *)sealed.mac, sizeof sealed.mac)))
        return err_set(e, ERR_INVALID, "not a cursor of this installation");
    return true;
}

bool cursor_read(const struct cursor_key *key, const struct cursor_scope *scope, struct str text,
                 struct cursor_row *ret_row, struct err *e)
{
    struct cursor_bytes c;
    if (!unpack(key, text, &c, e))
        return false;
    if (c.list != (uint8_t)scope->list)
        return err_set(e, ERR_INVALID, "a cursor of another list");
    if (c.order != scope->order)
        return err_set(e, ERR_INVALID, "a cursor of another order of this list");
    if (number_of(c.filter, sizeof c.filter) != scope->filter)
        return err_set(e, ERR_INVALID,
                       "a cursor of this list under another filter; start from the first page");
    ret_row->key = (int64_t)number_of(c.key, sizeof c.key);
    memcpy(ret_row->id.bytes, c.id, sizeof c.id);
    return true;
}

/* FNV-1a; the length in front keeps parts apart. */
uint32_t cursor_mix(uint32_t filter, struct str part)
{
    uint32_t mixed = filter == 0 ? UINT32_C(2166136261) : filter;
    uint8_t len[8];
    put_number(part.len, len, sizeof len);
    for (size_t i = 0; i < sizeof len + part.len; i++) {
        mixed ^= i < sizeof len ? len[i] : (uint8_t)part.ptr[i - sizeof len];
        mixed *= UINT32_C(16777619);
    }
    return mixed == 0 ? 1 : mixed;
}
