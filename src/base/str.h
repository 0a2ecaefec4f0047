/*
 * str: a string is a pointer and a length. It owns nothing and need not end in NUL; what it points
 * to lives as long as its owner says (an arena, a buffer, a literal).
 */
#pragma once
#include "base/base.h"

struct str {
    const char *ptr;
    size_t len;
};

/* A literal as a str. */
#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* For "%.*s". */
#define STR_FMT(s) (int)(s).len, (s).len ? (s).ptr : ""

static inline struct str str_of(const char *ptr, size_t len)
{
    return (struct str){ ptr, len };
}

/* `text` may be NULL, which gives the empty string. */
static inline struct str str_of_c(const char *text)
{
    return (struct str){ text, text ? strlen(text) : 0 };
}

static inline bool str_is_empty(struct str s)
{
    return s.len == 0;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Compares with a C string, usually a literal, whose length the compiler then knows. */
static inline bool str_eq_c(struct str a, const char *b)
{
    size_t len = b ? strlen(b) : 0;
    return a.len == len && (len == 0 || memcmp(a.ptr, b, len) == 0);
}

/* ASCII letters only, whatever the locale. */
bool str_eq_nocase(struct str a, struct str b);
/* Byte order, as memcmp; a prefix sorts first. */
int str_cmp(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);

/* The part from `from` to its end; empty when `from` is beyond it. */
struct str str_from(struct str s, size_t from);
/* At most `len` bytes from the start; of the second, none of a character (UTF-8) that is cut. */
struct str str_first(struct str s, size_t len);
struct str str_first_whole(struct str s, size_t len);

/* The index of the first `needle`, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_find_char(struct str s, char c);

/* Cuts at the first `sep`: before it and after it. False and `ret_head` = all when there is none.
 */
bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail);

/* Without ASCII space, tab, CR and LF at both ends. */
struct str str_trim(struct str s);

/* The whole of `s` as a decimal number, an optional '-' first; no space, no '+', no overflow. */
[[nodiscard]] bool str_to_i64(struct str s, int64_t *ret_value);
[[nodiscard]] bool str_to_u64(struct str s, uint64_t *ret_value);
/* The whole of `s` as a finite decimal number. */
[[nodiscard]] bool str_to_double(struct str s, double *ret_value);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool str_is_utf8(struct str s);

/* A 64-bit hash, seeded at random once a process against chosen keys; equality is for the caller.
 */
uint64_t str_hash(struct str s);

/* Equal in time that depends on the lengths alone; for secrets. */
bool str_eq_secret(struct str a, struct str b);

/* Damerau-Levenshtein distance, for "did you mean"; more than `limit` is answered as limit + 1. */
size_t str_distance(struct str a, struct str b, size_t limit);
