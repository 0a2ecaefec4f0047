#include "http/guard.h"

#include "base/mem.h"

struct http_guard {
    struct http_networks *allowed;
};

struct rule {
    const char *network, *what;
};

/* All that is not globally routable. */
static const struct rule v4_rules[] = {
    { "0.0.0.0/8", "this host" },
    { "10.0.0.0/8", "a private network" },
    { "100.64.0.0/10", "a carrier's shared network" },
    { "127.0.0.0/8", "loopback" },
    { "169.254.0.0/16", "link-local" },
    { "172.16.0.0/12", "a private network" },
    { "192.0.0.0/24", "for protocols" },
    { "192.0.2.0/24", "for documentation" },
    { "192.88.99.0/24", "a former relay" },
    { "192.168.0.0/16", "a private network" },
    { "198.18.0.0/15", "for benchmarks" },
    { "198.51.100.0/24", "for documentation" },
    { "203.0.113.0/24", "for documentation" },
    { "224.0.0.0/4", "multicast" },
    { "240.0.0.0/4", "reserved" },
};

/* What of IPv6 has a name of its own; all else outside of 2000::/3 is reserved. */
static const struct rule v6_rules[] = {
    { "::/128", "this host" },
    { "::1/128", "loopback" },
    { "64:ff9b:1::/48", "a local translation to IPv4" },
    { "100::/64", "for discarding" },
    { "2001::/23", "for protocols" }, /* Teredo among them */
    { "2001:db8::/32", "for documentation" },
    { "3fff::/20", "for documentation" },
    { "fc00::/7", "a private network" },
    { "fe80::/10", "link-local" },
    { "fec0::/10", "a private network" },
    { "ff00::/8", "multicast" },
};

static bool is_in(const struct http_address *address, const char *network_text)
{
    struct http_network network;
    bool is_network = http_network_parse(str_of_c(network_text), &network);
    assert(is_network);
    return http_network_has(&network, address);
}

static const char *match(const struct rule *rules, size_t count, const struct http_address *address)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(address, rules[i].network))
            return rules[i].what;
    return NULL;
}

static const char *judge_v4(const struct http_address *address)
{
    return match(v4_rules, countof(v4_rules), address);
}

/* Of an IPv6 address that a gateway turns into the IPv4 one inside it, which counts then. */
static const char *judge_embedded(const struct http_address *address, size_t at)
{
    struct http_address inner = { .bytes = { [10] = 0xff, [11] = 0xff } };
    memcpy(&inner.bytes[HTTP_ADDRESS_V4_AT], &address->bytes[at], 4);
    return judge_v4(&inner);
}

static const char *judge_v6(const struct http_address *address)
{
    if (is_in(address, "64:ff9b::/96"))
        return judge_embedded(address, 12);
    if (is_in(address, "2002::/16"))
        return judge_embedded(address, 2);
    const char *what = match(v6_rules, countof(v6_rules), address);
    return what == NULL && !is_in(address, "2000::/3") ? "reserved" : what;
}

bool http_guard_create(struct str allowed, struct http_guard **ret_guard, struct err *e)
{
    scoped(http_guard_destroyp) struct http_guard *guard = mem_new(struct http_guard);
    struct str entry;
    guard->allowed = http_networks_create();
    while (http_networks_next(&allowed, &entry))
        if (!http_networks_add(guard->allowed, entry))
            return err_set(e, ERR_INVALID, "\"%.*s\" is not an address and not a network",
                           STR_FMT(str_first(entry, 64)));
    *ret_guard = take(guard);
    return true;
}

void http_guard_destroy(struct http_guard *guard)
{
    if (!guard)
        return;
    http_networks_destroy(guard->allowed);
    mem_free(guard);
}

const char *http_guard_refuses(const struct http_guard *guard, const struct http_address *address)
{
    if (http_networks_have(guard->allowed, address))
        return NULL;
    return http_address_is_v4(address) ? judge_v4(address) : judge_v6(address);
}
