#include "json/path_priv.h"

/* Text that grows to a bound and then ends with an ellipsis, never inside a character. */
struct line {
    char *text;
    size_t len;
    bool is_full;
};

static const char ellipsis[] = "…";

static void put(struct line *l, struct str piece)
{
    if (l->is_full)
        return;
    size_t room = JSON_PATH_TEXT_MAX - sizeof ellipsis - l->len;
    if (piece.len > room) {
        l->is_full = true;
        piece.len = room;
    }
    if (piece.len > 0)
        memcpy(l->text + l->len, piece.ptr, piece.len);
    l->len += piece.len;
}

static void finish(struct line *l)
{
    if (l->is_full) {
        while (((unsigned char)l->text[l->len - 1] & 0xC0) == 0x80) /* perhaps half a character */
            l->len--;
        l->len -= (unsigned char)l->text[l->len - 1] >= 0xC0;
        memcpy(l->text + l->len, ellipsis, sizeof ellipsis - 1);
        l->len += sizeof ellipsis - 1;
    }
    l->text[l->len] = '\0';
}

static bool is_plain(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return key.len > 0;
}

static void put_escaped(struct line *l, struct str key)
{
    for (size_t i = 0; i < key.len && !l->is_full; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        char text[8];
        if (c == '"' || c == '\\')
            put(l, str_of(text, (size_t)snprintf(text, sizeof text, "\\%c", c)));
        else if (c < 0x20)
            put(l, str_of(text, (size_t)snprintf(text, sizeof text, "\\u%04x", c)));
        else
            put(l, str_of(key.ptr + i, 1));
    }
}

static void put_step(struct line *l, const struct json_step *step)
{
    char index[24];
    if (!step->is_key) {
        put(l, str_of(index, (size_t)snprintf(index, sizeof index, "[%zu]", step->index)));
    } else if (is_plain(step->key)) {
        put(l, STR("."));
        put(l, step->key);
    } else {
        put(l, STR("[\""));
        if (step->is_escaped)
            put(l, step->key);
        else
            put_escaped(l, step->key);
        put(l, STR("\"]"));
    }
}

void json_path_format(const struct json_step *leaf, char ret_text[JSON_PATH_TEXT_MAX])
{
    const struct json_step *steps[JSON_DEPTH_MAX + 1];
    size_t count = 0;
    for (; leaf && count < countof(steps); leaf = leaf->parent)
        steps[count++] = leaf;
    struct line l = { .text = ret_text };
    put(&l, STR("$"));
    while (count > 0)
        put_step(&l, steps[--count]);
    finish(&l);
}

/* The length of the string that starts at text[from] == '"', its quotes included, or up to `end`.
 */
static size_t string_len(struct str text, size_t from, size_t end)
{
    for (size_t i = from + 1; i < end; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            return i + 1 - from;
    }
    return end - from;
}

void json_path_of_text(struct str text, size_t at, char ret_text[JSON_PATH_TEXT_MAX])
{
    struct json_step
        steps[JSON_DEPTH_MAX]; /* an object's step without a key yet has an empty one */
    size_t depth = 0;
    size_t end = min_of(at, text.len);
    struct str string = { 0 };
    for (size_t i = 0; i < end; i++) {
        struct json_step *top = depth > 0 ? &steps[min_of(depth, countof(steps)) - 1] : NULL;
        char c = text.ptr[i];
        if (c == '"') {
            string = str_of(text.ptr + i, string_len(text, i, end));
            i += string.len - 1;
        } else if (c == '[' || c == '{') {
            if (depth++ < countof(steps))
                steps[depth - 1] = (struct json_step){ .parent = top, .is_key = c == '{' };
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ':' && top && string.len >= 2) {
            top->key = str_of(string.ptr + 1, string.len - 2);
            top->is_escaped = true;
        } else if (c == ',' && top) {
            top->index++;
            top->is_escaped = false;
        }
    }
    struct json_step *leaf = depth > 0 ? &steps[min_of(depth, countof(steps)) - 1] : NULL;
    if (leaf && leaf->is_key && !leaf->is_escaped) /* at a key, or before one */
        leaf = depth > 1 ? leaf - 1 : NULL;
    json_path_format(leaf, ret_text);
}
