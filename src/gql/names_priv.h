/* names: a hash table from names to pointers in an arena; it only grows. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

struct name_slot {
    struct str name;
    void *value;
    uint64_t hash;
};

struct names {
    struct name_slot *slots;
    uint32_t capacity; /* 0, or a power of two at most half used */
    uint32_t count;
};

[[nodiscard]] void *names_get(const struct names *n, struct str name);
/* The same where the caller has str_hash(name) at hand. */
[[nodiscard]] void *names_get_hashed(const struct names *n, struct str name, uint64_t hash);
/* Keeps the first: returns the value already there, or NULL after storing this one. */
void *names_add(struct arena *arena, struct names *n, struct str name, void *value);
