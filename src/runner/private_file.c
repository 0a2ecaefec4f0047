#include "runner/private_file.h"

#include "io/file.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static bool parse(struct arena *a, const char *path, struct str text,
                  const struct json_value **ret_object, struct err *e)
{
    if (!json_parse(a, text, ret_object, e)) {
        e->code = ERR_INVALID;
        return err_in(e, "read %s", path);
    }
    return (*ret_object)->type == JSON_OBJECT ||
           err_set(e, ERR_INVALID, "%s: holds no JSON object", path);
}

bool private_file_read(struct arena *a, const char *path, const struct json_value **ret_object,
                       struct err *e)
{
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    bool ok = io_file_read_private(path, &text, e) && parse(a, path, buf_str(&text), ret_object, e);
    if (text.capacity > 0)
        explicit_bzero(text.ptr, text.capacity);
    buf_clear(&text);
    return ok;
}
