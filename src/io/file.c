#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
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

bool io_file_read(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
    bool is_read = read_all(fd, out);
    int failure = errno;
    close(fd);
    if (!is_read)
        return err_set(e, ERR_INVALID, "%s: %s", path, strerror(failure));
    return !out->failed ||
           err_set(e, ERR_INVALID, "%s: longer than %zu MiB", path, out->limit_bytes >> 20);
}
