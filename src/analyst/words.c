#include "analyst/words.h"

#include <math.h>

#include "base/clock.h"

struct str words_count(struct arena *a, int64_t value)
{
    char digits[24], text[40];
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)rest);
    size_t len = 0;
    if (value < 0)
        text[len++] = '-';
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[len++] = ',';
        text[len++] = digits[i];
    }
    return arena_copy(a, str_of(text, len));
}

struct str words_number(struct arena *a, double value)
{
    if (!isfinite(value))
        return STR("unknown");
    if (fabs(value) >= 1e15)
        return arena_printf(a, "%.3g", value);
    if (fabs(value) >= 999.5 || value == floor(value))
        return words_count(a, (int64_t)round(value));
    return arena_printf(a, "%.3g", value);
}

struct str words_percent(struct arena *a, double share)
{
    double percent = share * 100;
    if (!isfinite(percent))
        return STR("unknown");
    if (percent > 0 && percent < 0.1)
        return STR("<0.1 %");
    bool is_whole = percent >= 9.95 || fabs(percent - round(percent)) < 0.05;
    return is_whole ? arena_printf(a, "%.0f %%", percent) : arena_printf(a, "%.1f %%", percent);
}

struct unit {
    int64_t seconds;
    const char *one, *many;
};

static const struct unit units[] = {
    { 86'400, "day", "days" },
    { 3'600, "h", "h" },
    { 60, "min", "min" },
    { 1, "s", "s" },
};

static struct str in_two_units(struct arena *a, int64_t seconds)
{
    size_t u = 0;
    while (seconds < units[u].seconds)
        u++;
    const struct unit *large = &units[u];
    if (u + 1 == countof(units))
        return arena_printf(a, "%lld s", (long long)seconds);
    const struct unit *small = &units[u + 1];
    /* Rounded to the smaller unit first, so that 59 min 59.9 s is an hour. */
    int64_t parts = (seconds + small->seconds / 2) / small->seconds;
    int64_t in_large = large->seconds / small->seconds;
    int64_t whole = parts / in_large, rest = parts % in_large;
    const char *name = whole == 1 ? large->one : large->many;
    if (rest == 0)
        return arena_printf(a, "%lld %s", (long long)whole, name);
    return arena_printf(a, "%lld %s %lld %s", (long long)whole, name, (long long)rest,
                        rest == 1 ? small->one : small->many);
}

struct str words_duration(struct arena *a, double seconds)
{
    if (!isfinite(seconds) || fabs(seconds) > 1e12)
        return STR("unknown");
    double size = fabs(seconds);
    const char *sign = seconds < 0 ? "-" : "";
    if (size < 0.0005)
        return STR("0 s");
    if (size < 0.9995)
        return arena_printf(a, "%s%.0f ms", sign, size * 1000);
    if (size < 9.95)
        return arena_printf(a, "%s%.*f s", sign, fabs(size - round(size)) < 0.05 ? 0 : 1, size);
    return arena_printf(a, "%s%.*s", sign, STR_FMT(in_two_units(a, (int64_t)round(size))));
}

struct str words_things(struct arena *a, int64_t count, const char *noun, const char *plural)
{
    struct str number = words_count(a, count);
    if (count == 1)
        return arena_printf(a, "%.*s %s", STR_FMT(number), noun);
    return arena_printf(a, "%.*s %s%s", STR_FMT(number), plural ? plural : noun, plural ? "" : "s");
}

struct str words_time(struct arena *a, int64_t wall_us)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(wall_us, text);
    return arena_printf(a, "%.10s %.5s UTC", text, text + 11);
}

/* Bytes of the UTF-8 character that begins with `lead`. */
static size_t char_len(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* What error templates hold: it may stand, while other signs of markup may not. */
static size_t placeholder_len(struct str text)
{
    static const char *const placeholders[] = { "<n>",   "<id>",   "<hex>",     "<text>", "<path>",
                                                "<url>", "<time>", "<address>", "<email>" };
    for (size_t i = 0; i < countof(placeholders); i++)
        if (str_starts_with(text, str_of_c(placeholders[i])))
            return strlen(placeholders[i]);
    return 0;
}

/* Signs that a page could read as markup or as a link become plain ones. */
static char plain(char c)
{
    switch (c) {
    case '`':
        return '\'';
    case '<':
    case '[':
        return '(';
    case '>':
    case ']':
        return ')';
    default:
        return (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
    }
}

struct str words_quoted(struct arena *a, struct str text, size_t max_bytes)
{
    static const struct str ellipsis = { "…", 3 };
    char *out = arena_new_array(a, max_bytes + ellipsis.len + 1, char);
    size_t len = 0;
    text = str_trim(text);
    for (size_t i = 0; i < text.len;) {
        size_t held = placeholder_len(str_from(text, i));
        size_t size = held > 0 ? held : min_of(char_len((unsigned char)text.ptr[i]), text.len - i);
        if (len + size > max_bytes) {
            memcpy(out + len, ellipsis.ptr, ellipsis.len);
            return str_of(out, len + ellipsis.len);
        }
        for (size_t k = 0; k < size; k++)
            out[len++] = held > 0 ? text.ptr[i + k] : plain(text.ptr[i + k]);
        i += size;
    }
    return str_of(out, len);
}
