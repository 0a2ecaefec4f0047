#include "io/notify.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/poll.h"

struct io_notify {
    struct io_poll *poll;
    int fd;
    char *path;
    io_notify_fn *fn;
    void *owner;
};

static bool set_address(struct str path, struct sockaddr_un *ret_address, socklen_t *ret_len,
                        struct err *e)
{
    if (path.len == 0 || path.len >= sizeof ret_address->sun_path)
        return err_set(e, ERR_INVALID, "notify socket path is %zu bytes, it may be 1 to %zu",
                       path.len, sizeof ret_address->sun_path - 1);
    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(ret_address->sun_path, path.ptr, path.len);
    if (path.ptr[0] == '@') /* Linux's abstract names begin with NUL and have no end */
        ret_address->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    return true;
}

bool io_notify_is_wanted(void)
{
    return !str_is_empty(str_of_c(getenv("NOTIFY_SOCKET")));
}

bool io_notify_send(struct str lines, struct err *e)
{
    struct sockaddr_un address;
    socklen_t len = 0;
    if (!io_notify_is_wanted())
        return true;
    if (!set_address(str_of_c(getenv("NOTIFY_SOCKET")), &address, &len, e))
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a socket");
    ssize_t sent =
        sendto(fd, lines.ptr, lines.len, MSG_NOSIGNAL, (const struct sockaddr *)&address, len);
    bool ok = sent >= 0 || err_set_errno(e, ERR_UNAVAILABLE, "cannot notify the supervisor");
    close(fd);
    return ok;
}

bool io_notify_value(struct str lines, struct str key, struct str *ret_value)
{
    struct str line, name, value;
    while (lines.len > 0) {
        if (!str_cut(lines, '\n', &line, &lines))
            lines.len = 0;
        if (str_cut(line, '=', &name, &value) && str_eq(name, key)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* One datagram; false when none waits. */
static bool receive(struct io_notify *notify)
{
    char bytes[IO_NOTIFY_BYTES_MAX];
    struct iovec part = { .iov_base = bytes, .iov_len = sizeof bytes };
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr header;
    } control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    struct ucred sender = { 0 };
    ssize_t got = recvmsg(notify->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return false;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
        memcpy(&sender, CMSG_DATA(header), sizeof sender);
    notify->fn(notify->owner, sender.pid, str_of(bytes, (size_t)got));
    return true;
}

static void on_readable(void *owner, int events)
{
    enum { DATAGRAMS_A_TURN = 16 };
    (void)events;
    for (int i = 0; i < DATAGRAMS_A_TURN && receive(owner); i++)
        ;
}

static bool open_socket(const char *path, int *ret_fd, struct err *e)
{
    struct sockaddr_un address;
    socklen_t len = 0;
    int on = 1;
    if (!set_address(str_of_c(path), &address, &len, e))
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, len) != 0) {
        err_set_errno(e, ERR_UNAVAILABLE, "cannot listen on %s", path);
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool io_notify_create(struct io_loop *loop, const char *path, io_notify_fn *fn, void *owner,
                      struct io_notify **ret_notify, struct err *e)
{
    int fd = -1;
    if (!open_socket(path, &fd, e))
        return false;
    struct io_notify *notify = mem_new(struct io_notify);
    *notify =
        (struct io_notify){ .fd = fd, .path = mem_cstr(str_of_c(path)), .fn = fn, .owner = owner };
    if (!io_poll_create(loop, fd, on_readable, notify, &notify->poll, e)) {
        io_notify_destroy(notify);
        return false;
    }
    io_poll_set(notify->poll, IO_READABLE);
    *ret_notify = notify;
    return true;
}

void io_notify_destroy(struct io_notify *notify)
{
    if (!notify)
        return;
    io_poll_destroy(notify->poll);
    close(notify->fd);
    (void)unlink(notify->path);
    mem_free(notify->path);
    mem_free(notify);
}
