/* peer: where another service is, as a setting names it: "http://HOST:PORT" or "unix:/path". */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct http_peer {
    const char *unix_path; /* for http_client_options; NULL: TCP */
    const char *base_url;  /* what paths are put behind: "http://HOST:PORT", no slash at the end */
};

/* In the arena. Errors: INVALID, naming the setting as `name`. */
[[nodiscard]] bool http_peer_parse(struct arena *a, const char *name, struct str text,
                                   struct http_peer *ret_peer, struct err *e);
