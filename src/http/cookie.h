/* cookie: reading Cookie fields and writing Set-Cookie. Pure. Source: RFC 6265 sections 4.1, 5.4.
 */
#pragma once
#include "base/arena.h"
#include "base/str.h"

/* The first cookie of that name in a Cookie field, without quotes; false when absent. */
[[nodiscard]] bool http_cookie_find(struct str field, struct str name, struct str *ret_value);

enum http_same_site { HTTP_SAME_SITE_STRICT, HTTP_SAME_SITE_LAX, HTTP_SAME_SITE_NONE };
enum { HTTP_COOKIE_SESSION = -1 }; /* lives until the browser closes */

struct http_cookie {
    struct str name, value; /* a token; no space, quote, comma, semicolon or backslash */
    struct str path;        /* empty: none */
    int64_t max_age_s;      /* 0 deletes it, HTTP_COOKIE_SESSION */
    bool is_secure, is_http_only;
    enum http_same_site same_site;
};
/* The value of a Set-Cookie field; false when name, value or path may not stand in one. */
[[nodiscard]] bool http_cookie_format(struct arena *a, const struct http_cookie *cookie,
                                      struct str *ret_text);
