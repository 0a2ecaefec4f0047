#include "conf/value_priv.h"

#include <arpa/inet.h>

#include "conf/shard_map.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first. */
static const struct unit duration_units[] = { { "d", INT64_C(86'400'000'000) },
                                              { "h", INT64_C(3'600'000'000) },
                                              { "m", 60'000'000 },
                                              { "s", 1'000'000 },
                                              { "ms", 1000 },
                                              { "us", 1 } };
static const struct unit size_units[] = {
    { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "", 1 }
};

static const struct unit *units_of(enum conf_type type, size_t *ret_count)
{
    *ret_count = type == CONF_TYPE_DURATION ? countof(duration_units) : countof(size_units);
    return type == CONF_TYPE_DURATION ? duration_units : size_units;
}

/* "90000000" microseconds as "90s": in the largest unit that leaves no rest. */
static const char *show(enum conf_type type, int64_t number, char text[32])
{
    size_t count;
    const struct unit *unit = units_of(type, &count);
    if (type == CONF_TYPE_INTEGER || number == 0) {
        snprintf(text, 32, "%lld", (long long)number);
        return text;
    }
    while (number % unit->factor != 0)
        unit++;
    snprintf(text, 32, "%lld%s", (long long)(number / unit->factor), unit->name);
    return text;
}

static bool read_with_unit(enum conf_type type, struct str text, int64_t *ret_number)
{
    size_t count, digits = 0;
    const struct unit *units = units_of(type, &count);
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    int64_t number = 0;
    if (!str_to_i64(str_first(text, digits), &number))
        return false;
    for (size_t i = 0; i < count; i++)
        if (str_eq_c(str_from(text, digits), units[i].name))
            return !__builtin_mul_overflow(number, units[i].factor, ret_number);
    *ret_number = number;
    return number == 0 && digits == text.len; /* 0 needs no unit */
}

static bool parse_number(const struct conf_option *o, struct str text, int64_t *ret_number,
                         struct err *e)
{
    char min[32], max[32];
    int64_t number = 0;
    bool is_read = o->type == CONF_TYPE_INTEGER ? str_to_i64(text, &number)
                                                : read_with_unit(o->type, text, &number);
    if (is_read && number >= o->min && number <= o->max) {
        *ret_number = number;
        return true;
    }
    const char *what = o->type == CONF_TYPE_INTEGER    ? "whole number"
                       : o->type == CONF_TYPE_DURATION ? "time such as 250ms, 30s, 5m, 12h or 7d"
                                                       : "size such as 512, 64KiB or 1MiB";
    return err_set(e, ERR_INVALID, "\"%.*s\" is no %s from %s to %s", STR_FMT(str_first(text, 40)),
                   what, show(o->type, o->min, min), show(o->type, o->max, max));
}

static bool parse_bool(struct str text, int64_t *ret_number, struct err *e)
{
    static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };
    for (size_t i = 0; i < countof(words); i++) {
        if (str_eq_c(text, words[i])) {
            *ret_number = (int64_t)(i % 2);
            return true;
        }
    }
    return err_set(e, ERR_INVALID, "\"%.*s\" is neither on nor off", STR_FMT(str_first(text, 40)));
}

static bool parse_choice(const struct conf_option *o, struct str text, int64_t *ret_number,
                         struct err *e)
{
    struct str left = str_of_c(o->choices), choice;
    for (int64_t i = 0; left.len > 0; i++) {
        (void)str_cut(left, '|', &choice, &left);
        if (str_eq(text, choice)) {
            *ret_number = i;
            return true;
        }
    }
    return err_set(e, ERR_INVALID, "\"%.*s\" is none of %s", STR_FMT(str_first(text, 40)),
                   o->choices);
}

/* 4 or 6; 0 where the text is no address. */
static int address_family(struct str text)
{
    char name[64];
    unsigned char address[16];
    if (text.len == 0 || text.len >= sizeof name)
        return 0;
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    return inet_pton(AF_INET, name, address) == 1    ? 4
           : inet_pton(AF_INET6, name, address) == 1 ? 6
                                                     : 0;
}

static bool consists_of(struct str text, const char *allowed)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || !strchr(allowed, text.ptr[i]))
            return false;
    return text.len > 0;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_host(struct str text)
{
    if (address_family(text))
        return true;
    return consists_of(text, LETTERS DIGITS "-.") && !consists_of(text, DIGITS ".");
}

/* "unix:/path": an absolute path that fits into a socket's name. */
static bool is_socket(struct str text)
{
    enum { PATH_BYTES_MAX = 107 };
    struct str path = str_from(text, min_of(text.len, STR("unix:").len));
    return str_starts_with(text, STR("unix:/")) && path.len > 1 && path.len <= PATH_BYTES_MAX;
}

static bool parse_networks(struct str text, struct err *e)
{
    while (text.len > 0) {
        struct str network, address, bits;
        uint64_t count = 0;
        (void)str_cut(text, ',', &network, &text);
        network = str_trim(network);
        bool has_bits = str_cut(network, '/', &address, &bits);
        int family = address_family(address);
        if (!family ||
            (has_bits && (!str_to_u64(bits, &count) || count > (family == 4 ? 32 : 128))))
            return err_set(e, ERR_INVALID, "\"%.*s\" is no address and no address/bits",
                           STR_FMT(str_first(network, 64)));
    }
    return true;
}

/* Segments of plain characters: nothing that would need escapes, and none that leads upwards. */
static bool is_plain_path(struct str path)
{
    struct str segment;
    bool is_more = path.len > 0;
    while (is_more) {
        is_more = str_cut(path, '/', &segment, &path);
        if (!consists_of(segment, LETTERS DIGITS "-._~") || consists_of(segment, "."))
            return false;
    }
    return true;
}

/* http(s)://host[:port][/path], the host perhaps in brackets. */
static bool parse_url(struct str *text, struct err *e)
{
    struct str url = *text;
    if (str_ends_with(url, STR("/")))
        url.len--;
    struct str rest = str_starts_with(url, STR("https://"))  ? str_from(url, 8)
                      : str_starts_with(url, STR("http://")) ? str_from(url, 7)
                                                             : (struct str){ 0 };
    struct str host, path, port = { 0 };
    uint64_t number = 1;
    bool is_path = !str_cut(rest, '/', &rest, &path) || is_plain_path(path);
    if (str_starts_with(rest, STR("["))) {
        (void)str_cut(str_from(rest, 1), ']', &host, &port);
        bool is_bare = str_is_empty(port);
        if (!is_bare && port.ptr[0] != ':')
            number = 0;
        port = str_from(port, 1);
    } else {
        (void)str_cut(rest, ':', &host, &port);
    }
    if ((port.len > 0 && !str_to_u64(port, &number)) || number < 1 || number > 65535 ||
        !is_host(host) || !is_path)
        return err_set(e, ERR_INVALID, "\"%.*s\" is no URL such as https://ops.example.com:8443",
                       STR_FMT(str_first(*text, 64)));
    *text = url;
    return true;
}

/* Exactly as browsers write them: no path, no slash at the end. */
static bool parse_origins(struct str text, struct err *e)
{
    while (text.len > 0) {
        struct str origin, path;
        (void)str_cut(text, ',', &origin, &text);
        origin = str_trim(origin);
        ptrdiff_t scheme = str_find(origin, STR("://"));
        if (scheme < 0 || str_cut(str_from(origin, (size_t)scheme + 3), '/', &path, &path) ||
            !parse_url(&origin, e))
            return err_set(e, ERR_INVALID, "\"%.*s\" is no origin such as https://example.com",
                           STR_FMT(str_first(origin, 64)));
    }
    return true;
}

static bool check_shard_queues(struct str text, struct err *e)
{
    struct shard_map map;
    return shard_map_read(text, &map, e);
}

static bool check_shard_texts(struct str text, struct err *e)
{
    struct shard_texts texts;
    return shard_texts_read(text, &texts, e);
}

bool value_parse(const struct conf_option *o, struct str *text, int64_t *ret_number, struct err *e)
{
    if (str_is_empty(*text))
        return o->default_text[0] == '\0' || err_set(e, ERR_INVALID, "the value is empty");
    switch (o->type) {
    case CONF_TYPE_STRING:
        return true;
    case CONF_TYPE_PATH:
        return !str_starts_with(*text, STR("~")) ||
               err_set(e, ERR_INVALID, "\"~\" is not expanded here; write the whole path");
    case CONF_TYPE_ADDRESS:
        return is_host(*text) || is_socket(*text) ||
               err_set(e, ERR_INVALID, "\"%.*s\" is no host name or address, nor unix:/path",
                       STR_FMT(str_first(*text, 64)));
    case CONF_TYPE_NETWORKS:
        return parse_networks(*text, e);
    case CONF_TYPE_URL:
        return parse_url(text, e);
    case CONF_TYPE_ORIGINS:
        return parse_origins(*text, e);
    case CONF_TYPE_INTEGER:
    case CONF_TYPE_DURATION:
    case CONF_TYPE_BYTES:
        return parse_number(o, *text, ret_number, e);
    case CONF_TYPE_BOOL:
        return parse_bool(*text, ret_number, e);
    case CONF_TYPE_CHOICE:
        return parse_choice(o, *text, ret_number, e);
    case CONF_TYPE_SHARD_QUEUES:
        return check_shard_queues(*text, e);
    case CONF_TYPE_SHARD_TEXTS:
        return check_shard_texts(*text, e);
    }
    base_abort("conf: option of unknown type");
}

void value_guess(struct value_guess *g, const char *candidate)
{
    enum { DISTANCE_MAX = 3 };
    struct str name = str_of_c(candidate);
    size_t third = (max_of(name.len, g->wrong.len) + 1) / 3;
    size_t limit = min_of(third, (size_t)DISTANCE_MAX);
    size_t distance = str_distance(g->wrong, name, limit);
    if (distance <= limit && (!g->best || distance < g->distance)) {
        g->best = candidate;
        g->distance = distance;
    }
}
