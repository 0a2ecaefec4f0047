#include "http/bearer.h"

static bool equals(struct str one, struct str other)
{
    unsigned differs = 0;
    if (one.len != other.len)
        return false;
    for (size_t i = 0; i < one.len; i++)
        differs |= (unsigned char)one.ptr[i] ^ (unsigned char)other.ptr[i];
    return differs == 0;
}

bool http_bearer_is(const struct http_request *r, struct str token)
{
    struct str shown = http_header(r, STR("Authorization")), scheme;
    if (str_is_empty(token))
        return strcmp(r->peer, "unix") == 0;
    return str_cut(shown, ' ', &scheme, &shown) && str_eq_nocase(scheme, STR("Bearer")) &&
           equals(str_trim(shown), token);
}
