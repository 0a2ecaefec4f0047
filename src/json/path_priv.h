/* json/path: where in a document something is, "$.a[3].b", for messages. */
#pragma once
#include "json/json.h"

/* One step below `parent`; NULL is the root. Steps live on the stack of the walk. */
struct json_step {
    const struct json_step *parent;
    struct str key;
    size_t index;
    bool is_key;     /* else `index` counts */
    bool is_escaped; /* `key` is as written in the text */
};

/* Of the path, and its NUL. A longer path is cut and ends with "…". */
enum { JSON_PATH_TEXT_MAX = 80 };

void json_path_format(const struct json_step *leaf, char ret_text[JSON_PATH_TEXT_MAX]);

/* The same for the place `at` in the text of a document that may be broken there. */
void json_path_of_text(struct str text, size_t at, char ret_text[JSON_PATH_TEXT_MAX]);
