/*
 * json/writer: JSON text into a buffer, without a tree. json_put_* write one value each, for
 * callers that place commas and keys themselves; struct json_writer places them.
 * A buffer that passed its bound says so by `failed`, checked once at the end.
 */
#pragma once
#include "base/buf.h"
#include "json/json.h"

/* Quoted and escaped. `s` must be UTF-8. Only what RFC 8259 section 7 demands is escaped. */
void json_put_string(struct buf *b, struct str s);
/* The same without quotes into room for JSON_ESCAPED_MAX(s.len) bytes; the end of what is written.
 */
#define JSON_ESCAPED_MAX(len) ((len)*6)
[[nodiscard]] char *json_escape(char *at, struct str s);
/* The shortest text that reads back as the same double; "null" where it is not finite. */
void json_put_double(struct buf *b, double value);
/* Numbers as they were written, members in their order. */
void json_put_value(struct buf *b, const struct json_value *v);

struct json_writer {
    struct buf *out;
    unsigned depth; /* open containers */
    bool needs_comma;
};

static inline struct json_writer json_writer_to(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);

/* Before each value of an object. */
void json_key(struct json_writer *w, struct str key);
/* The same of a key of the program's own, in which nothing is to be escaped. */
void json_key_plain(struct json_writer *w, struct str key);
#define json_key_c(w, literal) json_key_plain((w), STR(literal))

void json_write_null(struct json_writer *w);
void json_write_bool(struct json_writer *w, bool value);
void json_write_i64(struct json_writer *w, int64_t value);
void json_write_u64(struct json_writer *w, uint64_t value);
void json_write_double(struct json_writer *w, double value);
void json_write_string(struct json_writer *w, struct str s);
void json_write_value(struct json_writer *w, const struct json_value *v);
/* `text` is one JSON value already. */
void json_write_raw(struct json_writer *w, struct str text);
