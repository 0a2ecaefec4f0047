#include "cmd/probe_priv.h"

#include "http/client.h"
#include "http/peer.h"

enum { ARENA_BYTES = 8 << 10 };

struct asking {
    struct io_loop *loop;
    struct probe probe;
    struct err err;
    bool is_answered;
};

static void answered(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct asking *asking = owner;
    asking->is_answered = reply != NULL;
    if (reply != NULL) {
        struct str line, rest;
        (void)str_cut(reply->body, '\n', &line, &rest);
        asking->probe.status = reply->status;
        snprintf(asking->probe.reason, sizeof asking->probe.reason, "%.*s",
                 STR_FMT(str_first(line, PROBE_TEXT_MAX)));
    } else {
        asking->err = *e;
    }
    io_loop_stop(asking->loop);
}

bool probe_ask(struct str where, struct probe *ret_probe, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    scoped(io_loop_destroyp) struct io_loop *loop = io_loop_create();
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    struct http_peer peer;
    struct asking asking = { .loop = loop };
    if (!http_peer_parse(a, "url", where, &peer, e))
        return false;
    options.running_max = 1;
    options.unix_path = peer.unix_path;
    scoped(http_client_destroyp) struct http_client *client = http_client_create(loop, &options);
    const struct http_call_options call = {
        .url = peer.unix_path ? arena_printf(a, "%s/readyz", peer.base_url).ptr : peer.base_url,
        .deadline_ms = PROBE_DEADLINE_MS,
        .fn = answered,
        .owner = &asking,
    };
    if (!http_client_call(client, &call, NULL, e))
        return false;
    io_loop_run(loop);
    if (asking.is_answered)
        *ret_probe = asking.probe;
    else if (peer.unix_path)
        err_set(e, asking.err.code, "nobody answers at %.100s", peer.unix_path);
    else
        *e = asking.err;
    return asking.is_answered;
}
