/*
 * password: argon2id, as PHC strings. Hashing takes tens of milliseconds and megabytes: never on a
 * loop's thread. Source: RFC 9106; OWASP Password Storage Cheat Sheet.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct password_params {
    uint32_t memory_kib, time, parallelism;
};

enum {
    PASSWORD_BYTES_MAX = 1024,
    PASSWORD_HASH_MAX = 128, /* of a PHC string, with its NUL */
    /* What a stored hash may ask for at most, whoever wrote it. */
    PASSWORD_MEMORY_KIB_MAX = 1024 * 1024,
    PASSWORD_TIME_MAX = 64,
    PASSWORD_PARALLELISM_MAX = 16,
};

/*
 * Whether a new password may be used. `length_min` counts characters. `email` may be empty.
 *
 * Errors:  INVALID, with the rule that it breaks. The password is never quoted.
 */
[[nodiscard]] bool password_check(struct str password, struct str email, size_t length_min,
                                  struct err *e);

/* "$argon2id$v=19$m=…,t=…,p=…$salt$hash". Errors: LIMIT (too long), UNAVAILABLE (no memory). */
[[nodiscard]] bool password_hash(struct str password, const struct password_params *params,
                                 char ret_phc[PASSWORD_HASH_MAX], struct err *e);

/*
 * Errors:  UNAVAILABLE (no memory), INTERNAL (`phc` is none of ours). A password that is too long
 *          to be anyone's just does not match.
 */
[[nodiscard]] bool password_verify(struct str password, struct str phc, bool *ret_is_match,
                                   struct err *e);

/* What password_verify costs, for a user that does not exist, so that time tells nobody who does.
 */
void password_verify_nobody(struct str password, const struct password_params *params);

/* True where `phc` was made with other parameters than these. */
[[nodiscard]] bool password_needs_rehash(struct str phc, const struct password_params *params);
