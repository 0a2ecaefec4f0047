/* health: asks a running service whether it is ready, for the health checks of containers. */
#include "cmd/api_priv.h"
#include "cmd/probe_priv.h"

enum { ARENA_BYTES = 64 << 10 };

/* The flag is the whole address. WINDLASS_URL is not asked: it names the gateway that commands talk
 * to, and this is about the service that runs here. */
static struct str place(const struct conf *conf, struct arena *a)
{
    if (conf_source(conf, CONF_URL) == CONF_FROM_FLAG)
        return conf_str(conf, CONF_URL);
    struct str url = api_own_url(conf, a);
    if (str_starts_with(url, STR("unix:")))
        return url;
    while (str_ends_with(url, STR("/")))
        url.len--;
    return arena_printf(a, "%.*s/readyz", STR_FMT(url));
}

int cmd_health(const struct conf *conf)
{
    struct err e = { 0 };
    struct probe probe;
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    if (!probe_ask(place(conf, a), &probe, &e))
        return cmd_fail(e.code == ERR_INVALID ? CMD_USAGE : CMD_UNAVAILABLE, &e);
    if (probe.status == 200)
        return CMD_OK;
    err_set(&e, ERR_UNAVAILABLE, "not ready (%d): %s", probe.status, probe.reason);
    return cmd_fail(CMD_FAILURE, &e);
}
