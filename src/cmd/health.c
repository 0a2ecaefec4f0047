/* health: asks a running service whether it is ready, for the health checks of containers. */
#include "cmd/api_priv.h"
#include "cmd/probe_priv.h"

enum { ARENA_BYTES = 64 << 10 };

/* The flag is the whole address; what names a gateway otherwise does not name its probe. */
static struct str place(const struct conf *conf, struct arena *a)
{
    struct str url = api_url(conf, a);
    bool is_whole =
        conf_source(conf, CONF_URL) == CONF_FROM_FLAG || str_starts_with(url, STR("unix:"));
    while (!is_whole && str_ends_with(url, STR("/")))
        url.len--;
    return is_whole ? url : arena_printf(a, "%.*s/readyz", STR_FMT(url));
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
