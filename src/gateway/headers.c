#include "gateway/headers.h"

#include "base/clock.h"
#include "http/accept.h"
#include "http/cookie.h"

#define GRAPHQL_JSON "application/graphql-response+json"
#define PLAIN_JSON "application/json"

/* The first of those that the client likes best, by the kinds of `offers`. */
static enum headers_answer choose(struct str accept, const enum headers_answer *kinds, size_t count)
{
    static const struct str types[] = {
        [HEADERS_GRAPHQL] = { GRAPHQL_JSON, sizeof GRAPHQL_JSON - 1 },
        [HEADERS_JSON] = { PLAIN_JSON, sizeof PLAIN_JSON - 1 },
        [HEADERS_EVENTS] = { "text/event-stream", 17 },
    };
    struct str offers[countof(types)];
    for (size_t i = 0; i < count; i++)
        offers[i] = types[kinds[i]];
    int best = http_accept_media(accept, offers, count);
    return best < 0 ? HEADERS_NONE : kinds[best];
}

static enum headers_answer answer_of(const struct http_request *http, size_t count)
{
    static const enum headers_answer newer[] = { HEADERS_GRAPHQL, HEADERS_JSON, HEADERS_EVENTS };
    static const enum headers_answer older[] = { HEADERS_JSON, HEADERS_GRAPHQL, HEADERS_EVENTS };
    struct str accept = http_header(http, STR("Accept"));
    bool is_named = http_accept_weight(accept, STR(GRAPHQL_JSON)) > 0;
    return choose(accept, is_named ? newer : older, count);
}

enum headers_answer headers_answer(const struct http_request *http)
{
    return answer_of(http, 3);
}

enum headers_answer headers_answer_whole(const struct http_request *http)
{
    return answer_of(http, 2);
}

enum gql_incremental headers_incremental(const struct http_request *http)
{
    struct str rest = http_header(http, STR("Accept")), value;
    struct http_media_type entry;
    while (http_accept_next(&rest, STR("multipart/mixed"), &entry)) {
        if (http_media_parameter(&entry, STR("subscriptionSpec"), &value))
            continue; /* events in parts, which we have not */
        if (!http_media_parameter(&entry, STR("deferSpec"), &value)) {
            if (!http_media_parameter(&entry, STR("incrementalSpec"), &value) ||
                str_eq_c(value, "v0.2"))
                return GQL_INCREMENTAL_DRAFT;
        } else if (str_eq_c(value, "20220824")) {
            return GQL_INCREMENTAL_2022;
        }
    }
    return GQL_INCREMENTAL_NONE;
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

static bool is_own(const struct http_request *http, struct str origin, struct str public_origin)
{
    if (!str_is_empty(public_origin))
        return str_eq_nocase(origin, public_origin);
    ptrdiff_t at = str_find(origin, STR("://"));
    return at > 0 && str_eq_nocase(str_from(origin, (size_t)at + 3), http->host);
}

enum headers_origin headers_origin(const struct http_request *http, struct str public_origin,
                                   struct str listed)
{
    struct str origin = http_header(http, STR("Origin")), one;
    if (origin.ptr == NULL || is_own(http, origin, public_origin))
        return HEADERS_ORIGIN_OWN;
    while (listed.len > 0) {
        (void)str_cut(listed, ',', &one, &listed);
        if (str_eq_nocase(str_trim(one), origin))
            return HEADERS_ORIGIN_LISTED;
    }
    return HEADERS_ORIGIN_FOREIGN;
}

void headers_allow_origin(struct http_request *http, enum headers_origin origin, struct str listed)
{
    if (str_is_empty(listed))
        return;
    http_add_header(http, STR("Vary"), STR("Origin"));
    if (origin != HEADERS_ORIGIN_LISTED)
        return;
    http_add_header(http, STR("Access-Control-Allow-Origin"), http_header(http, STR("Origin")));
    http_add_header(http, STR("Access-Control-Expose-Headers"),
                    STR("Retry-After, X-Request-Id, traceparent"));
}

void headers_allow_sending(struct http_request *http, enum headers_origin origin)
{
    if (origin != HEADERS_ORIGIN_LISTED)
        return;
    http_add_header(http, STR("Access-Control-Allow-Methods"), STR("GET, POST"));
    /* The star takes in what clients send to tell who they are; Authorization it never does. */
    http_add_header(http, STR("Access-Control-Allow-Headers"),
                    STR("Authorization, Content-Type, Last-Event-ID, *"));
    http_add_header(http, STR("Access-Control-Max-Age"), STR("7200"));
}

void headers_retry_after(struct http_request *http, int64_t us)
{
    if (us > 0)
        http_add_header(
            http, STR("Retry-After"),
            arena_printf(http->arena, "%lld", (long long)((us + CLOCK_S - 1) / CLOCK_S)));
}

/* The browser says that a page of ours, or a person, asked. */
static bool is_same_site_fetch(const struct http_request *http)
{
    struct str site = http_header(http, STR("Sec-Fetch-Site"));
    return str_eq(site, STR("same-origin")) || str_eq(site, STR("none"));
}

static struct str bearer_of(const struct http_request *http)
{
    struct str scheme, token;
    return str_cut(http_header(http, STR("Authorization")), ' ', &scheme, &token) &&
                   str_eq_nocase(scheme, STR("Bearer"))
               ? str_trim(token)
               : STR("");
}

struct str headers_token(const struct http_request *http, enum headers_origin origin,
                         bool *ret_is_cookie)
{
    struct str token;
    *ret_is_cookie = false;
    /* With a scheme that is not ours the caller is nobody, whatever a cookie says. */
    if (origin != HEADERS_ORIGIN_OWN || http_header(http, STR("Authorization")).ptr != NULL)
        return bearer_of(http);
    *ret_is_cookie =
        http_cookie_find(http_header(http, STR("Cookie")), STR(HEADERS_COOKIE), &token);
    return *ret_is_cookie ? token : STR("");
}

bool headers_read_token(const struct http_request *http, enum headers_origin origin, bool is_get,
                        struct str *ret_token, bool *ret_is_cookie, struct err *e)
{
    if (origin == HEADERS_ORIGIN_FOREIGN)
        return err_set(e, ERR_DENIED, "a page of another origin may not use this API");
    bool is_cookie;
    struct str token = headers_token(http, origin, &is_cookie);
    if (is_get && is_cookie && !is_same_site_fetch(http))
        return err_set(e, ERR_DENIED,
                       "GET with a cookie needs Sec-Fetch-Site: same-origin, as browsers send it");
    *ret_token = token;
    *ret_is_cookie = is_cookie;
    return true;
}
