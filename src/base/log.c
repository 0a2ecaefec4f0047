#include "base/log.h"

#include <limits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static struct {
    const char *service;
    enum log_level level;
    enum log_format format;
} log_state = { .service = "windlass", .level = LOG_INFO, .format = LOG_FORMAT_LOGFMT };

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
};
static const char *const format_names[] = {
    [LOG_FORMAT_LOGFMT] = "logfmt", [LOG_FORMAT_JSON] = "json", [LOG_FORMAT_TEXT] = "text"
};

enum { LINE_BYTES_MAX = 16 * 1024 };

void log_setup(const char *service, enum log_level level, enum log_format format)
{
    log_state.service = service;
    log_state.level = level;
    log_state.format = format;
}

void log_set_level(enum log_level level)
{
    log_state.level = level;
}

bool log_level_from_name(struct str name, enum log_level *ret_level)
{
    for (size_t i = 0; i < countof(level_names); i++)
        if (str_eq_c(name, level_names[i])) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

bool log_format_from_name(struct str name, enum log_format *ret_format)
{
    for (size_t i = 0; i < countof(format_names); i++)
        if (str_eq_c(name, format_names[i])) {
            *ret_format = (enum log_format)i;
            return true;
        }
    return false;
}

bool log_is_on(enum log_level level)
{
    return level >= log_state.level;
}

static void put_escaped(struct buf *out, struct str value, size_t max)
{
    for (size_t i = 0; i < value.len && i < max; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_put_c(out, "\\n");
        else if (c == '\t')
            buf_put_c(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put_char(out, (char)c);
    }
}

static bool needs_quotes(struct str value)
{
    if (value.len == 0 || value.len > LOG_QUOTE_MAX)
        return true;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return false;
}

const char *log_quote(struct str value)
{
    static thread_local char texts[4][LOG_QUOTE_MAX * 6 + 8];
    static thread_local unsigned next;
    char *text = texts[next++ % countof(texts)];
    struct buf out;
    buf_init(&out, 0);
    bool quoted = needs_quotes(value);
    if (quoted)
        buf_put_char(&out, '"');
    put_escaped(&out, value, LOG_QUOTE_MAX);
    if (value.len > LOG_QUOTE_MAX)
        buf_put_c(&out, "…");
    if (quoted)
        buf_put_char(&out, '"');
    memcpy(text, out.ptr, out.len);
    text[out.len] = '\0';
    buf_clear(&out);
    return text;
}

/* The next value of logfmt pairs; `*ret_quoted` tells that it still holds its escapes. */
static struct str next_value(struct str *rest, bool *ret_quoted)
{
    *ret_quoted = rest->len > 0 && rest->ptr[0] == '"';
    size_t end = *ret_quoted ? 1 : 0;
    while (end < rest->len && rest->ptr[end] != (*ret_quoted ? '"' : ' '))
        end += *ret_quoted && rest->ptr[end] == '\\' && end + 1 < rest->len ? 2 : 1;
    end = min_of(end, rest->len);
    struct str value = *ret_quoted ? str_of(rest->ptr + 1, end - 1) : str_first(*rest, end);
    *rest = str_from(*rest, *ret_quoted ? end + 1 : end);
    return value;
}

/* logfmt pairs as members of a JSON object; log_quote's escapes are JSON's own. */
static void put_json_pairs(struct buf *out, struct str pairs)
{
    while (pairs.len > 0) {
        struct str key, value;
        bool quoted = false;
        if (pairs.ptr[0] == ' ') {
            pairs = str_from(pairs, 1);
            continue;
        }
        if (!str_cut(pairs, '=', &key, &pairs)) { /* no pair: free text, kept whole */
            buf_put_c(out, ",\"text\":\"");
            put_escaped(out, key, key.len);
            buf_put_char(out, '"');
            return;
        }
        value = next_value(&pairs, &quoted);
        buf_put_c(out, ",\"");
        put_escaped(out, key, key.len);
        buf_put_c(out, "\":\"");
        if (quoted)
            buf_put_str(out, value);
        else
            put_escaped(out, value, value.len);
        buf_put_char(out, '"');
    }
}

static void put_line(struct buf *out, const char *service, enum log_level level, const char *event,
                     struct str pairs)
{
    char now[CLOCK_TEXT_MAX];
    clock_format(clock_wall_us(), now);
    switch (log_state.format) {
    case LOG_FORMAT_JSON:
        buf_printf(out, "{\"ts\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"event\":\"%s\"", now,
                   level_names[level], service, event);
        put_json_pairs(out, pairs);
        buf_put_char(out, '}');
        break;
    case LOG_FORMAT_TEXT:
        buf_printf(out, "%.12s %-5s %-8s %s %.*s", now + 11, level_names[level], service, event,
                   STR_FMT(pairs));
        break;
    case LOG_FORMAT_LOGFMT:
        buf_printf(out, "ts=%s level=%s service=%s event=%s %.*s", now, level_names[level], service,
                   event, STR_FMT(pairs));
        break;
    }
    while (out->len > 0 && out->ptr[out->len - 1] == ' ')
        out->len--;
}

/* Several lines of one thread, at most what a pipe takes as one piece. */
static thread_local struct {
    char bytes[PIPE_BUF];
    size_t len;
    bool is_on;
} held;

static void write_held(void)
{
    if (held.len > 0)
        (void)!write(STDERR_FILENO, held.bytes, held.len);
    held.len = 0;
}

void log_hold(void)
{
    held.is_on = true;
}

void log_release(void)
{
    held.is_on = false;
    write_held();
}

/*
 * One write a line, or for several that are held: lines of several threads and processes never mix
 * within a pipe's PIPE_BUF. A log that cannot be written must not stop the service.
 */
static void send_line(struct buf *line, bool may_wait)
{
    buf_put_char(line, '\n');
    if (line->len > sizeof held.bytes - held.len)
        write_held();
    if (held.is_on && may_wait && line->len <= sizeof held.bytes) {
        memcpy(held.bytes + held.len, line->ptr, line->len);
        held.len += line->len;
    } else {
        write_held();
        (void)!write(STDERR_FILENO, line->ptr, line->len);
    }
    buf_clear(line);
}

static void like_printf(4, 0) log_write(const char *service, enum log_level level,
                                        const char *event, const char *fmt, va_list args)
{
    char pairs[LINE_BYTES_MAX / 2];
    int len = vsnprintf(pairs, sizeof pairs, fmt, args);
    struct buf line;
    buf_init(&line, 0);
    put_line(&line, service, level, event,
             str_of(pairs, len < 0 ? 0 : min_of((size_t)len, sizeof pairs - 1)));
    send_line(&line, level < LOG_WARN);
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_write(log_state.service, level, event, fmt, args);
    va_end(args);
}

void log_line_for(const char *service, enum log_level level, const char *event, const char *fmt,
                  ...)
{
    va_list args;
    va_start(args, fmt);
    log_write(service, level, event, fmt, args);
    va_end(args);
}

void log_relay(struct str text)
{
    struct buf line;
    buf_init(&line, 0);
    buf_put_str(&line, text);
    send_line(&line, false);
}
