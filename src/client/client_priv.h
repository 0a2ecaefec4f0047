/* client_priv: what the files of this module share. */
#pragma once
#include "base/buf.h"
#include "client/client.h"
#include "http/client.h"
#include "io/loop.h"

struct client {
    struct arena *arena;
    struct io_loop *loop;
    struct http_client *http;
    const char *url; /* of the endpoint */
    bool is_stopped;
    const char *authorization; /* "Authorization: Bearer …", NULL: nobody */
};

/* {"query": …, "variables": …} */
void client_put_request(struct buf *body, const struct client_request *request);
