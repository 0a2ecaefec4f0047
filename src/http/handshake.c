#include "http/handshake.h"

#include "base/base64.h"
#include "base/sha1.h"
#include "http/request_priv.h"

enum { KEY_BYTES = 16 };

/* From the alphabet of RFC 4648 section 4 to that of section 5, and back. */
static void exchange(char *text, size_t len, char plus, char slash, char dash, char underscore)
{
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] == plus ? dash : text[i] == slash ? underscore : text[i];
}

bool handshake_key_is_valid(struct str text)
{
    enum { CHARS = HANDSHAKE_KEY_LEN - 2 };
    char url[CHARS];
    uint8_t bytes[BASE64URL_BYTES(CHARS)];
    size_t len;
    if (text.len != HANDSHAKE_KEY_LEN || !str_ends_with(text, STR("==")) ||
        str_find_char(text, '-') >= 0 || str_find_char(text, '_') >= 0)
        return false;
    memcpy(url, text.ptr, CHARS);
    exchange(url, CHARS, '+', '/', '-', '_');
    return base64url_decode(str_of(url, CHARS), bytes, &len) && len == KEY_BYTES;
}

void handshake_accept(struct str key, char ret_accept[HANDSHAKE_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[HANDSHAKE_KEY_LEN + sizeof guid];
    uint8_t digest[SHA1_LEN];
    assert(key.len == HANDSHAKE_KEY_LEN);
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, guid, sizeof guid);
    sha1(str_of(text, sizeof text - 1), digest);
    base64url_encode(str_of((const char *)digest, sizeof digest), ret_accept);
    exchange(ret_accept, HANDSHAKE_ACCEPT_LEN - 1, '-', '_', '+', '/');
    memcpy(ret_accept + HANDSHAKE_ACCEPT_LEN - 1, "=", 2);
}

/* The next entry of a list that is parted by commas. */
static bool next_entry(struct str *list, struct str *ret_entry)
{
    while (list->len) {
        struct str head, tail;
        if (!str_cut(*list, ',', &head, &tail))
            tail = (struct str){ 0 };
        *list = tail;
        *ret_entry = str_trim(head);
        if (ret_entry->len)
            return true;
    }
    return false;
}

bool handshake_has_token(const struct http_request *r, struct str name, struct str token)
{
    size_t at = 0;
    struct str list, entry;
    while (http_header_next(r, name, &at, &list))
        while (next_entry(&list, &entry))
            if (str_eq_nocase(entry, token))
                return true;
    return false;
}

int handshake_protocol(const struct http_request *r, const struct str *ours, size_t count)
{
    size_t at = 0;
    struct str list, entry;
    while (http_header_next(r, STR("Sec-WebSocket-Protocol"), &at, &list))
        while (next_entry(&list, &entry))
            for (size_t i = 0; i < count; i++)
                if (str_eq(entry, ours[i]))
                    return (int)i;
    return -1;
}

static bool refuse(struct http_request *r, int status, struct str why)
{
    if (status == 426) {
        http_add_header(r, STR("Upgrade"), STR("websocket"));
        http_add_header(r, STR("Connection"), STR("Upgrade"));
        http_add_header(r, STR("Sec-WebSocket-Version"), STR("13"));
    }
    http_respond_text(r, status, why);
    return false;
}

bool handshake_check(struct http_request *r, struct str *ret_key)
{
    size_t at = 0;
    struct str another;
    *ret_key = (struct str){ 0 };
    if (!handshake_has_token(r, STR("Upgrade"), STR("websocket")) ||
        !handshake_has_token(r, STR("Connection"), STR("upgrade")))
        return refuse(r, 426, STR("this is a WebSocket; ask for it with Upgrade: websocket"));
    if (!str_eq_c(http_header(r, STR("Sec-WebSocket-Version")), "13"))
        return refuse(r, 426, STR("Sec-WebSocket-Version must be 13"));
    bool has_key = http_header_next(r, STR("Sec-WebSocket-Key"), &at, ret_key);
    if (!has_key || http_header_next(r, STR("Sec-WebSocket-Key"), &at, &another) ||
        !handshake_key_is_valid(*ret_key))
        return refuse(r, 400, STR("Sec-WebSocket-Key must be the Base64 of 16 bytes"));
    if (r->method != HTTP_METHOD_GET || r->body.len || http_request_of_const(r)->is_http10)
        return refuse(r, 400, STR("a WebSocket is asked for with GET of HTTP/1.1 and no body"));
    return true;
}
