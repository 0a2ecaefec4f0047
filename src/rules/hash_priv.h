/* hash_priv: a hash that is the same on every machine and in every version, since jobs must not
 * move when the program is updated. FNV-1a, the salt, and the final mix of splitmix64. */
#pragma once
#include "base/str.h"

static inline uint64_t rule_hash(struct str bytes, uint64_t salt)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (uint8_t)bytes.ptr[i]) * UINT64_C(0x100000001b3);
    hash += UINT64_C(0x9e3779b97f4a7c15) * (salt + 1);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}
