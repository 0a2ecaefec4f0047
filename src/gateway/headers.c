#include "gateway/headers.h"

#include "http/accept.h"
#include "http/cookie.h"

enum headers_answer headers_answer(const struct http_request *http)
{
    static const struct str offers[] = {
        [HEADERS_GRAPHQL] = { "application/graphql-response+json", 33 },
        [HEADERS_JSON] = { "application/json", 16 },
        [HEADERS_EVENTS] = { "text/event-stream", 17 },
    };
    int best = http_accept_media(http_header(http, STR("Accept")), offers, countof(offers));
    return best < 0 ? HEADERS_NONE : (enum headers_answer)best;
}

bool headers_is_json(const struct http_request *http)
{
    struct http_media_type type;
    struct str charset;
    return http_media_type_parse(http_header(http, STR("Content-Type")), &type) &&
           str_eq_nocase(type.essence, STR("application/json")) &&
           (!http_media_parameter(&type, STR("charset"), &charset) ||
            str_eq_nocase(charset, STR("utf-8")));
}

bool headers_is_same_origin(const struct http_request *http, struct str public_origin)
{
    struct str origin = http_header(http, STR("Origin"));
    if (origin.ptr == NULL)
        return true;
    if (!str_is_empty(public_origin))
        return str_eq_nocase(origin, public_origin);
    ptrdiff_t at = str_find(origin, STR("://"));
    return at > 0 && str_eq_nocase(str_from(origin, (size_t)at + 3), http->host);
}

bool headers_is_same_site_fetch(const struct http_request *http)
{
    struct str site = http_header(http, STR("Sec-Fetch-Site"));
    return str_eq(site, STR("same-origin")) || str_eq(site, STR("none"));
}

struct str headers_token(const struct http_request *http, bool *ret_is_cookie)
{
    struct str scheme, token;
    struct str authorization = http_header(http, STR("Authorization"));
    *ret_is_cookie = false;
    /* With a scheme that is not ours the caller is nobody, whatever a cookie says. */
    if (authorization.ptr != NULL)
        return str_cut(authorization, ' ', &scheme, &token) && str_eq_nocase(scheme, STR("Bearer"))
                   ? str_trim(token)
                   : STR("");
    *ret_is_cookie =
        http_cookie_find(http_header(http, STR("Cookie")), STR(HEADERS_COOKIE), &token);
    return *ret_is_cookie ? token : STR("");
}
