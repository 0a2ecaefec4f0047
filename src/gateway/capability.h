/*
 * capability: what the ai service may ask this gateway with while it answers one chat: a token that
 * stands for the credential of the user who asked, for queries alone, a few times, for a short
 * while. Who he is and what he may do is looked up at each use as for that credential itself: a
 * logout or a demotion counts at once. They are known by their digests, in this process alone.
 *
 *   open --> use, up to CAPABILITY_USES_MAX times --> close
 *     `------ CAPABILITY_LIFETIME_US ------------------^
 *
 * Source: docs/decisions/0018-an-answer-has-the-next-id.md.   Thread: any. Time is passed in.
 */
#pragma once
#include "auth/token.h"
#include "base/err.h"

struct capabilities;

enum {
    CAPABILITY_USES_MAX = 6,
    CAPABILITY_LIFETIME_US = 120 * 1000 * 1000,
};

/* At most `open_max` at once. */
[[nodiscard]] struct capabilities *capabilities_create(size_t open_max);
void capabilities_destroy(struct capabilities *cs); /* accepts NULL */
DEFINE_SCOPED(capabilities);

/*
 * A new one for the holder of `holder`, a session's or API token.
 *
 * Errors: RATE, `open_max` are open; UNAUTHENTICATED, `holder` is no such token.
 */
[[nodiscard]] bool capability_open(struct capabilities *cs, struct str holder, int64_t now_us,
                                   struct token *ret_token, struct err *e);
/* Counts a use. False: there is none, or its uses or its time are over. Else whose it is. */
[[nodiscard]] bool capability_use(struct capabilities *cs, const uint8_t hash[SHA256_LEN],
                                  int64_t now_us, enum token_kind *ret_kind,
                                  uint8_t ret_holder_hash[SHA256_LEN]);
/* The chat is over. Harmless for one that has ended. */
void capability_close(struct capabilities *cs, const uint8_t hash[SHA256_LEN]);
[[nodiscard]] size_t capabilities_count(struct capabilities *cs);
