/* logs_read: the lines that a call brings. */
#include "base/clock.h"
#include "worker/door.h"
#include "worker/logs_priv.h"

static const struct str cut_mark = { "…", 3 };

static bool is_stream(struct str name)
{
    if (name.len == 0 || name.len > LOG_STREAM_MAX || str_eq(name, STR(LOG_OWN_STREAM)))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_good =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        if (!is_good)
            return false;
    }
    return true;
}

/* At most LOG_LINE_MAX bytes, cut between characters. */
static struct str shortened(struct arena *a, struct str text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    if (text.len <= LOG_LINE_MAX)
        return text;
    struct str head = str_first_whole(text, LOG_LINE_MAX - cut_mark.len);
    return arena_printf(a, "%.*s%.*s", STR_FMT(head), STR_FMT(cut_mark));
}

/* The lines of one call; beyond LOG_ITEM_LINES_MAX the oldest give way. */
struct gathered {
    struct arena *a;
    struct log_line *ring;
    size_t count; /* in all */
};

static void gather(struct gathered *g, int64_t at_us, struct str stream, struct str text)
{
    bool more = true;
    while (more) {
        struct str line = text, rest = STR("");
        more = str_cut(text, '\n', &line, &rest) && rest.len > 0;
        g->ring[g->count++ % LOG_ITEM_LINES_MAX] = (struct log_line){ at_us, stream, line };
        text = rest;
    }
}

static void straighten(const struct gathered *g, struct log_lines *ret_lines)
{
    size_t kept = min_of(g->count, (size_t)LOG_ITEM_LINES_MAX);
    struct log_line *lines = arena_new_array(g->a, kept, struct log_line);
    for (size_t i = 0; i < kept; i++) {
        lines[i] = g->ring[(g->count - kept + i) % LOG_ITEM_LINES_MAX];
        lines[i].text = shortened(g->a, lines[i].text);
    }
    *ret_lines = (struct log_lines){ lines, kept, g->count - kept };
}

static bool read_line(struct gathered *g, const struct json_value *v, const char *at, size_t i,
                      struct err *e)
{
    const struct json_value *stream = json_get_c(v, "stream"), *text = json_get_c(v, "text");
    const struct json_value *when = json_get_c(v, "at_us");
    static const char *const members[] = { "stream", "text", "at_us", NULL };
    struct str name = STR("stdout");
    int64_t at_us = clock_wall_us();
    char place[72];
    snprintf(place, sizeof place, "%slogs[%zu].", at, i);
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "%slogs[%zu]: is no object", at, i);
    if (!json_only(v, place, members, e))
        return false;
    if (!text || text->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "%slogs[%zu].text: is no string", at, i);
    if (stream && stream->type != JSON_NULL) {
        name = stream->type == JSON_STRING ? stream->text : STR("");
        if (!is_stream(name))
            return err_set(
                e, ERR_INVALID,
                "%slogs[%zu].stream: is no name of at most %d of a-z, 0-9, '_', '-', '.'", at, i,
                LOG_STREAM_MAX);
    }
    if (when && when->type != JSON_NULL &&
        (when->type != JSON_NUMBER || !json_to_i64(when, &at_us) || at_us < 0))
        return err_set(e, ERR_INVALID, "%slogs[%zu].at_us: is no time", at, i);
    gather(g, at_us, name, text->text);
    return true;
}

bool logs_read(struct arena *a, const struct json_value *list, const char *at,
               struct log_lines *ret_lines, struct err *e)
{
    *ret_lines = (struct log_lines){ 0 };
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "%slogs: is no list", at);
    if (list->item_count == 0)
        return true;
    struct gathered g = { .a = a, .ring = arena_new_array(a, LOG_ITEM_LINES_MAX, struct log_line) };
    for (size_t i = 0; i < list->item_count; i++)
        if (!read_line(&g, &list->items[i], at, i, e))
            return false;
    straighten(&g, ret_lines);
    return true;
}
