/* health: asks a running gateway whether it is ready, for the health checks of containers. */
#include "cmd/cmd.h"

#include "http/client.h"

enum { DEADLINE_MS = 5'000 };

struct asking {
    struct io_loop *loop;
    struct err *err;
    int exit_code;
};

static void answered(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct asking *asking = owner;
    if (reply == NULL) {
        *asking->err = *e;
        asking->exit_code = CMD_UNAVAILABLE;
    } else {
        struct str line, rest;
        (void)str_cut(reply->body, '\n', &line, &rest);
        asking->exit_code = reply->status == 200 ? CMD_OK : CMD_FAILURE;
        err_set(asking->err, ERR_UNAVAILABLE, "not ready (%d): %.*s", reply->status,
                STR_FMT(str_first(line, 120)));
    }
    io_loop_stop(asking->loop);
}

int cmd_health(const struct conf *conf)
{
    scoped(io_loop_destroyp) struct io_loop *loop = io_loop_create();
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    struct err e = { 0 };
    struct asking asking = { .loop = loop, .err = &e };
    options.running_max = 1;
    struct http_client *client = http_client_create(loop, &options);
    const struct http_call_options call = { .url = conf_cstr(conf, CONF_URL),
                                            .deadline_ms = DEADLINE_MS,
                                            .fn = answered,
                                            .owner = &asking };
    if (http_client_call(client, &call, NULL, &e))
        io_loop_run(loop);
    else
        asking.exit_code = CMD_USAGE;
    http_client_destroy(client);
    return asking.exit_code == CMD_OK ? CMD_OK : cmd_fail(asking.exit_code, &e);
}
