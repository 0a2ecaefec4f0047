/*
 * guard: which addresses a request on somebody else's behalf may reach: those of the public
 * internet, and the networks that a setting names. It judges the address that is connected to, so
 * no name and no redirect leads around it. Pure.
 * Source: the IANA special-purpose address registries; RFC 6890.
 */
#pragma once
#include "base/err.h"
#include "http/networks.h"

struct http_guard;

/* `allowed`: networks that may be reached although they are not public, "10.1.0.0/16, ::1".
 * Errors: INVALID, naming the entry. */
[[nodiscard]] bool http_guard_create(struct str allowed, struct http_guard **ret_guard,
                                     struct err *e);
void http_guard_destroy(struct http_guard *guard); /* accepts NULL */
DEFINE_SCOPED(http_guard);

/* NULL when it may be reached, else what it is: "loopback", "a private network". */
[[nodiscard]] const char *http_guard_refuses(const struct http_guard *guard,
                                             const struct http_address *address);
