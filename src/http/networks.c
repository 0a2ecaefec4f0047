#include "http/networks.h"

#include <arpa/inet.h>

#include "base/mem.h"

struct http_networks {
    struct http_network *items;
    size_t count;
};

enum { BITS = 128, V4_BITS = 32 };

bool http_address_parse(struct str text, struct http_address *ret_address)
{
    char c_text[INET6_ADDRSTRLEN];
    struct http_address address = { .bytes = { [10] = 0xff, [11] = 0xff } };
    if (text.len >= sizeof c_text)
        return false;
    memcpy(c_text, text.len ? text.ptr : "", text.len);
    c_text[text.len] = '\0';
    if (inet_pton(AF_INET, c_text, &address.bytes[HTTP_ADDRESS_V4_AT]) != 1 &&
        inet_pton(AF_INET6, c_text, address.bytes) != 1)
        return false;
    *ret_address = address;
    return true;
}

bool http_address_is_v4(const struct http_address *address)
{
    static const uint8_t mapped[HTTP_ADDRESS_V4_AT] = { [10] = 0xff, [11] = 0xff };
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

bool http_network_parse(struct str text, struct http_network *ret_network)
{
    struct str address, bits;
    struct http_network network;
    uint64_t prefix = 0;
    bool has_bits = str_cut(text, '/', &address, &bits);
    if (!http_address_parse(address, &network.address))
        return false;
    /* By its spelling: "::ffff:0:0/96" counts its bits as IPv6 does. */
    unsigned most = str_find_char(address, ':') < 0 ? V4_BITS : BITS;
    if (has_bits && (!str_to_u64(bits, &prefix) || prefix > most))
        return false;
    network.prefix_bits = BITS - most + (has_bits ? (unsigned)prefix : most);
    *ret_network = network;
    return true;
}

bool http_network_has(const struct http_network *n, const struct http_address *address)
{
    unsigned whole = n->prefix_bits / 8, rest = n->prefix_bits % 8;
    if (n->prefix_bits < BITS - V4_BITS && http_address_is_v4(address))
        return false; /* "::/0" is all of IPv6 and nothing else */
    if (memcmp(n->address.bytes, address->bytes, whole) != 0)
        return false;
    unsigned mask = 0xff00U >> rest & 0xff;
    return rest == 0 || ((n->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

struct http_networks *http_networks_create(void)
{
    return mem_new(struct http_networks);
}

void http_networks_destroy(struct http_networks *networks)
{
    if (!networks)
        return;
    mem_free(networks->items);
    mem_free(networks);
}

bool http_networks_add(struct http_networks *networks, struct str text)
{
    struct http_network network;
    if (!http_network_parse(text, &network))
        return false;
    networks->items = mem_resize(networks->items, networks->count + 1, sizeof *networks->items);
    networks->items[networks->count++] = network;
    return true;
}

bool http_networks_have(const struct http_networks *networks, const struct http_address *address)
{
    for (size_t i = 0; i < networks->count; i++)
        if (http_network_has(&networks->items[i], address))
            return true;
    return false;
}

bool http_networks_next(struct str *list, struct str *ret_entry)
{
    size_t from = 0;
    while (from < list->len && strchr(", \t", list->ptr[from]))
        from++;
    size_t end = from;
    while (end < list->len && !strchr(", \t", list->ptr[end]))
        end++;
    *ret_entry = str_of(list->ptr + from, end - from);
    *list = str_from(*list, end);
    return ret_entry->len > 0;
}
