/*
 * talk: one answer of the built-in analyst: what to ask the gateway, and what to say of what it
 * gave. It says nothing that a query did not give, and each query is cited. Knows no network:
 *
 *   talk_step --> TALK_ASK: answer the new questions, call again
 *             `-> TALK_DONE: the text is in `out`
 *
 * Texts of tasks are other people's: they are quoted, on one line, bounded.
 */
#pragma once
#include "ai/intent.h"
#include "base/buf.h"
#include "json/json.h"

enum {
    TALK_QUESTIONS_MAX = 6, /* uses of a chat's capability (docs/protocol.md) */
    TALK_ANSWER_BYTES_MAX = 16 << 10,
    TALK_LIST_MAX = 10, /* lines of any list */
    TALK_QUOTE_BYTES_MAX = 160,
};

struct talk_question {
    const char *label, *query;
    struct json_value variables;
    bool is_answered;
    const struct json_value *data; /* NULL: it failed, then why */
    struct str code, message;      /* of the first error; empty: none */
};

struct talk {
    struct arena *arena;
    struct intent intent;
    int64_t now_us;
    struct str user_name, user_role; /* the role as the protocol writes it; may be empty */
    struct talk_question questions[TALK_QUESTIONS_MAX];
    size_t question_count;
    struct buf *out;
};

enum talk_next { TALK_ASK, TALK_DONE };
/* All questions must be answered. */
[[nodiscard]] enum talk_next talk_step(struct talk *t);
