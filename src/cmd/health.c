/* health: asks a running service whether it is ready, for the health checks of containers. */
#include "cmd/cmd.h"
#include "cmd/probe_priv.h"

/* The variable names a gateway, not its probe, so the flag alone counts. */
static struct str place(const struct conf *conf)
{
    return conf_source(conf, CONF_URL) == CONF_FROM_FLAG ? conf_str(conf, CONF_URL)
                                                         : STR("http://127.0.0.1:8080/readyz");
}

int cmd_health(const struct conf *conf)
{
    struct err e = { 0 };
    struct probe probe;
    if (!probe_ask(place(conf), &probe, &e))
        return cmd_fail(e.code == ERR_INVALID ? CMD_USAGE : CMD_UNAVAILABLE, &e);
    if (probe.status == 200)
        return CMD_OK;
    err_set(&e, ERR_UNAVAILABLE, "not ready (%d): %s", probe.status, probe.reason);
    return cmd_fail(CMD_FAILURE, &e);
}
