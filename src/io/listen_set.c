#include "io/listen_set.h"

#include <unistd.h>

enum { PREDECESSOR_MS = 1'000, LOOK_EVERY_MS = 20 };

static void note_address(struct io_listen_set *set)
{
    struct str head, tail;
    uint64_t port = 0;
    io_listen_name(set->fds[0], set->address);
    tail = str_of_c(set->address);
    while (str_cut(tail, ':', &head, &tail))
        continue;
    if (str_to_u64(head, &port) && port <= UINT16_MAX)
        set->port = (uint16_t)port;
}

/*
 * Without sharing: a port that anybody has, another Windlass included, is told as taken. Whoever
 * starts us anew right after a kill may be faster than the kernel, which still ends the process
 * before us: hence a second look.
 */
static bool look_for_others(const char *address, char ret_address[IO_ADDRESS_MAX], struct err *e)
{
    int fd = -1;
    for (int waited_ms = 0; !io_listen_open(str_of_c(address), false, &fd, e);
         waited_ms += LOOK_EVERY_MS) {
        if (e->code != ERR_CONFLICT || waited_ms >= PREDECESSOR_MS)
            return false;
        (void)thrd_sleep(&(struct timespec){ .tv_nsec = LOOK_EVERY_MS * 1'000'000L }, NULL);
    }
    io_listen_name(fd, ret_address); /* with the port that was found for port 0 */
    close(fd);
    return true;
}

static bool open_tcp(struct io_listen_set *set, const char *address, size_t count, struct err *e)
{
    char found[IO_ADDRESS_MAX];
    if (!look_for_others(address, found, e))
        return false;
    for (; set->count < count; set->count++)
        if (!io_listen_open(str_of_c(found), true, &set->fds[set->count], e))
            return false;
    return true;
}

static bool open_own(struct io_listen_set *set, struct str host, int64_t port, size_t count,
                     struct err *e)
{
    char address[300];
    if (str_starts_with(host, STR("unix:"))) {
        set->count = 1;
        if (io_listen_open(host, false, &set->fds[0], e))
            return true;
        set->count = 0;
        return false;
    }
    snprintf(address, sizeof address, str_find_char(host, ':') >= 0 ? "[%.*s]:%lld" : "%.*s:%lld",
             STR_FMT(host), (long long)port);
    return open_tcp(set, address, count, e);
}

bool io_listen_set_open(struct io_listen_set *ret_set, struct str host, int64_t port, size_t count,
                        struct err *e)
{
    struct io_listen_set set = { 0 };
    assert(count > 0 && count <= IO_LISTEN_SET_MAX);
    if (!io_listen_inherited(set.fds, countof(set.fds), &set.count, e))
        return false;
    if (set.count == 0 && !open_own(&set, host, port, count, e)) {
        io_listen_set_close(&set);
        return false;
    }
    for (size_t given = set.count; set.count < count; set.count++)
        set.fds[set.count] = dup(set.fds[set.count % given]);
    note_address(&set);
    *ret_set = set;
    return true;
}

void io_listen_set_close(struct io_listen_set *set)
{
    while (set->count > 0)
        if (set->fds[--set->count] >= 0)
            close(set->fds[set->count]);
}

void io_listen_set_url(const struct io_listen_set *set, char ret_url[IO_URL_MAX])
{
    struct str address = str_of_c(set->address);
    if (set->port == 0)
        snprintf(ret_url, IO_URL_MAX, "http://localhost (%s)", set->address);
    else if (str_starts_with(address, STR("0.0.0.0:")))
        snprintf(ret_url, IO_URL_MAX, "http://127.0.0.1:%d", set->port);
    else if (str_starts_with(address, STR("[::]:")))
        snprintf(ret_url, IO_URL_MAX, "http://[::1]:%d", set->port);
    else
        snprintf(ret_url, IO_URL_MAX, "http://%s", set->address);
}
