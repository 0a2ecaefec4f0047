/* networks: IP addresses and sets of networks, as settings write them. Pure. */
#pragma once
#include "base/base.h"
#include "base/str.h"

/* As IPv6, an IPv4 one mapped (::ffff:a.b.c.d): one comparison for both. */
struct http_address {
    uint8_t bytes[16];
};

enum { HTTP_ADDRESS_V4_AT = 12 }; /* where a mapped IPv4 address begins */

/* "203.0.113.7" or "2001:db8::1"; no port, no zone. */
[[nodiscard]] bool http_address_parse(struct str text, struct http_address *ret_address);
[[nodiscard]] bool http_address_is_v4(const struct http_address *address);

struct http_network {
    struct http_address address;
    unsigned prefix_bits; /* of 128 */
};

/* An address, or a network as "10.0.0.0/8". */
[[nodiscard]] bool http_network_parse(struct str text, struct http_network *ret_network);
[[nodiscard]] bool http_network_has(const struct http_network *network,
                                    const struct http_address *address);

struct http_networks;

[[nodiscard]] struct http_networks *http_networks_create(void); /* the empty set */
void http_networks_destroy(struct http_networks *networks);     /* accepts NULL */
DEFINE_SCOPED(http_networks);

/* False when `text` is neither an address nor a network. */
[[nodiscard]] bool http_networks_add(struct http_networks *networks, struct str text);
[[nodiscard]] bool http_networks_have(const struct http_networks *networks,
                                      const struct http_address *address);
/* The next entry of a list, by comma or space; false at its end. */
[[nodiscard]] bool http_networks_next(struct str *list, struct str *ret_entry);
