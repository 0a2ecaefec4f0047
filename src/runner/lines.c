#include "runner/lines.h"

/* How long the character is that begins there; 0: none does. */
static size_t character_at(struct str text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    bool is_good = first != 0 && len <= text.len && str_is_utf8(str_first(text, len));
    return is_good ? len : 0;
}

static void put_clean(struct buf *out, struct str text)
{
    while (text.len > 0) {
        size_t len = character_at(text);
        if (len > 0)
            buf_put(out, text.ptr, len);
        else
            buf_put_c(out, "\xef\xbf\xbd");
        text = str_from(text, max_of(len, (size_t)1));
    }
}

void lines_add(struct lines *lines, int64_t at_us, const char *stream, struct str text)
{
    struct buf clean;
    struct json_writer w;
    if (lines->newer.len > LINES_BYTES) {
        struct buf reused = lines->older;
        lines->older = lines->newer;
        lines->newer = reused;
        buf_reset(&lines->newer);
    }
    buf_init(&clean, 0);
    put_clean(&clean, str_first(text, LINES_ONE_MAX));
    if (lines->newer.len > 0)
        buf_put_char(&lines->newer, ',');
    w = json_writer_to(&lines->newer);
    json_begin_object(&w);
    json_key_c(&w, "stream");
    json_write_string(&w, str_of_c(stream));
    json_key_c(&w, "at_us");
    json_write_i64(&w, at_us);
    json_key_c(&w, "text");
    json_write_string(&w, clean.len > 0 ? buf_str(&clean) : STR(""));
    json_end_object(&w);
    buf_clear(&clean);
}

bool lines_are_empty(const struct lines *lines)
{
    return lines->older.len == 0 && lines->newer.len == 0;
}

void lines_take(struct lines *lines, struct buf *out)
{
    buf_put(out, lines->older.ptr, lines->older.len);
    if (lines->older.len > 0 && lines->newer.len > 0)
        buf_put_char(out, ',');
    buf_put(out, lines->newer.ptr, lines->newer.len);
    buf_reset(&lines->older);
    buf_reset(&lines->newer);
}

void lines_clear(struct lines *lines)
{
    buf_clear(&lines->older);
    buf_clear(&lines->newer);
}
