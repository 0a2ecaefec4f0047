/*
 * members: `"key":value` of an open object, in the forms that members of the services' objects
 * take. `key` is the program's own, nothing in it is escaped. "maybe": null where it is not there.
 */
#pragma once
#include "base/uuid.h"
#include "json/writer.h"

void json_put_text(struct json_writer *w, const char *key, struct str text);
void json_put_i64(struct json_writer *w, const char *key, int64_t value);
void json_put_number(struct json_writer *w, const char *key, int64_t value); /* "991", a string */
void json_put_id(struct json_writer *w, const char *key, struct uuid id);
void json_put_null(struct json_writer *w, const char *key);
void json_put_time(struct json_writer *w, const char *key, int64_t us); /* 0: null */
/* `json` is one value already. */
void json_put_maybe_raw(struct json_writer *w, const char *key, bool has_it, struct str json);
void json_put_maybe_text(struct json_writer *w, const char *key, bool has_it, struct str text);
void json_put_maybe_id(struct json_writer *w, const char *key, bool has_it, struct uuid id);
