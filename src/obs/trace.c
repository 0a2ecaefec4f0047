#include "obs/trace.h"

#include "base/base64.h"
#include "base/hex.h"
#include "base/random.h"

enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

/* Lower case only, as the specification wants. */
static bool read_hex(struct str text, size_t at, uint8_t *ret_bytes, size_t count)
{
    return hex_read(str_first(str_from(text, at), 2 * count), ret_bytes) == count;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= bytes[i];
    return any == 0;
}

bool trace_parse(struct str header, struct trace *ret_trace)
{
    struct trace t;
    uint8_t version, flags;
    if (header.len < TRACE_TEXT_LEN || !read_hex(header, VERSION_AT, &version, 1) ||
        version == 0xff || (version == 0 && header.len > TRACE_TEXT_LEN) ||
        (header.len > TRACE_TEXT_LEN && header.ptr[TRACE_TEXT_LEN] != '-') ||
        header.ptr[TRACE_AT - 1] != '-' || header.ptr[SPAN_AT - 1] != '-' ||
        header.ptr[FLAGS_AT - 1] != '-')
        return false;
    if (!read_hex(header, TRACE_AT, t.trace_id, sizeof t.trace_id) ||
        !read_hex(header, SPAN_AT, t.span_id, sizeof t.span_id) ||
        !read_hex(header, FLAGS_AT, &flags, 1) || is_zero(t.trace_id, sizeof t.trace_id) ||
        is_zero(t.span_id, sizeof t.span_id))
        return false;
    t.is_sampled = flags & 1;
    *ret_trace = t;
    return true;
}

void trace_format(const struct trace *t, char ret_text[TRACE_TEXT_LEN + 1])
{
    const uint8_t flags = t->is_sampled;
    memset(ret_text, '-', TRACE_TEXT_LEN);
    memcpy(ret_text + VERSION_AT, "00", 2);
    hex_write(t->trace_id, sizeof t->trace_id, ret_text + TRACE_AT);
    hex_write(t->span_id, sizeof t->span_id, ret_text + SPAN_AT);
    hex_write(&flags, 1, ret_text + FLAGS_AT);
    ret_text[TRACE_TEXT_LEN] = '\0';
}

void trace_id_hex(const struct trace *t, char ret_hex[TRACE_ID_HEX_LEN + 1])
{
    hex_write(t->trace_id, sizeof t->trace_id, ret_hex);
    ret_hex[TRACE_ID_HEX_LEN] = '\0';
}

struct trace trace_child(const struct trace *parent)
{
    struct trace t = *parent;
    do
        random_ids(t.span_id, sizeof t.span_id);
    while (is_zero(t.span_id, sizeof t.span_id));
    return t;
}

struct trace trace_start(void)
{
    struct trace t = { 0 };
    do
        random_ids(t.trace_id, sizeof t.trace_id);
    while (is_zero(t.trace_id, sizeof t.trace_id));
    return trace_child(&t);
}

void request_id_make(char ret_text[REQUEST_ID_LEN + 1])
{
    uint8_t bytes[BASE64URL_BYTES(REQUEST_ID_LEN)];
    random_ids(bytes, sizeof bytes);
    base64url_encode(str_of((const char *)bytes, sizeof bytes), ret_text);
}

bool request_id_is_valid(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return id.len > 0 && id.len <= REQUEST_ID_LEN_MAX;
}
