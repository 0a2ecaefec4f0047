#include "cmd/cmd.h"

#include <unistd.h>

#include "base/log.h"
#include "client/text.h"

enum conf_log_format cmd_log_format(const struct conf *conf)
{
    enum conf_log_format format = (enum conf_log_format)conf_choice(conf, CONF_LOG_FORMAT);
    bool is_for_people =
        conf_choice(conf, CONF_ENV) == CONF_ENV_DEVELOPMENT && isatty(STDERR_FILENO);
    if (format != CONF_LOG_FORMAT_AUTO)
        return format;
    return is_for_people ? CONF_LOG_FORMAT_TEXT : CONF_LOG_FORMAT_LOGFMT;
}

void cmd_log_setup(const struct conf *conf, const char *service)
{
    static const enum log_format formats[] = {
        [CONF_LOG_FORMAT_TEXT] = LOG_FORMAT_TEXT,
        [CONF_LOG_FORMAT_LOGFMT] = LOG_FORMAT_LOGFMT,
        [CONF_LOG_FORMAT_JSON] = LOG_FORMAT_JSON,
    };
    enum log_level level = LOG_INFO;
    bool is_level = log_level_from_name(conf_str(conf, CONF_LOG_LEVEL), &level);
    assert(is_level); /* the table's choices are the log's names */
    if (conf_is_given(conf, CONF_LOG_NAME))
        service = conf_cstr(conf, CONF_LOG_NAME);
    log_setup(service, level, formats[cmd_log_format(conf)]);
}

int cmd_print(const struct buf *b)
{
    assert(!b->failed);
    /* NULL may be the pointer of an empty one, and is none for fwrite. */
    bool is_written = b->len == 0 || fwrite(b->ptr, 1, b->len, stdout) == b->len;
    if (is_written && fflush(stdout) == 0)
        return CMD_OK;
    fprintf(stderr, "windlass: cannot write to standard output: %m\n");
    return CMD_FAILURE;
}

int cmd_fail(int exit_code, const struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(CMD_SHOWN_BYTES_MAX);
    struct str message = text_line(a, str_of_c(e->message));
    struct str context = text_line(a, str_of_c(e->context));
    fprintf(stderr, "windlass: %.*s%s%.*s%s\n", STR_FMT(message), context.len > 0 ? " (" : "",
            STR_FMT(context), context.len > 0 ? ")" : "");
    return exit_code;
}
