/*
 * persisted: the texts of automatic persisted queries, by their SHA-256, bounded in bytes. A text
 * is first on probation, in an eighth of the room, and is protected from its second use on; those
 * that come once push out only each other, so nobody can empty the store by registering much.
 *
 * One store for all loops: which of them a connection meets is chance, and a text that one of them
 * knows alone would be sent once for each. A lock is held for a look-up and a copy.
 *
 * Thread: any.
 */
#pragma once
#include "base/arena.h"
#include "base/sha256.h"

struct persisted;

[[nodiscard]] struct persisted *persisted_create(size_t bytes_max);
void persisted_destroy(struct persisted *p); /* accepts NULL */
DEFINE_SCOPED(persisted);

/* A copy in the arena; false where there is none. */
[[nodiscard]] bool persisted_find(struct persisted *p, const uint8_t hash[SHA256_LEN],
                                  struct arena *a, struct str *ret_text);
/* Longer texts than the room for probation are not kept. The hash must be the text's. */
void persisted_add(struct persisted *p, const uint8_t hash[SHA256_LEN], struct str text);

struct persisted_stats {
    size_t count, bytes;
    uint64_t evictions;
};
[[nodiscard]] struct persisted_stats persisted_stats(struct persisted *p);
