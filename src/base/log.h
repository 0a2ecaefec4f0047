/*
 * log: one line an event, to standard error. `log_info("task.claimed", "task=%.*s attempt=%d", …)`:
 * a stable dotted event, then logfmt pairs. Values that may hold spaces or quotes go through
 * log_quote. Never a password, a token or a payload.
 * Source: docs/style.md section 5.  Thread: any; a line is one write.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
/* TEXT is for people at a terminal: short time, level, event, pairs. */
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* Before the first thread starts. `service` names the process in each line and must stay alive. */
void log_setup(const char *service, enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
[[nodiscard]] bool log_level_from_name(struct str name, enum log_level *ret_level);
[[nodiscard]] bool log_format_from_name(struct str name, enum log_format *ret_format);

[[nodiscard]] bool log_is_on(enum log_level level);
void log_line(enum log_level level, const char *event, const char *fmt, ...) like_printf(3, 4);
/* As log_line, for what another program said: `service` takes the place of this process's name. */
void log_line_for(const char *service, enum log_level level, const char *event, const char *fmt,
                  ...) like_printf(4, 5);
/* A finished line of another process, without its line end, as it came. */
void log_relay(struct str line);

#define log_at(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_on(level))                                                                      \
            log_line((level), (event), __VA_ARGS__);                                               \
    } while (0)

#define log_debug(event, ...) log_at(LOG_DEBUG, (event), __VA_ARGS__)
#define log_info(event, ...) log_at(LOG_INFO, (event), __VA_ARGS__)
#define log_warn(event, ...) log_at(LOG_WARN, (event), __VA_ARGS__)
#define log_error(event, ...) log_at(LOG_ERROR, (event), __VA_ARGS__)

/*
 * From here to log_release the thread's lines below WARN are kept and written several at once; for
 * whoever writes a line a request. A higher one writes what was kept before it, too.
 */
void log_hold(void);
void log_release(void);

/*
 * The value as logfmt wants it: quoted and escaped where needed, cut at LOG_QUOTE_MAX bytes. Lives
 * until the fourth call after it in the same thread.
 */
enum { LOG_QUOTE_MAX = 512 };
[[nodiscard]] const char *log_quote(struct str value);
