/*
 * json/check: the one check of JSON values at every door, exactly as the API's `scalar JSON` says.
 * PostgreSQL's `json` takes what `jsonb` then refuses or blows up; what passes here fits both.
 * Source: api.graphql, scalar JSON.
 */
#pragma once
#include "json/json.h"

enum {
    JSON_CHECK_DEPTH_MAX = 128,  /* `[]` is one level, `[[]]` two */
    JSON_CHECK_DIGITS_MAX = 400, /* of a number when written out: 1e400 has 401 */
    JSON_CHECK_KEY_SHOWN = 64,   /* of a name that is not known, in an error */
};

/*
 * Refuses U+0000 and lone surrogates (in strings and keys), deeper nesting and longer numbers.
 *
 * Errors:  INVALID, naming the JSON path: "$.a[3].b: string holds U+0000".
 */
[[nodiscard]] bool json_check(const struct json_value *v, struct err *e);

/* json_parse and json_check in one, for text that comes from outside. */
[[nodiscard]] bool json_parse_checked(struct arena *a, struct str text,
                                      const struct json_value **ret_value, struct err *e);
/* The same for what carries such values `levels_around` levels down, as {"tasks": [{"payload": …
 * does by 3: those levels are not the values' own. Negative: of a value that will be carried so. */
[[nodiscard]] bool json_parse_carrier(struct arena *a, struct str text, int levels_around,
                                      const struct json_value **ret_value, struct err *e);

/*
 * Refuses what `object` has beside `names`, which end with NULL; cheapest where its members come in
 * that order. What is no object has no members.
 *
 * Errors:  INVALID, naming the first one: "tasks[3].colour: is not known here"; `at` is what
 *          stands before the name.
 */
[[nodiscard]] bool json_only(const struct json_value *object, const char *at,
                             const char *const names[], struct err *e);
