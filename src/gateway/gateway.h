/*
 * gateway: the service that clients speak to: the GraphQL API, signing in, the pages. It writes
 * schema `public`, alone.
 * Source: ARCHITECTURE.md.
 */
#pragma once
#include "conf/conf.h"

enum gateway_end {
    GATEWAY_STOPPED,     /* asked to, and everything open was answered */
    GATEWAY_FAILED,      /* *e says why */
    GATEWAY_UNAVAILABLE, /* the database did not come; *e says why */
};

/*
 * Serves until SIGTERM or SIGINT, which let open requests finish; a second one ends the process at
 * once. Sockets come from whoever started it (LISTEN_FDS) or are opened as the settings say.
 */
[[nodiscard]] enum gateway_end gateway_run(const struct conf *conf, struct err *e);

/* The GraphQL API that it serves, as SDL. */
[[nodiscard]] struct str gateway_api(void);
