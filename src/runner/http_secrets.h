/*
 * http_secrets: the named secrets by which http.request signs what it sends.
 * Source: Standard Webhooks 1.0, "Symmetric": v1 is HMAC-SHA256 of "ID.TIMESTAMP.BODY".
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct http_secrets;

/*
 * Reads {"NAME": "whsec_BASE64", "OTHER": ["whsec_…", "whsec_…"]}: of several the first is the
 * newest, and each makes a signature, so that a receiver can change over. No path: there are none.
 * Errors: INVALID, naming the file and the secret, never its value.
 */
[[nodiscard]] bool http_secrets_create(const char *path, struct http_secrets **ret_secrets,
                                       struct err *e);
void http_secrets_destroy(struct http_secrets *secrets); /* accepts NULL */

/* "v1,BASE64 v1,BASE64" in the arena, for `webhook-signature`. NULL: there is no such secret. */
[[nodiscard]] const char *http_secrets_sign(const struct http_secrets *secrets, struct arena *a,
                                            struct str name, struct str id, int64_t timestamp_s,
                                            struct str body);
