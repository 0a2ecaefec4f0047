#include "http/peer.h"

bool http_peer_parse(struct arena *a, const char *name, struct str text, struct http_peer *ret_peer,
                     struct err *e)
{
    if (str_starts_with(text, STR("unix:/"))) {
        *ret_peer = (struct http_peer){ .unix_path = arena_cstr(a, str_from(text, 5)),
                                        .base_url = "http://localhost" };
        return true;
    }
    if (!str_starts_with(text, STR("http://")) && !str_starts_with(text, STR("https://")))
        return err_set(e, ERR_INVALID, "%s: \"%.*s\" is neither http://HOST:PORT nor unix:/path",
                       name, STR_FMT(str_first(text, 60)));
    while (str_ends_with(text, STR("/")))
        text.len--;
    *ret_peer = (struct http_peer){ .base_url = arena_cstr(a, text) };
    return true;
}
