/*
 * json: an immutable tree of JSON values, parsed from text or built by code. Numbers keep every
 * digit as they were written. The tree lives in the arena given to the parser or the builder.
 * Source: RFC 8259.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Containers inside one another that json_parse accepts; every walk of a tree may recurse so far.
 */
enum { JSON_DEPTH_MAX = 256 };

struct json_value {
    enum json_type type;
    bool boolean; /* BOOL */
    union {
        struct str text; /* STRING: decoded. NUMBER: as written, "-1.50e3" */
        struct {
            const struct json_value *items; /* ARRAY */
            size_t item_count;
        };
        struct {
            const struct json_member *members; /* OBJECT: in their order, repeated keys included */
            size_t member_count;
        };
    };
};

struct json_member {
    struct str key;
    struct json_value value;
};

/*
 * Parses one document of RFC 8259: no comments, no trailing commas, no text after it, UTF-8 only.
 * U+0000 in a string is let through: see json/check.h. `text` is copied.
 *
 * Errors:  INVALID where the text is no JSON, LIMIT beyond JSON_DEPTH_MAX or the arena's budget;
 *          both name the place: "$.a[3]: unexpected character (line 2 column 7, byte 31)".
 * Cost:    the text and 24 to 40 bytes a value in the arena; meanwhile up to 24 bytes a byte of
 *          text on the heap.
 */
[[nodiscard]] bool json_parse(struct arena *a, struct str text, const struct json_value **ret_value,
                              struct err *e);

/* The member of that name, the last where it is repeated; NULL where there is none or `v` is no
 * object or NULL, so that a path is asked for in one expression. */
[[nodiscard]] const struct json_value *json_get(const struct json_value *v, struct str key);
#define json_get_c(v, literal) json_get((v), STR(literal))

/* The member that is a string; `ptr` NULL: there is none. */
[[nodiscard]] struct str json_get_text(const struct json_value *object, struct str key);
/* Whether the member is there and true. */
[[nodiscard]] bool json_get_flag(const struct json_value *object, struct str key);
/* The member that is a number, or, of _text, a string that is one: "17". False where it is not, or
 * out of range; then *ret_value is as it was. */
[[nodiscard]] bool json_get_i64(const struct json_value *object, struct str key,
                                int64_t *ret_value);
[[nodiscard]] bool json_get_i64_text(const struct json_value *object, struct str key,
                                     int64_t *ret_value);

/* "null", "boolean", "number", "string", "array", "object". */
const char *json_type_name(enum json_type type);

/* False where the number is no whole number in range. "10", "10.0" and "1e1" are the same number.
 */
[[nodiscard]] bool json_to_i64(const struct json_value *number, int64_t *ret_value);
/* The nearest double; false where that is infinite. */
[[nodiscard]] bool json_to_double(const struct json_value *number, double *ret_value);

/* Values made by code. What they point to is not copied. */
static inline struct json_value json_of_bool(bool value)
{
    return (struct json_value){ .type = JSON_BOOL, .boolean = value };
}

static inline struct json_value json_of_string(struct str text)
{
    return (struct json_value){ .type = JSON_STRING, .text = text };
}

/* `text` must be a number as RFC 8259 section 6 spells it; GraphQL's IntValue and FloatValue are.
 */
static inline struct json_value json_of_number(struct str text)
{
    return (struct json_value){ .type = JSON_NUMBER, .text = text };
}

static inline struct json_value json_of_items(const struct json_value *items, size_t count)
{
    return (struct json_value){ .type = JSON_ARRAY, .items = items, .item_count = count };
}

static inline struct json_value json_of_members(const struct json_member *members, size_t count)
{
    return (struct json_value){ .type = JSON_OBJECT, .members = members, .member_count = count };
}

static inline struct json_value json_of_null(void)
{
    return (struct json_value){ .type = JSON_NULL };
}

[[nodiscard]] struct json_value json_of_i64(struct arena *a, int64_t value);
