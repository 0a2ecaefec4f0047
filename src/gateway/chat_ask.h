/*
 * chat_ask: what every chat begins and ends with, whoever carries its answer: the question is read,
 * counted and stored; the answer is stored, and what is stored then is the reply.
 * Source: docs/decisions/0018-an-answer-has-the-next-id.md.
 */
#pragma once
#include "gateway/await.h"
#include "gateway/chat_history.h"
#include "store/public/message.h"

/* A question that is stored. The rows are kept by the step's arena. */
struct chat_asked {
    struct message_new question;
    struct uuid conversation_id;
    struct str user_name;
    struct db_rows *reply;     /* its answer, where that is stored already; else NULL */
    struct db_rows *history;   /* of enum message_history_column */
    struct db_rows *continued; /* of enum message_continued_column, or none */
};

/* Goes on from a stored question; `asked` lives in the step's arena. Ends the step. */
typedef void chat_asked_fn(struct gql_step *step, struct chat_asked *asked);

/* Reads `input`, counts it and stores the question; what is wrong fails the step. */
enum gql_next chat_ask(struct gql_step *step, chat_asked_fn *fn);

/* The body of POST /v1/chat, in `a`. */
[[nodiscard]] struct str chat_ask_json(const struct request *r, const struct chat_asked *asked,
                                       struct str capability, struct arena *a);

/* The steps that store an answer, and read which one is stored then. */
enum { CHAT_STORE_STEPS = 2 };
void chat_store_steps(struct arena *a, const struct message_answer *answer,
                      struct db_step ret_steps[CHAT_STORE_STEPS]);
/* The row of the reply, which lives as long as `reply`. Errors: why there is none, for the user. */
[[nodiscard]] bool chat_store_read(const struct db_reply *reply, bool is_standing_in,
                                   struct str request_id, struct db_rows **ret_rows, struct err *e);

/* A ChatReply. */
struct chat_reply {
    struct uuid conversation_id;
    struct chat_message *message;
};
[[nodiscard]] struct chat_reply *chat_reply_of(struct arena *a, struct uuid conversation_id,
                                               struct db_rows *rows);
