#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>

#include "base/random.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = min_of(a.len, b.len);
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_from(s, s.len - suffix.len), suffix);
}

struct str str_from(struct str s, size_t from)
{
    return from >= s.len ? (struct str){ 0 } : str_of(s.ptr + from, s.len - from);
}

struct str str_first(struct str s, size_t len)
{
    return str_of(s.ptr, min_of(s.len, len));
}

struct str str_first_whole(struct str s, size_t len)
{
    len = min_of(len, s.len);
    while (len < s.len && len > 0 && ((unsigned char)s.ptr[len] & 0xC0) == 0x80)
        len--;
    return str_of(s.ptr, len);
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? at - s.ptr : -1;
}

ptrdiff_t str_find_char(struct str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? at - s.ptr : -1;
}

bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
    ptrdiff_t at = str_find_char(s, sep);
    *ret_head = at < 0 ? s : str_first(s, (size_t)at);
    *ret_tail = at < 0 ? (struct str){ 0 } : str_from(s, (size_t)at + 1);
    return at >= 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && is_space(s.ptr[0]))
        s = str_from(s, 1);
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_to_u64(struct str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret_value)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t magnitude = 0;
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    if (!str_to_u64(is_negative ? str_from(s, 1) : s, &magnitude) || magnitude > limit)
        return false;
    *ret_value = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool str_to_double(struct str s, double *ret_value)
{
    char text[64];
    if (s.len == 0 || s.len >= sizeof text || is_space(s.ptr[0]))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    for (size_t i = 0; i < s.len; i++) /* strtod also reads hex, inf and nan */
        if (!strchr("0123456789+-.eE", text[i]))
            return false;
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text + s.len || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

/* The length of the sequence at `p`, or 0. Source: RFC 3629 section 4. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < n)
        return 0;
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_sequence(p + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* 0: not made yet. */
static _Atomic uint64_t hash_seed;
static once_flag hash_seed_once = ONCE_FLAG_INIT;

static void seed_hash(void)
{
    uint64_t seed = 0;
    random_bytes(&seed, sizeof seed);
    atomic_store(&hash_seed, seed | 1);
}

static uint64_t load_word(const char *bytes, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, bytes, len);
    return word;
}

/* All bits of the product, folded: each bit of either factor moves half of the result's. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Sixteen bytes a multiplication, the state in both factors so that none of them can be made zero
 * without knowing the seed. The last bytes are read so that they overlap with those before; the
 * length, which goes in at the end, tells such texts apart.
 */
uint64_t str_hash(struct str s)
{
    const uint64_t odd = 0x9e3779b97f4a7c15U, odder = 0xd6e8feb86659fd93U;
    uint64_t seed = atomic_load_explicit(&hash_seed, memory_order_relaxed);
    if (!seed) {
        call_once(&hash_seed_once, seed_hash);
        seed = atomic_load(&hash_seed);
    }
    uint64_t h = seed ^ odd;
    const char *at = s.ptr;
    size_t left = s.len;
    for (; left > 16; left -= 16, at += 16)
        h = fold(load_word(at, 8) ^ h, load_word(at + 8, 8) ^ seed ^ odder);
    uint64_t low = 0, high = 0;
    if (left >= 8) {
        low = load_word(at, 8);
        high = load_word(at + left - 8, 8);
    } else if (left >= 4) {
        low = load_word(at, 4);
        high = load_word(at + left - 4, 4);
    } else if (left > 0) {
        low = (unsigned char)at[0];
        high = (uint64_t)(unsigned char)at[left / 2] << 8 | (unsigned char)at[left - 1];
    }
    h = fold(low ^ h, high ^ seed ^ odder);
    return fold(h ^ s.len, odd);
}

bool str_eq_secret(struct str a, struct str b)
{
    volatile unsigned char differ = a.len != b.len;
    for (size_t i = 0; i < a.len && i < b.len; i++)
        differ = differ | (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    return !differ;
}

enum { DISTANCE_LEN_MAX = 64 };

size_t str_distance(struct str a, struct str b, size_t limit)
{
    size_t rows[3][DISTANCE_LEN_MAX + 1];
    if (a.len > DISTANCE_LEN_MAX || b.len > DISTANCE_LEN_MAX)
        return limit + 1;
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i - 1) % 3];
        const size_t *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char ca = lower(a.ptr[i - 1]);
            char cb = lower(b.ptr[j - 1]);
            size_t best = last[j - 1] + (ca != cb);
            best = min_of(best, last[j] + 1);
            best = min_of(best, now[j - 1] + 1);
            if (i > 1 && j > 1 && ca == lower(b.ptr[j - 2]) && lower(a.ptr[i - 2]) == cb)
                best = min_of(best, before[j - 2] + 1);
            now[j] = best;
        }
    }
    return min_of(rows[a.len % 3][b.len], limit + 1);
}
