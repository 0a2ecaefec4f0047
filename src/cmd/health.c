/* health: asks a running service whether it is ready, for the health checks of containers. */
#include "cmd/cmd.h"
#include "cmd/probe_priv.h"

int cmd_health(const struct conf *conf)
{
    struct err e = { 0 };
    struct probe probe;
    if (!probe_ask(conf_str(conf, CONF_URL), &probe, &e))
        return cmd_fail(e.code == ERR_INVALID ? CMD_USAGE : CMD_UNAVAILABLE, &e);
    if (probe.status == 200)
        return CMD_OK;
    err_set(&e, ERR_UNAVAILABLE, "not ready (%d): %s", probe.status, probe.reason);
    return cmd_fail(CMD_FAILURE, &e);
}
