/* tree: JSON values made member by member, for the data of findings. They live in the arena. */
#pragma once
#include "json/json.h"

struct tree {
    struct arena *arena;
    struct json_member *members;
    size_t count, capacity;
};

[[nodiscard]] static inline struct tree tree_create(struct arena *a)
{
    return (struct tree){ .arena = a };
}
/* `key` must outlive the tree; literals and texts of the arena do. */
void tree_put(struct tree *t, struct str key, struct json_value value);
void tree_number(struct tree *t, const char *key, double value); /* null where not finite */
void tree_text(struct tree *t, const char *key, struct str text);
[[nodiscard]] static inline struct json_value tree_value(const struct tree *t)
{
    return json_of_members(t->members, t->count);
}
/* Nine significant digits; null where it is not finite. */
[[nodiscard]] struct json_value tree_of_double(struct arena *a, double value);
