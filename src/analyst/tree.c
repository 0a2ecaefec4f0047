#include "analyst/tree.h"

#include <math.h>

void tree_put(struct tree *t, struct str key, struct json_value value)
{
    if (t->count == t->capacity) {
        size_t capacity = max_of((size_t)8, t->capacity * 2);
        struct json_member *members = arena_new_array(t->arena, capacity, struct json_member);
        for (size_t i = 0; i < t->count; i++)
            members[i] = t->members[i];
        t->members = members;
        t->capacity = capacity;
    }
    t->members[t->count++] = (struct json_member){ key, value };
}

struct json_value tree_of_double(struct arena *a, double value)
{
    return isfinite(value) ? json_of_number(arena_printf(a, "%.9g", value)) : json_of_null();
}

void tree_number(struct tree *t, const char *key, double value)
{
    tree_put(t, str_of_c(key), tree_of_double(t->arena, value));
}

void tree_text(struct tree *t, const char *key, struct str text)
{
    tree_put(t, str_of_c(key), json_of_string(text));
}
