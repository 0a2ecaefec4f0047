#include "gateway/gateway.h"

#include "cmd/cmd.h"

int cmd_gateway(const struct conf *conf)
{
    struct err e;
    cmd_log_setup(conf, "gateway");
    switch (gateway_run(conf, &e)) {
    case GATEWAY_STOPPED:
        return CMD_OK;
    case GATEWAY_UNAVAILABLE:
        return cmd_fail(CMD_UNAVAILABLE, &e);
    case GATEWAY_FAILED:
        break;
    }
    return cmd_fail(e.code == ERR_INVALID ? CMD_BAD_SETTINGS : CMD_FAILURE, &e);
}
