#include "runner/tail.h"

#define REPLACEMENT "\xef\xbf\xbd"

void tail_init(struct tail *tail)
{
    *tail = (struct tail){ 0 };
    buf_init(&tail->bytes, 0);
}

void tail_clear(struct tail *tail)
{
    buf_clear(&tail->bytes);
}

void tail_add(struct tail *tail, struct str bytes)
{
    size_t beyond = bytes.len > TAIL_BYTES ? bytes.len - TAIL_BYTES : 0;
    buf_put_str(&tail->bytes, str_from(bytes, beyond));
    tail->is_cut |= tail->bytes.len > TAIL_BYTES || beyond > 0;
    if (tail->bytes.len > (size_t)2 * TAIL_BYTES)
        buf_consume(&tail->bytes, tail->bytes.len - TAIL_BYTES);
}

/* The length of the character that begins `text`; 0: it begins with none. */
static size_t character(struct str text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++)
        if (str_is_utf8(str_first(text, len)))
            return text.ptr[0] == '\0' ? 0 : len;
    return 0;
}

void tail_put_valid(struct buf *out, struct str bytes)
{
    while (bytes.len > 0) {
        size_t len = character(bytes);
        buf_put_str(out, len > 0 ? str_first(bytes, len) : STR(REPLACEMENT));
        bytes = str_from(bytes, max_of(len, (size_t)1));
    }
}

struct str tail_text(struct arena *a, const struct tail *tail)
{
    struct str bytes = buf_str(&tail->bytes);
    struct buf text;
    buf_init(&text, 0);
    if (bytes.len > TAIL_BYTES)
        bytes = str_from(bytes, bytes.len - TAIL_BYTES);
    while (tail->is_cut && bytes.len > 0 && ((unsigned char)bytes.ptr[0] & 0xc0) == 0x80)
        bytes = str_from(bytes, 1); /* the rest of a character that the cut went through */
    tail_put_valid(&text, bytes);
    struct str copy = arena_copy(a, buf_str(&text));
    buf_clear(&text);
    return copy;
}

struct str tail_last_line(struct arena *a, const struct tail *tail)
{
    struct str text = str_trim(tail_text(a, tail));
    size_t from = text.len;
    while (from > 0 && text.ptr[from - 1] != '\n')
        from--;
    return str_trim(str_from(text, from));
}
