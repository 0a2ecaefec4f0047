#include "conf/file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fdp(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool read_all(struct arena *a, int fd, struct str *ret_text, struct err *e)
{
    char *text = arena_alloc(a, CONF_FILE_BYTES_MAX + 1);
    size_t len = 0;
    while (len <= CONF_FILE_BYTES_MAX) {
        ssize_t got = read(fd, text + len, CONF_FILE_BYTES_MAX + 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set_errno(e, ERR_INVALID, "cannot be read");
        if (got == 0)
            break;
        len += (size_t)got;
    }
    if (len > CONF_FILE_BYTES_MAX)
        return err_set(e, ERR_INVALID, "is longer than %d bytes", CONF_FILE_BYTES_MAX);
    *ret_text = str_of(text, len);
    if (!str_is_utf8(*ret_text) || str_find_char(*ret_text, '\0') >= 0)
        return err_set(e, ERR_INVALID, "is no text in UTF-8");
    return true;
}

static bool read_file(struct arena *a, struct str path, bool must_be_private, struct str *ret_text,
                      struct err *e)
{
    scoped(close_fdp) int fd = open(arena_cstr(a, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set_errno(e, ERR_INVALID, "cannot be opened");
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set_errno(e, ERR_INVALID, "cannot be examined");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "is no regular file");
    if (must_be_private && (st.st_mode & S_IRWXO) != 0)
        return err_set(e, ERR_INVALID, "may be read by others (mode %03o); chmod 600 it",
                       st.st_mode & 0777U);
    return read_all(a, fd, ret_text, e);
}

/* Puts the file's name before the reason. */
static bool in_file(struct str path, size_t line, struct err *e)
{
    const struct err cause = *e;
    if (line > 0)
        err_set_at(e, cause.code, cause.origin, cause.file, cause.line, "%.*s:%zu: %s",
                   STR_FMT(path), line, cause.message);
    else
        err_set_at(e, cause.code, cause.origin, cause.file, cause.line, "%.*s %s", STR_FMT(path),
                   cause.message);
    return false;
}

static bool parse_line(struct str line, struct file_entry *entry, struct err *e)
{
    struct str key, value;
    if (!str_cut(line, '=', &key, &value))
        return err_set(e, ERR_INVALID, "expected `key = value`");
    entry->key = str_trim(key);
    entry->value = str_trim(value);
    if (str_is_empty(entry->key))
        return err_set(e, ERR_INVALID, "the key before = is missing");
    return true;
}

static bool refuse_repeated(const struct file_entry *entries, size_t count, struct err *e)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (str_eq(entries[i].key, entries[count - 1].key))
            return err_set(e, ERR_INVALID, "%.*s was already given at %.*s",
                           STR_FMT(entries[i].key), STR_FMT(entries[i].origin));
    return true;
}

bool file_read_settings(struct arena *a, struct str path, struct file_entry **ret_entries,
                        size_t *ret_count, struct err *e)
{
    struct str text, line;
    if (!read_file(a, path, false, &text, e))
        return in_file(path, 0, e);
    struct str byte_order_mark = STR("\xef\xbb\xbf"); /* some editors begin a file with it */
    if (str_starts_with(text, byte_order_mark))
        text = str_from(text, byte_order_mark.len);
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    struct file_entry *entries = arena_new_array(a, lines, struct file_entry);
    size_t count = 0;
    for (size_t number = 1; text.len > 0; number++) {
        (void)str_cut(text, '\n', &line, &text);
        line = str_trim(line);
        if (str_is_empty(line) || line.ptr[0] == '#')
            continue;
        entries[count].origin = arena_printf(a, "%.*s:%zu", STR_FMT(path), number);
        if (!parse_line(line, &entries[count++], e) || !refuse_repeated(entries, count, e))
            return in_file(path, number, e);
    }
    *ret_entries = entries;
    *ret_count = count;
    return true;
}

bool file_read_secret(struct arena *a, struct str path, struct str *ret_secret, struct err *e)
{
    struct str text;
    if (!read_file(a, path, true, &text, e))
        return in_file(path, 0, e);
    while (str_ends_with(text, STR("\n")) || str_ends_with(text, STR("\r")))
        text.len--;
    if (str_is_empty(text)) {
        err_set(e, ERR_INVALID, "is empty");
        return in_file(path, 0, e);
    }
    *ret_secret = text;
    return true;
}
