/*
 * forwarded: who really asks, when a proxy that we trust passes a request on. Fields of anybody
 * else are ignored. Pure. Read are X-Forwarded-For, -Proto and -Host, which every proxy can send.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct http_proxies;

/*
 * "10.0.0.0/8, ::1, unix": addresses, networks, and "unix" for whoever reaches our unix socket; by
 * comma or space. Errors: INVALID, naming the entry.
 */
[[nodiscard]] bool http_proxies_create(struct str list, struct http_proxies **ret_proxies,
                                       struct err *e);
void http_proxies_destroy(struct http_proxies *proxies); /* accepts NULL */
DEFINE_SCOPED(http_proxies);

/* `address` as http_request.peer gives it. A v4-mapped IPv6 address counts as IPv4. */
[[nodiscard]] bool http_proxies_trust(const struct http_proxies *proxies, struct str address);

struct http_forwarded {
    struct str client; /* an address; the peer when nobody trusted says otherwise */
    struct str host;   /* empty: not forwarded */
    bool is_https;
};
/*
 * `forwarded_for` may hold several hops: the client is the rightmost that is not a trusted proxy,
 * since whatever stands left of it could have been written by that client.
 */
void http_forwarded(const struct http_proxies *proxies, struct str peer, struct str forwarded_for,
                    struct str forwarded_proto, struct str forwarded_host,
                    struct http_forwarded *ret_forwarded);
