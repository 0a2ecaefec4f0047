#include "http/forwarded.h"

#include "base/mem.h"
#include "http/networks.h"
#include "http/uri.h"

struct http_proxies {
    struct http_networks *networks;
    bool trusts_unix;
};

static bool add_entry(struct http_proxies *p, struct str entry)
{
    if (str_eq_c(entry, "unix")) {
        p->trusts_unix = true;
        return true;
    }
    return http_networks_add(p->networks, entry);
}

bool http_proxies_create(struct str list, struct http_proxies **ret_proxies, struct err *e)
{
    scoped(http_proxies_destroyp) struct http_proxies *p = mem_new(struct http_proxies);
    struct str entry;
    p->networks = http_networks_create();
    while (http_networks_next(&list, &entry))
        if (!add_entry(p, entry))
            return err_set(e, ERR_INVALID,
                           "trusted proxy \"%.*s\" is not an address, a network or \"unix\"",
                           STR_FMT(str_first(entry, 64)));
    *ret_proxies = take(p);
    return true;
}

void http_proxies_destroy(struct http_proxies *p)
{
    if (!p)
        return;
    http_networks_destroy(p->networks);
    mem_free(p);
}

bool http_proxies_trust(const struct http_proxies *p, struct str text)
{
    struct http_address address;
    if (str_eq_c(text, "unix"))
        return p->trusts_unix;
    return http_address_parse(text, &address) && http_networks_have(p->networks, &address);
}

/* "203.0.113.7", "203.0.113.7:4711", "[2001:db8::1]:4711", "2001:db8::1": the address alone. */
static bool hop_address(struct str hop, struct str *ret_address)
{
    struct http_address ignored;
    struct str address = hop, port;
    if (hop.len && hop.ptr[0] == '[') {
        ptrdiff_t end = str_find_char(hop, ']');
        address = end > 0 ? str_of(hop.ptr + 1, (size_t)end - 1) : (struct str){ 0 };
    } else if (str_find_char(hop, '.') >= 0 && str_find_char(hop, ':') >= 0 &&
               !http_address_parse(hop, &ignored)) {
        (void)str_cut(hop, ':', &address, &port);
    }
    if (!http_address_parse(address, &ignored))
        return false;
    *ret_address = address;
    return true;
}

/* The list's last entry, cut off it. */
static struct str last_entry(struct str *list)
{
    size_t at = list->len;
    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    struct str entry = str_trim(str_from(*list, at));
    list->len = at > 0 ? at - 1 : 0;
    return entry;
}

void http_forwarded(const struct http_proxies *p, struct str peer, struct str forwarded_for,
                    struct str forwarded_proto, struct str forwarded_host,
                    struct http_forwarded *ret_forwarded)
{
    struct str hops = forwarded_for;
    *ret_forwarded = (struct http_forwarded){ .client = peer };
    if (!http_proxies_trust(p, peer))
        return;
    while (hops.len) {
        struct str address;
        if (!hop_address(last_entry(&hops), &address))
            break; /* a trusted proxy passed on what is no address: the last known one counts */
        ret_forwarded->client = address;
        if (!http_proxies_trust(p, address))
            break;
    }
    ret_forwarded->is_https = str_eq_nocase(last_entry(&forwarded_proto), STR("https"));
    struct str host = last_entry(&forwarded_host);
    if (http_host_is_valid(host))
        ret_forwarded->host = host;
}
