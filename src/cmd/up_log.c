#include "cmd/up_log_priv.h"

void up_lines_init(struct up_lines *lines)
{
    *lines = (struct up_lines){ 0 };
    buf_init(&lines->partial, 0);
}

void up_lines_clear(struct up_lines *lines)
{
    buf_clear(&lines->partial);
    lines->is_cutting = false;
}

static void tell(struct str line, up_line_fn *fn, void *owner)
{
    if (str_ends_with(line, STR("\r")))
        line.len--;
    if (line.len > 0)
        fn(owner, str_first(line, UP_LINE_BYTES_MAX));
}

void up_lines_feed(struct up_lines *lines, struct str bytes, up_line_fn *fn, void *owner)
{
    struct str head, tail;
    while (str_cut(bytes, '\n', &head, &tail)) {
        bytes = tail;
        if (lines->partial.len == 0 && !lines->is_cutting) {
            tell(head, fn, owner);
            continue;
        }
        if (!lines->is_cutting)
            buf_put_str(&lines->partial, head);
        tell(buf_str(&lines->partial), fn, owner);
        buf_reset(&lines->partial);
        lines->is_cutting = false;
    }
    if (lines->is_cutting)
        return;
    buf_put_str(&lines->partial, bytes);
    lines->is_cutting = lines->partial.len > UP_LINE_BYTES_MAX;
}

void up_lines_end(struct up_lines *lines, up_line_fn *fn, void *owner)
{
    tell(buf_str(&lines->partial), fn, owner);
    buf_reset(&lines->partial);
    lines->is_cutting = false;
}

/* "06:37:10.123 info  gateway  event …" */
static bool is_text_line(struct str line, struct str service)
{
    enum { TIME_LEN = 12, LEVEL_LEN = 7, SERVICE_AT = TIME_LEN + LEVEL_LEN };
    static const char shape[] = "dd:dd:dd.ddd ";
    if (line.len <= SERVICE_AT + service.len)
        return false;
    for (size_t i = 0; i < sizeof shape - 1; i++)
        if (shape[i] == 'd' ? line.ptr[i] < '0' || line.ptr[i] > '9' : line.ptr[i] != shape[i])
            return false;
    return str_eq(str_first(str_from(line, SERVICE_AT), service.len), service);
}

bool up_log_is_ours(struct str line, const char *service)
{
    enum { HEAD_MAX = 128 }; /* the service stands within it */
    char needle[64];
    if (is_text_line(line, str_of_c(service)))
        return true;
    bool is_json = str_starts_with(line, STR("{\"ts\":\""));
    if (!is_json && !str_starts_with(line, STR("ts=")))
        return false;
    if (is_json && line.ptr[line.len - 1] != '}')
        return false; /* cut off */
    int len =
        snprintf(needle, sizeof needle, is_json ? "\"service\":\"%s\"" : " service=%s ", service);
    return str_find(str_first(line, HEAD_MAX), str_of(needle, (size_t)len)) >= 0;
}

void up_log_relay(const char *service, struct str line)
{
    if (up_log_is_ours(line, service))
        log_relay(line);
    else
        log_line_for(service, LOG_WARN, "output", "text=%s", log_quote(line));
}

bool up_postgres_parse(struct str line, struct up_postgres_line *ret_line)
{
    struct up_postgres_line parsed = { 0 };
    uint64_t pid = 0;
    if (!str_cut(line, ' ', &parsed.pid, &line) || !str_to_u64(parsed.pid, &pid) ||
        !str_cut(line, ' ', &parsed.sqlstate, &line) || parsed.sqlstate.len != 5 ||
        !str_cut(line, ':', &parsed.severity, &line))
        return false;
    parsed.text = str_trim(line);
    *ret_line = parsed;
    return true;
}

static bool is_one_of(struct str value, const char *const *list)
{
    for (; *list; list++)
        if (str_starts_with(value, str_of_c(*list)))
            return true;
    return false;
}

enum log_level up_postgres_level(const struct up_postgres_line *line)
{
    /* Told to the client, who reports them where they matter: values, constraints, serialization,
     * syntax and rights, cancelled statements. */
    static const char *const client_states[] = { "22", "23", "40", "42", "57014", NULL };
    /* Starting, stopping, a client that went away. */
    static const char *const calm_states[] = { "57P01", "57P03", "08", NULL };
    static const char *const loud[] = { "FATAL", "PANIC", NULL };
    static const char *const notable[] = { "WARNING", "ERROR", NULL };
    static const char *const quiet[] = { "DEBUG",     "DETAIL", "HINT",     "CONTEXT",
                                         "STATEMENT", "QUERY",  "LOCATION", NULL };
    if (is_one_of(line->severity, quiet) || is_one_of(line->sqlstate, calm_states))
        return LOG_DEBUG;
    if (str_eq_c(line->severity, "ERROR") && is_one_of(line->sqlstate, client_states))
        return LOG_DEBUG;
    if (is_one_of(line->severity, loud))
        return LOG_ERROR;
    return is_one_of(line->severity, notable) ? LOG_WARN : LOG_INFO;
}
