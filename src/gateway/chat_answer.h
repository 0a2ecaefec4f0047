/*
 * chat_answer: what the ai service is asked in a chat, what of its answer is believed, and what is
 * said in its place when it is out of reach.
 * Source: docs/protocol.md "ai".
 */
#pragma once
#include "auth/role.h"
#include "db/rows.h"
#include "json/json.h"
#include "store/public/message.h"

enum {
    CHAT_ANSWER_CHARS_MAX = 100'000,
    CHAT_CITATIONS_MAX = 20,
    CHAT_CITATIONS_BYTES_MAX = 256 << 10,
    CHAT_MODEL_CHARS_MAX = 200,
};
#define CHAT_MODEL_NONE "gateway" /* wrote the answers that stand in */

struct chat_question {
    struct str text;
    struct str user_name;
    enum role role;
    int64_t now_us;
    const char *url;          /* where ai may ask back */
    struct str capability;    /* with this token */
    size_t history_max;       /* earlier messages */
    size_t history_bytes_max; /* of their texts together */
};

/* The body of POST /v1/chat. `history` has the columns of enum message_history_column, the newest
 * first; what was replaced since, and all that followed from it, is left out. `continued`: those of
 * enum message_continued_column, or no row. */
[[nodiscard]] struct str chat_question_json(struct arena *a, const struct chat_question *question,
                                            const struct db_rows *history,
                                            const struct db_rows *continued);

/* Content, model, citations and tokens of what `done` says. False: it is no answer. */
[[nodiscard]] bool chat_answer_read(struct arena *a, const struct json_value *done,
                                    struct message_answer *ret_answer, struct err *e);

/* `overview` is a row of enum facts_overview_column; NULL: even that is out of reach. */
void chat_answer_stand_in(struct arena *a, const struct db_rows *overview,
                          struct message_answer *ret_answer);
