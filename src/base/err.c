#include "base/err.h"

#include <errno.h>

static const char *const code_names[ERR_CODE_COUNT] = {
    [ERR_NONE] = "none",
    [ERR_INVALID] = "invalid",
    [ERR_NOT_FOUND] = "not-found",
    [ERR_CONFLICT] = "conflict",
    [ERR_UNAUTHENTICATED] = "unauthenticated",
    [ERR_DENIED] = "denied",
    [ERR_LIMIT] = "limit",
    [ERR_RATE] = "rate",
    [ERR_TIMEOUT] = "timeout",
    [ERR_UNAVAILABLE] = "unavailable",
    [ERR_CANCELLED] = "cancelled",
    [ERR_INTERNAL] = "internal",
    [ERR_MISDIRECTED] = "misdirected",
};

static void born(struct err *e, enum err_code code, enum err_origin origin, const char *file,
                 int line)
{
    assert(code > ERR_NONE && code < ERR_CODE_COUNT);
    *e = (struct err){ .code = code, .origin = origin, .line = line, .file = file };
}

bool err_set_at(struct err *e, enum err_code code, enum err_origin origin, const char *file,
                int line, const char *fmt, ...)
{
    born(e, code, origin, file, line);
    va_list args;
    va_start(args, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, args);
    va_end(args);
    return false;
}

bool err_set_errno_at(struct err *e, enum err_code code, const char *file, int line,
                      const char *fmt, ...)
{
    char reason[96];
    const char *text = strerror_r(errno, reason, sizeof reason);
    born(e, code, ERR_ORIGIN_SELF, file, line);
    va_list args;
    va_start(args, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, args);
    va_end(args);
    size_t len = strlen(e->message);
    snprintf(e->message + len, sizeof e->message - len, ": %s", text);
    return false;
}

bool err_in(struct err *e, const char *fmt, ...)
{
    assert(e->code != ERR_NONE);
    size_t len = strlen(e->context);
    if (len > 0 && len + 2 < sizeof e->context) {
        memcpy(e->context + len, "; ", 3);
        len += 2;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(e->context + len, sizeof e->context - len, fmt, args);
    va_end(args);
    return false;
}

const char *err_code_name(enum err_code code)
{
    return code >= 0 && code < ERR_CODE_COUNT ? code_names[code] : "unknown";
}

const char *err_text(const struct err *e)
{
    static thread_local char text[sizeof e->message + sizeof e->context + 96];
    const char *file = e->file ? e->file : "?";
    if (e->context[0])
        snprintf(text, sizeof text, "%s (%s) at %s:%d", e->message, e->context, file, e->line);
    else
        snprintf(text, sizeof text, "%s at %s:%d", e->message, file, e->line);
    return text;
}
