#include "cmd/up_plan_priv.h"

#include <unistd.h>

#include "conf/table.h"

/* Settings come as variables of ours; the rest of what is listed was meant for this process. */
static bool is_kept(struct str variable, const struct up_env_options *options)
{
    static const char *const ours[] = { "NOTIFY_SOCKET",  "LISTEN_PID",   "LISTEN_FDS",
                                        "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC" };
    struct str name = variable, value;
    (void)str_cut(variable, '=', &name, &value);
    if (str_starts_with(name, STR("WINDLASS_")) ||
        (str_eq_c(name, "HOME") && !options->is_home_kept))
        return false;
    for (size_t i = 0; i < countof(ours); i++)
        if (str_eq_c(name, ours[i]))
            return false;
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        struct str alias = str_of_c(conf_option(id)->alias);
        if (alias.len > 0 && str_starts_with(name, alias) &&
            (name.len == alias.len || str_eq_c(str_from(name, alias.len), "_FILE")))
            return false;
    }
    return true;
}

/* The value that the service gets; NULL where it keeps its default. */
static const char *value_for(const struct up_env_options *options, enum conf_id id)
{
    for (size_t i = 0; i < options->override_count; i++)
        if (options->overrides[i].id == id)
            return options->overrides[i].value;
    bool is_passed =
        id != CONF_CONFIG && conf_takes(options->command, id) && conf_is_given(options->conf, id);
    return is_passed ? conf_cstr(options->conf, id) : NULL;
}

const char *const *up_env(struct arena *a, const struct up_env_options *options)
{
    enum { OWN_COUNT = 2 }; /* the notify socket, the end */
    size_t count = 0, inherited = 0;
    while (options->environment[inherited])
        inherited++;
    const char **env = arena_new_array(a, inherited + (size_t)CONF_COUNT + OWN_COUNT, const char *);
    for (size_t i = 0; i < inherited; i++)
        if (is_kept(str_of_c(options->environment[i]), options))
            env[count++] = options->environment[i];
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        char name[CONF_NAME_MAX];
        const char *value = value_for(options, id);
        struct str variable = conf_variable(id, name);
        if (value && variable.len > 0)
            env[count++] = arena_printf(a, "%.*s=%s", STR_FMT(variable), value).ptr;
    }
    if (options->notify_path)
        env[count++] = arena_printf(a, "NOTIFY_SOCKET=%s", options->notify_path).ptr;
    return env;
}

const char *const *up_env_postgres(void)
{
    static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
                                       "LC_MESSAGES=C", NULL };
    return env;
}

/* Sockets. */

static void note_address(struct up_sockets *sockets)
{
    struct str rest;
    uint64_t port = 0;
    io_listen_name(sockets->fds[0], sockets->address);
    rest = str_of_c(sockets->address);
    for (struct str tail; str_cut(rest, ':', &rest, &tail);)
        rest = tail;
    if (str_to_u64(rest, &port) && port <= UINT16_MAX)
        sockets->port = (uint16_t)port;
}

enum { PREDECESSOR_MS = 1000, LOOK_EVERY_MS = 20 };

/*
 * Without sharing: a port that anybody has, another Windlass included, is told as taken. Whoever
 * starts us anew right after a kill may be faster than the kernel, which still ends the services of
 * the one before us: hence a second look.
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

static bool open_all(struct up_sockets *sockets, const char *address, size_t loop_count,
                     struct err *e)
{
    char found[IO_ADDRESS_MAX];
    if (!look_for_others(address, found, e))
        return false;
    for (; sockets->count < loop_count; sockets->count++)
        if (!io_listen_open(str_of_c(found), true, &sockets->fds[sockets->count], e))
            return false;
    return true;
}

bool up_sockets_open(struct up_sockets *ret_sockets, struct str host, int64_t port,
                     size_t loop_count, struct err *e)
{
    struct up_sockets sockets = { 0 };
    char address[300];
    assert(loop_count > 0 && loop_count <= countof(sockets.fds));
    snprintf(address, sizeof address, str_find_char(host, ':') >= 0 ? "[%.*s]:%lld" : "%.*s:%lld",
             STR_FMT(host), (long long)port);
    if (!io_listen_inherited(sockets.fds, countof(sockets.fds), &sockets.count, e))
        return false;
    if (sockets.count == 0 && !open_all(&sockets, address, loop_count, e)) {
        up_sockets_close(&sockets);
        return false;
    }
    for (size_t inherited = sockets.count; sockets.count < loop_count; sockets.count++)
        sockets.fds[sockets.count] = dup(sockets.fds[sockets.count % inherited]);
    note_address(&sockets);
    *ret_sockets = sockets;
    return true;
}

void up_sockets_close(struct up_sockets *sockets)
{
    while (sockets->count > 0)
        close(sockets->fds[--sockets->count]);
}

const char *up_sockets_url(const struct up_sockets *sockets, struct arena *a)
{
    struct str address = str_of_c(sockets->address);
    if (sockets->port == 0)
        return arena_printf(a, "http://localhost (%s)", sockets->address).ptr;
    if (str_starts_with(address, STR("0.0.0.0:")))
        return arena_printf(a, "http://127.0.0.1:%d", sockets->port).ptr;
    if (str_starts_with(address, STR("[::]:")))
        return arena_printf(a, "http://[::1]:%d", sockets->port).ptr;
    return arena_printf(a, "http://%s", sockets->address).ptr;
}
