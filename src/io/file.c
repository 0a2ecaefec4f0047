#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10 };

static bool read_all(int fd, struct buf *out)
{
    ssize_t got = 1;
    while (got > 0) {
        char *room = buf_reserve(out, READ_BYTES);
        if (room == NULL)
            return true; /* `out` says so */
        got = read(fd, room, READ_BYTES);
        if (got > 0)
            buf_advance(out, (size_t)got);
    }
    return got == 0;
}

static bool is_private(int fd, const char *path, struct err *e)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
    if (!S_ISREG(file.st_mode))
        return err_set(e, ERR_INVALID, "%s: is no file", path);
    if (file.st_uid != geteuid() && file.st_uid != 0)
        return err_set(e, ERR_INVALID, "%s: belongs to user id %ld, not to %ld", path,
                       (long)file.st_uid, (long)geteuid());
    return (file.st_mode & 077) == 0 ||
           err_set(e, ERR_INVALID, "%s: has mode %03o: others may read or change it; chmod 600",
                   path, file.st_mode & 0777U);
}

static bool read_file(const char *path, bool must_be_private, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
    if (must_be_private && !is_private(fd, path, e)) {
        close(fd);
        return false;
    }
    bool is_read = read_all(fd, out);
    int failure = errno;
    close(fd);
    if (!is_read)
        return err_set(e, ERR_INVALID, "%s: %s", path, strerror(failure));
    return !out->failed ||
           err_set(e, ERR_INVALID, "%s: longer than %zu MiB", path, out->limit_bytes >> 20);
}

bool io_file_read(const char *path, struct buf *out, struct err *e)
{
    return read_file(path, false, out, e);
}

bool io_file_read_private(const char *path, struct buf *out, struct err *e)
{
    return read_file(path, true, out, e);
}
