/*
 * read: reads the members of a task's payload, each with its bounds. Pure. All errors are
 * INVALID and name the JSON path: "$.seconds: …".
 */
#pragma once
#include "json/json.h"

/* It is an object (or null, which is the empty one) and has no member but those. */
[[nodiscard]] bool payload_check(const struct json_value *payload, const char *const *known,
                                 size_t known_count, struct err *e);

/* The member, or NULL where it is absent or null. */
[[nodiscard]] const struct json_value *payload_get(const struct json_value *payload,
                                                   const char *key);

/* These leave `*ret_value` as it is where the member is absent. */
[[nodiscard]] bool payload_bool(const struct json_value *payload, const char *key, bool *ret_value,
                                struct err *e);
[[nodiscard]] bool payload_integer(const struct json_value *payload, const char *key, int64_t min,
                                   int64_t max, int64_t *ret_value, struct err *e);
[[nodiscard]] bool payload_number(const struct json_value *payload, const char *key, double min,
                                  double max, double *ret_value, struct err *e);
/* Copied to the arena; 1 to `bytes_max` bytes without U+0000. */
[[nodiscard]] bool payload_text(struct arena *a, const struct json_value *payload, const char *key,
                                size_t bytes_max, struct str *ret_value, struct err *e);
/*
 * The texts of a list of at most `count_max`, copied to the arena, each of at most `bytes_max`
 * bytes without U+0000; empty ones are right. Absent: none.
 */
[[nodiscard]] bool payload_texts(struct arena *a, const struct json_value *payload, const char *key,
                                 size_t count_max, size_t bytes_max, struct str **ret_values,
                                 size_t *ret_count, struct err *e);
/* A text like "nightly-backup": 1 to `bytes_max` letters, digits, '.', '_' and '-'. */
[[nodiscard]] bool payload_name(struct arena *a, const struct json_value *payload, const char *key,
                                size_t bytes_max, struct str *ret_value, struct err *e);
[[nodiscard]] bool payload_is_name(struct str text);
/* For a member that must be there. */
[[nodiscard]] bool payload_needs(const struct json_value *payload, const char *key,
                                 const char *what, struct err *e);
