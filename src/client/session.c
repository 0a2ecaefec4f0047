#include "client/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/file.h"
#include "json/writer.h"

enum { FILE_BYTES_MAX = 1 << 20 };

bool session_path(struct arena *a, const char **ret_path, struct err *e)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config != NULL && config[0] == '/')
        *ret_path = arena_printf(a, "%s/windlass/sessions.json", config).ptr;
    else if (home != NULL && home[0] == '/')
        *ret_path = arena_printf(a, "%s/.config/windlass/sessions.json", home).ptr;
    else
        return err_set(e, ERR_NOT_FOUND, "neither XDG_CONFIG_HOME nor HOME is set");
    return true;
}

/* The object of the file; an empty one where there is none. */
static bool load_all(struct arena *a, const char *path, const struct json_value **ret_all,
                     struct err *e)
{
    static const struct json_value none = { .type = JSON_OBJECT };
    struct stat st;
    struct buf text;
    struct err unread;
    *ret_all = &none;
    if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(e, ERR_DENIED, "%.120s may be read by others; chmod 600 it", path);
    buf_init(&text, FILE_BYTES_MAX);
    bool is_read = io_file_read(path, &text, e);
    bool is_good = is_read && json_parse(a, buf_str(&text), ret_all, &unread) &&
                   (*ret_all)->type == JSON_OBJECT;
    buf_clear(&text);
    return is_good || !is_read ||
           err_set(e, ERR_INVALID, "%.120s is no file of sessions; remove it", path);
}

bool session_load(struct arena *a, const char *path, struct str url, struct str *ret_token,
                  struct err *e)
{
    const struct json_value *all, *token;
    if (!load_all(a, path, &all, e))
        return false;
    token = json_get(all, url);
    *ret_token = token != NULL && token->type == JSON_STRING ? token->text : (struct str){ 0 };
    return true;
}

static void put_all(struct buf *b, const struct json_value *all, struct str url, struct str token)
{
    struct json_writer w = json_writer_to(b);
    json_begin_object(&w);
    for (size_t i = 0; i < all->member_count; i++) {
        if (str_eq(all->members[i].key, url))
            continue;
        json_key(&w, all->members[i].key);
        json_write_value(&w, &all->members[i].value);
    }
    if (token.len > 0) {
        json_key(&w, url);
        json_write_string(&w, token);
    }
    json_end_object(&w);
    buf_put_char(b, '\n');
}

/* Its folder and that one's; what is above is the user's own. */
static bool make_folders(struct arena *a, const char *path, struct err *e)
{
    char *folder = arena_cstr(a, str_of_c(path));
    *strrchr(folder, '/') = '\0';
    char *above = arena_cstr(a, str_of_c(folder));
    *strrchr(above, '/') = '\0';
    if ((mkdir(above, 0700) != 0 && errno != EEXIST) ||
        (mkdir(folder, 0700) != 0 && errno != EEXIST))
        return err_set_errno(e, ERR_DENIED, "cannot make %.120s", folder);
    return true;
}

static bool write_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0)
            return false;
        text = str_from(text, (size_t)written);
    }
    return fsync(fd) == 0;
}

/* Under another name first: whoever reads sees the old file or the new one. */
static bool replace(struct arena *a, const char *path, struct str text, struct err *e)
{
    char *next = arena_cstr(a, arena_printf(a, "%s.XXXXXX", path));
    int fd = mkostemp(next, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return err_set_errno(e, ERR_DENIED, "cannot write %.120s", path);
    bool is_written = write_all(fd, text);
    int failure = errno;
    close(fd);
    if (is_written && rename(next, path) == 0)
        return true;
    failure = is_written ? errno : failure;
    (void)unlink(next);
    return err_set(e, ERR_DENIED, "cannot write %.120s: %s", path, strerror(failure));
}

bool session_store(const char *path, struct str url, struct str token, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    const struct json_value *all;
    struct buf text;
    if (!load_all(a, path, &all, e) || !make_folders(a, path, e))
        return false;
    buf_init(&text, 0);
    put_all(&text, all, url, token);
    bool is_stored = replace(a, path, buf_str(&text), e);
    explicit_bzero(text.ptr, text.len);
    buf_clear(&text);
    return is_stored;
}
