/*
 * routes: which handler answers which path: the API, the pages, the probes. Under a public URL with
 * a path all of them answer below that path too, whether or not the proxy takes it off.
 */
#pragma once
#include "gateway/gateway_priv.h"

/* The loop's table; lives in `a`. */
[[nodiscard]] size_t routes_make(struct gateway_loop *loop, struct arena *a,
                                 struct http_route ret_routes[GATEWAY_ROUTES_MAX]);
