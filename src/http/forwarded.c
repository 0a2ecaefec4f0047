#include "http/forwarded.h"

#include <arpa/inet.h>

#include "base/mem.h"
#include "http/uri.h"

/* All addresses as IPv6, IPv4 ones mapped: one comparison for both. */
struct network {
    struct in6_addr address;
    unsigned prefix_bits;
};

struct http_proxies {
    struct network *networks;
    size_t count;
    bool trusts_unix;
};

enum { BITS = 128, V4_BITS = 32, V4_OFFSET = 12 };

static bool parse_address(struct str text, struct in6_addr *ret_address, bool *ret_is_v4)
{
    char c_text[INET6_ADDRSTRLEN];
    struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    if (text.len >= sizeof c_text)
        return false;
    memcpy(c_text, text.len ? text.ptr : "", text.len);
    c_text[text.len] = '\0';
    *ret_is_v4 = inet_pton(AF_INET, c_text, &address.s6_addr[V4_OFFSET]) == 1;
    if (!*ret_is_v4 && inet_pton(AF_INET6, c_text, &address) != 1)
        return false;
    *ret_address = address;
    return true;
}

static bool parse_network(struct str text, struct network *ret_network)
{
    struct str address, bits;
    bool is_v4 = false;
    bool has_bits = str_cut(text, '/', &address, &bits);
    uint64_t prefix = 0;
    if (!parse_address(address, &ret_network->address, &is_v4))
        return false;
    unsigned most = is_v4 ? V4_BITS : BITS;
    if (has_bits && (!str_to_u64(bits, &prefix) || prefix > most))
        return false;
    ret_network->prefix_bits = BITS - most + (has_bits ? (unsigned)prefix : most);
    return true;
}

static bool contains(const struct network *n, const struct in6_addr *address)
{
    unsigned whole = n->prefix_bits / 8, rest = n->prefix_bits % 8;
    if (memcmp(&n->address, address, whole) != 0)
        return false;
    unsigned mask = 0xff00U >> rest & 0xff;
    return rest == 0 || ((n->address.s6_addr[whole] ^ address->s6_addr[whole]) & mask) == 0;
}

static bool add_entry(struct http_proxies *p, struct str entry)
{
    if (str_eq_c(entry, "unix")) {
        p->trusts_unix = true;
        return true;
    }
    p->networks = mem_resize(p->networks, p->count + 1, sizeof *p->networks);
    return parse_network(entry, &p->networks[p->count++]);
}

bool http_proxies_create(struct str list, struct http_proxies **ret_proxies, struct err *e)
{
    scoped(http_proxies_destroyp) struct http_proxies *p = mem_new(struct http_proxies);
    for (size_t from = 0, i = 0; i <= list.len; i++) {
        if (i < list.len && !strchr(", \t", list.ptr[i]))
            continue;
        struct str entry = str_of(list.ptr + from, i - from);
        from = i + 1;
        if (entry.len && !add_entry(p, entry))
            return err_set(e, ERR_INVALID,
                           "trusted proxy \"%.*s\" is not an address, a network or \"unix\"",
                           (int)min_of(entry.len, (size_t)64), entry.ptr);
    }
    *ret_proxies = take(p);
    return true;
}

void http_proxies_destroy(struct http_proxies *p)
{
    if (!p)
        return;
    mem_free(p->networks);
    mem_free(p);
}

bool http_proxies_trust(const struct http_proxies *p, struct str text)
{
    struct in6_addr address;
    bool is_v4 = false;
    if (str_eq_c(text, "unix"))
        return p->trusts_unix;
    if (!parse_address(text, &address, &is_v4))
        return false;
    for (size_t i = 0; i < p->count; i++)
        if (contains(&p->networks[i], &address))
            return true;
    return false;
}

/* "203.0.113.7", "203.0.113.7:4711", "[2001:db8::1]:4711", "2001:db8::1": the address alone. */
static bool hop_address(struct str hop, struct str *ret_address)
{
    struct in6_addr ignored;
    bool is_v4 = false;
    struct str address = hop, port;
    if (hop.len && hop.ptr[0] == '[') {
        ptrdiff_t end = str_find_char(hop, ']');
        address = end > 0 ? str_of(hop.ptr + 1, (size_t)end - 1) : (struct str){ 0 };
    } else if (str_find_char(hop, '.') >= 0 && str_find_char(hop, ':') >= 0 &&
               !parse_address(hop, &ignored, &is_v4)) {
        (void)str_cut(hop, ':', &address, &port);
    }
    if (!parse_address(address, &ignored, &is_v4))
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
