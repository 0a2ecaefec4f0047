/*
 * uuid: version 7 identifiers: a millisecond clock, a counter, 30 random bits, and an end of 32
 * bits that each thread counts up from a random start. Ids of one thread rise. They are names, no
 * secrets. Source: RFC 9562 sections 5.7 and 6.2 (method 1, a 12-bit counter in rand_a).
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_LEN = 36 };

/* Thread: any; ids rise within a thread, and across threads with the clock. */
[[nodiscard]] struct uuid uuid_v7(void);
/* For a given time, with random bits below it. */
[[nodiscard]] struct uuid uuid_v7_at(int64_t wall_us);

/* Below every version 7 id of that millisecond and above those of earlier ones: a bound for ranges.
 * Times before 1970 and beyond what an id holds are taken for the nearest. */
[[nodiscard]] struct uuid uuid_floor(int64_t wall_us);

/* Canonical lower-case text and its NUL. */
void uuid_format(struct uuid id, char ret_text[UUID_TEXT_LEN + 1]);
/* The 36-character form, either case; nothing else. */
[[nodiscard]] bool uuid_parse(struct str text, struct uuid *ret_id);

[[nodiscard]] int uuid_version(struct uuid id);
/* When a version 7 id was made: microseconds with millisecond grain. */
[[nodiscard]] int64_t uuid_time_us(struct uuid id);
static inline bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}
static inline bool uuid_is_nil(struct uuid id)
{
    return uuid_eq(id, (struct uuid){ 0 });
}

/* Its bytes, as the key of a map or to be hashed. */
[[nodiscard]] static inline struct str uuid_bytes(const struct uuid *id)
{
    return str_of((const char *)id->bytes, sizeof id->bytes);
}
