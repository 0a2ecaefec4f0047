#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static void close_fdp(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool set_listening(int fd, const struct sockaddr *address, socklen_t len, const char *name,
                          struct err *e)
{
    if (bind(fd, address, len) != 0) {
        enum err_code code = errno == EADDRINUSE ? ERR_CONFLICT
                             : errno == EACCES   ? ERR_DENIED
                                                 : ERR_UNAVAILABLE;
        return err_set_errno(e, code, "cannot listen on %s", name);
    }
    if (listen(fd, BACKLOG) != 0)
        return err_set_errno(e, errno == EADDRINUSE ? ERR_CONFLICT : ERR_UNAVAILABLE,
                             "cannot listen on %s", name);
    return true;
}

/* A socket file that refuses connections was left by a process that is gone. */
static void remove_stale_socket(const struct sockaddr_un *address)
{
    scoped(close_fdp) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(address->sun_path);
}

static bool open_unix(struct str path, int *ret_fd, struct err *e)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (path.len == 0 || path.len >= sizeof address.sun_path)
        return err_set(e, ERR_INVALID, "socket path is %zu bytes, it may be 1 to %zu", path.len,
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path.ptr, path.len);
    remove_stale_socket(&address);
    scoped(close_fdp) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a socket");
    if (!set_listening(fd, (const struct sockaddr *)&address, sizeof address, address.sun_path, e))
        return false;
    *ret_fd = fd;
    fd = -1;
    return true;
}

/* "HOST:PORT" or "[IPV6]:PORT". */
static bool split_address(struct str address, char *ret_host, size_t host_size, char *ret_port,
                          size_t port_size)
{
    struct str host = address, port = STR("");
    for (size_t i = address.len; i-- > 0;)
        if (address.ptr[i] == ':') {
            host = str_first(address, i);
            port = str_from(address, i + 1);
            break;
        }
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_of(host.ptr + 1, host.len - 2);
    uint64_t number = 0;
    if (host.len == 0 || host.len >= host_size || port.len >= port_size ||
        !str_to_u64(port, &number) || number > UINT16_MAX)
        return false;
    memcpy(ret_host, host.ptr, host.len);
    ret_host[host.len] = '\0';
    memcpy(ret_port, port.ptr, port.len);
    ret_port[port.len] = '\0';
    return true;
}

static void free_addressesp(struct addrinfo **list)
{
    if (*list)
        freeaddrinfo(*list);
}

static bool open_tcp(struct str text, bool share_port, int *ret_fd, struct err *e)
{
    char host[256], port[8], name[IO_ADDRESS_MAX];
    if (!split_address(text, host, sizeof host, port, sizeof port))
        return err_set(e, ERR_INVALID,
                       "listen address \"%.*s\" is not HOST:PORT, [IPV6]:PORT or unix:/path",
                       (int)min_of(text.len, (size_t)64), text.ptr);
    snprintf(name, sizeof name, "%.*s", STR_FMT(text));
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    scoped(free_addressesp) struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return err_set(e, ERR_INVALID, "listen address %s: %s", name, gai_strerror(failed));
    scoped(close_fdp) int fd =
        socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a socket");
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share_port)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (!set_listening(fd, found->ai_addr, found->ai_addrlen, name, e))
        return false;
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool io_listen_open(struct str address, bool share_port, int *ret_fd, struct err *e)
{
    struct str prefix = STR("unix:");
    if (str_starts_with(address, prefix))
        return open_unix(str_from(address, prefix.len), ret_fd, e);
    return open_tcp(address, share_port, ret_fd, e);
}

/* What LISTEN_FDS says when LISTEN_PID means this process; both are gone afterwards. */
static uint64_t take_inherited_count(void)
{
    uint64_t pid = 0, count = 0;
    if (!str_to_u64(str_of_c(getenv("LISTEN_PID")), &pid) || pid != (uint64_t)getpid() ||
        !str_to_u64(str_of_c(getenv("LISTEN_FDS")), &count))
        count = 0;
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return count;
}

bool io_listen_inherited(int *ret_fds, size_t max, size_t *ret_count, struct err *e)
{
    enum { FIRST_FD = 3 };
    uint64_t count = take_inherited_count();
    if (count > max)
        return err_set(e, ERR_INVALID, "%llu listening sockets were passed on, at most %zu fit",
                       (unsigned long long)count, max);
    for (int i = 0; i < (int)count; i++) {
        int fd = FIRST_FD + i, listens = 0;
        socklen_t len = sizeof listens;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens)
            return err_set(e, ERR_INVALID, "descriptor %d was passed on but does not listen", fd);
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        ret_fds[i] = fd;
    }
    *ret_count = (size_t)count;
    return true;
}

void io_listen_name(int fd, char ret_name[IO_ADDRESS_MAX])
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    snprintf(ret_name, IO_ADDRESS_MAX, "unknown");
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return;
    if (address.ss_family == AF_UNIX) {
        const struct sockaddr_un *path = (const struct sockaddr_un *)&address;
        snprintf(ret_name, IO_ADDRESS_MAX, "unix:%.107s", path->sun_path);
        return;
    }
    if (getnameinfo((const struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(ret_name, IO_ADDRESS_MAX, strchr(host, ':') ? "[%.64s]:%s" : "%.64s:%s", host,
                 port);
}
