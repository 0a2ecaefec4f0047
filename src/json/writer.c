#include "json/writer.h"

#include <math.h>
#include <yyjson.h>

/* Escapes of RFC 8259 section 7: 0 is none, 'u' is the six-character form. */
static const char escapes[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
    [0x06] = 'u', [0x07] = 'u', [0x08] = 'b', [0x09] = 't',  [0x0a] = 'n', [0x0b] = 'u',
    [0x0c] = 'f', [0x0d] = 'r', [0x0e] = 'u', [0x0f] = 'u',  [0x10] = 'u', [0x11] = 'u',
    [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u',  [0x1c] = 'u', [0x1d] = 'u',
    [0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

/* Sixteen bytes at once. */
typedef uint8_t block __attribute__((vector_size(16)));

/* Of each byte whether it needs an escape, below 0x20, a quote or a backslash: all its bits, or
 * none. */
static block escape_marks(block bytes)
{
    return (block)(bytes < 0x20) | (block)(bytes == '"') | (block)(bytes == '\\');
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "words are read with the first byte lowest");

/* How many bytes come before the first mark, or the size of a block. */
static size_t plain_bytes(block marks)
{
    uint64_t halves[2];
    memcpy(halves, &marks, sizeof halves);
    if (!(halves[0] | halves[1]))
        return sizeof marks;
    return halves[0] ? (size_t)__builtin_ctzll(halves[0]) / 8
                     : 8 + (size_t)__builtin_ctzll(halves[1]) / 8;
}

static char *put_escape(char *at, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    *at++ = '\\';
    *at++ = escapes[c];
    if (escapes[c] == 'u') {
        *at++ = '0';
        *at++ = '0';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
    }
    return at;
}

/* True where one of the eight bytes needs an escape: below 0x20, a quote or a backslash. The
 * borrow of one byte can only mark its neighbours wrongly where it marks itself rightly. */
static bool word_needs_escape(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101U;
    const uint64_t highs = 0x8080808080808080U;
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    uint64_t found = (word - ones * 0x20) | (quote - ones) | (backslash - ones);
    return (found & ~word & highs) != 0;
}

/* Less than a block, as two words that may overlap; false, and nothing of use written, where it
 * needs an escape or is too short for that. */
static bool copy_plain(char *at, const char *from, size_t len)
{
    uint64_t first, last;
    if (len < sizeof first)
        return false;
    memcpy(&first, from, sizeof first);
    memcpy(&last, from + len - sizeof last, sizeof last);
    memcpy(at, &first, sizeof first);
    memcpy(at + len - sizeof last, &last, sizeof last);
    return !word_needs_escape(first) && !word_needs_escape(last);
}

char *json_escape(char *at, struct str s)
{
    const char *from = s.ptr;
    size_t left = s.len;
    while (left >= sizeof(block)) {
        block bytes;
        memcpy(&bytes, from, sizeof bytes);
        memcpy(at, &bytes, sizeof bytes);
        size_t plain = plain_bytes(escape_marks(bytes));
        at += plain;
        if (plain < sizeof bytes)
            at = put_escape(at, (unsigned char)from[plain++]);
        from += plain;
        left -= plain;
    }
    if (copy_plain(at, from, left))
        return at + left;
    for (; left > 0; left--, from++)
        if (escapes[(unsigned char)*from])
            at = put_escape(at, (unsigned char)*from);
        else
            *at++ = *from;
    return at;
}

/* Longer texts, and those near the buffer's bound, go in pieces of which each is measured first. */
enum { AT_ONCE_MAX = 1024, PIECE_BYTES = 128 };

static void put_pieces(struct buf *b, struct str s)
{
    char piece[JSON_ESCAPED_MAX(PIECE_BYTES)];
    buf_put_char(b, '"');
    while (s.len > 0 && !b->failed) {
        struct str head = str_first(s, PIECE_BYTES);
        buf_put(b, piece, (size_t)(json_escape(piece, head) - piece));
        s = str_from(s, head.len);
    }
    buf_put_char(b, '"');
}

void json_put_string(struct buf *b, struct str s)
{
    size_t most = JSON_ESCAPED_MAX(s.len) + 2;
    bool fits = s.len <= AT_ONCE_MAX && buf_has_room(b, most);
    char *start = fits ? buf_reserve(b, most) : NULL;
    if (!start) {
        put_pieces(b, s);
        return;
    }
    char *at = start;
    *at++ = '"';
    at = json_escape(at, s);
    *at++ = '"';
    buf_advance(b, (size_t)(at - start));
}

/* Whole numbers that a double holds exactly are written as such: 3, not 3.0. */
static bool is_exact_whole(double value)
{
    const double limit = 9007199254740992.0; /* 2^53 */
    return value > -limit && value < limit && floor(value) == value &&
           !(signbit(value) && fpclassify(value) == FP_ZERO);
}

void json_put_double(struct buf *b, double value)
{
    if (!isfinite(value)) {
        buf_put_c(b, "null");
        return;
    }
    if (is_exact_whole(value)) {
        buf_put_i64(b, (int64_t)value);
        return;
    }
    char pool[512];
    yyjson_alc alc;
    yyjson_val number = { .tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = value };
    bool is_ready = yyjson_alc_pool_init(&alc, pool, sizeof pool);
    assert(is_ready);
    size_t len = 0;
    char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    assert(text);
    buf_put(b, text, len);
}

static void put_array(struct buf *b, const struct json_value *v)
{
    buf_put_char(b, '[');
    for (size_t i = 0; i < v->item_count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        json_put_value(b, &v->items[i]);
    }
    buf_put_char(b, ']');
}

static void put_object(struct buf *b, const struct json_value *v)
{
    buf_put_char(b, '{');
    for (size_t i = 0; i < v->member_count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        json_put_string(b, v->members[i].key);
        buf_put_char(b, ':');
        json_put_value(b, &v->members[i].value);
    }
    buf_put_char(b, '}');
}

void json_put_value(struct buf *b, const struct json_value *v)
{
    switch (v->type) {
    case JSON_NULL:
        buf_put_c(b, "null");
        break;
    case JSON_BOOL:
        buf_put_c(b, v->boolean ? "true" : "false");
        break;
    case JSON_NUMBER:
        buf_put_str(b, v->text);
        break;
    case JSON_STRING:
        json_put_string(b, v->text);
        break;
    case JSON_ARRAY:
        put_array(b, v);
        break;
    case JSON_OBJECT:
        put_object(b, v);
        break;
    }
}

static struct buf *next_value(struct json_writer *w)
{
    if (w->needs_comma)
        buf_put_char(w->out, ',');
    w->needs_comma = true;
    return w->out;
}

static void begin(struct json_writer *w, char bracket)
{
    buf_put_char(next_value(w), bracket);
    w->depth++;
    w->needs_comma = false;
}

static void end(struct json_writer *w, char bracket)
{
    assert(w->depth > 0);
    buf_put_char(w->out, bracket);
    w->depth--;
    w->needs_comma = true;
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, ']');
}

void json_key(struct json_writer *w, struct str key)
{
    assert(w->depth > 0);
    json_put_string(next_value(w), key);
    buf_put_char(w->out, ':');
    w->needs_comma = false;
}

void json_key_plain(struct json_writer *w, struct str key)
{
    enum { AROUND = 3 }; /* two quotes and a colon */
    assert(w->depth > 0);
    char *start = buf_reserve(w->out, key.len + AROUND + w->needs_comma);
    if (!start)
        return;
    char *at = start;
    if (w->needs_comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, key.ptr, key.len);
    at += key.len;
    *at++ = '"';
    *at++ = ':';
    buf_advance(w->out, (size_t)(at - start));
    w->needs_comma = false;
}

void json_write_null(struct json_writer *w)
{
    buf_put_c(next_value(w), "null");
}

void json_write_bool(struct json_writer *w, bool value)
{
    buf_put_c(next_value(w), value ? "true" : "false");
}

void json_write_i64(struct json_writer *w, int64_t value)
{
    buf_put_i64(next_value(w), value);
}

void json_write_u64(struct json_writer *w, uint64_t value)
{
    buf_put_u64(next_value(w), value);
}

void json_write_double(struct json_writer *w, double value)
{
    json_put_double(next_value(w), value);
}

void json_write_string(struct json_writer *w, struct str s)
{
    json_put_string(next_value(w), s);
}

void json_write_value(struct json_writer *w, const struct json_value *v)
{
    json_put_value(next_value(w), v);
}

void json_write_raw(struct json_writer *w, struct str text)
{
    buf_put_str(next_value(w), text);
}
