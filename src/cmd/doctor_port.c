/* doctor_port: whether the gateway's port is free, or whose it is. */
#include "base/base.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/doctor_priv.h"

/* Whether it is Windlass that answers at the other end: its /version says so. */
static bool is_windlass(int fd)
{
    static const char request[] = "GET /version HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    const int64_t give_up_us = clock_mono_us() + 2 * (int64_t)CLOCK_S;
    char answer[2048];
    size_t len = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
        return false;
    while (len < sizeof answer) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        int64_t left_ms = (give_up_us - clock_mono_us()) / CLOCK_MS;
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0)
            break;
        ssize_t got = recv(fd, answer + len, sizeof answer - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    struct str text = str_of(answer, len);
    return str_find(text, STR("\"commit\"")) >= 0 && str_find(text, STR("\"libpq\"")) >= 0;
}

enum port_state { PORT_FREE, PORT_OURS, PORT_TAKEN, PORT_REFUSED };

/* Binds for a moment; what cannot be bound is asked who it is. `*ret_errno` says why not. */
static enum port_state look_at(const struct addrinfo *address, int *ret_errno)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0) {
        *ret_errno = errno;
        return PORT_REFUSED;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* past TIME_WAIT */
    enum port_state state = PORT_FREE;
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, 1) != 0) {
        *ret_errno = errno;
        state = errno == EADDRINUSE ? PORT_TAKEN : PORT_REFUSED;
    }
    close(fd);
    if (state != PORT_TAKEN)
        return state;
    const struct timeval patience = { .tv_sec = 2 }; /* also for connect */
    fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        connect(fd, address->ai_addr, address->ai_addrlen) == 0 && is_windlass(fd))
        state = PORT_OURS;
    if (fd >= 0)
        close(fd);
    return state;
}

void doctor_check_port(struct doctor *d)
{
    const char *host = conf_cstr(d->conf, CONF_LISTEN), *port = conf_cstr(d->conf, CONF_PORT);
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *addresses = NULL;
    if (str_starts_with(str_of_c(host), STR("unix:"))) {
        doctor_report(d, "port", DOCTOR_OK, NULL, "none is needed, listen is %s", host);
        return;
    }
    int failure = getaddrinfo(host, port, &hints, &addresses);
    if (failure != 0) {
        doctor_report(d, "port", DOCTOR_FAILURE, "set listen to an address of this machine",
                      "%s: %s", host, gai_strerror(failure));
        return;
    }
    int why = 0;
    enum port_state state = look_at(addresses, &why);
    freeaddrinfo(addresses);
    if (state == PORT_FREE)
        doctor_report(d, "port", DOCTOR_OK, NULL, "%s port %s is free", host, port);
    else if (state == PORT_OURS)
        doctor_report(d, "port", DOCTOR_OK, NULL, "%s port %s is served by Windlass", host, port);
    else if (state == PORT_TAKEN)
        doctor_report(d, "port", DOCTOR_FAILURE,
                      "choose another with --port, or stop who has it (ss -ltnp names it)",
                      "%s port %s is taken by another program", host, port);
    else
        doctor_report(d, "port", DOCTOR_FAILURE,
                      "choose a port from 1024 on with --port, and an address of this machine with "
                      "--listen",
                      "%s port %s cannot be served: %s", host, port, strerrordesc_np(why));
}
