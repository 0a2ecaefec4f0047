/*
 * message: questions to the assistant and its answers. The answer to a question has the question's
 * id plus one: it stands right behind it, and there is only one.
 * SQL: message.sql.
 */
#pragma once
#include "db/pool.h"
#include "schema/entities.h"

/* Of every read of messages. */
enum message_column {
    MESSAGE_ID,
    MESSAGE_CONVERSATION_ID,
    MESSAGE_ROLE,
    MESSAGE_CONTENT,
    MESSAGE_USER_ID,
    MESSAGE_TIMESTAMP,
    MESSAGE_STATE,
    MESSAGE_INSTEAD_OF,
    MESSAGE_MODEL,
    MESSAGE_CITATIONS,
    MESSAGE_PROMPT_TOKENS,
    MESSAGE_COMPLETION_TOKENS,
    MESSAGE_IS_DEGRADED,
    MESSAGE_LIST, /* whose page the row belongs to, from 1 */
};

/* What a message's question may not be: its answer would have no id. */
[[nodiscard]] bool message_has_answer_id(struct uuid id);
[[nodiscard]] struct uuid message_answer_id(struct uuid id);

/* ── asking ── */

struct message_new {
    struct uuid id, user_id;
    const struct uuid
        *conversation_id; /* NULL: that of instead_of or continue_id, else a new one */
    struct uuid new_conversation_id;
    struct str title, content;
    const struct uuid *instead_of;
    const struct uuid *continue_id; /* an answer that broke off */
};
/* Fails with CONFLICT on MESSAGE_STORED_MEANWHILE when the same question comes twice at once, and
 * on the constraints of store/public/actor.h when the user is gone. */
[[nodiscard]] struct db_step message_ask_step(struct arena *a, const struct message_new *message);
#define MESSAGE_STORED_MEANWHILE "chat_messages_pkey"

enum message_outcome {
    MESSAGE_ASKED,
    MESSAGE_AGAIN,           /* it was stored before */
    MESSAGE_TAKEN,           /* the id is another message's */
    MESSAGE_DIFFERS,         /* it was stored before, with another text */
    MESSAGE_NO_CONVERSATION, /* none of the user's own, or it is deleted */
    MESSAGE_NOT_REPLACED,    /* instead_of is no question of the user's own */
    MESSAGE_NOT_CONTINUED,   /* continue_id is no answer of the user's own */
    MESSAGE_IS_COMPLETE,     /* that one did not break off */
    MESSAGE_NO_USER,
};
struct message_asked {
    struct uuid conversation_id; /* of ASKED and AGAIN */
    struct str user_name;        /* points into the rows */
};
[[nodiscard]] enum message_outcome message_read_asked(const struct db_rows *rows,
                                                      struct message_asked *ret_asked);

/* What the assistant is told of the talk before that question, the newest first. */
enum message_history_column {
    MESSAGE_HISTORY_ID,
    MESSAGE_HISTORY_ROLE,
    MESSAGE_HISTORY_CONTENT,
    MESSAGE_HISTORY_INSTEAD_OF,
};
[[nodiscard]] struct db_step message_history_step(struct arena *a, struct uuid question_id,
                                                  struct uuid user_id, size_t count_max,
                                                  size_t content_chars_max);

/* What the answer that is gone on with had been asked, and the end of what it said. No row without
 * `continue_id`. */
enum message_continued_column { MESSAGE_CONTINUED_QUESTION, MESSAGE_CONTINUED_CONTENT };
[[nodiscard]] struct db_step message_continued_step(struct arena *a, const struct uuid *continue_id,
                                                    struct uuid user_id, size_t content_chars_max);

/* ── answering ── */

struct message_answer {
    struct uuid question_id, user_id;
    struct str content, citations_json;
    struct str model; /* empty: not known */
    enum chat_message_state state;
    bool is_degraded;
    const int64_t *prompt_tokens, *completion_tokens;
};
[[nodiscard]] struct db_step message_answer_step(struct arena *a,
                                                 const struct message_answer *answer);
/* False: there is no such question of the user any more. */
[[nodiscard]] bool message_read_answered(const struct db_rows *rows);
/* No row: that question of the user has none. */
[[nodiscard]] struct db_step message_read_answer_step(struct arena *a, struct uuid question_id,
                                                      struct uuid user_id);

/* ── pages ── */

struct message_pages {
    const struct uuid *user_ids; /* a page each, or one user */
    size_t user_count;
    const struct uuid *conversation_id; /* NULL: of all that are not deleted */
    bool with_orphans;                  /* of the conversation, what a deleted user has left */
    const struct uuid *after, *before;  /* between these ids; NULL: no bound */
    bool is_descending;
    size_t limit;
    /* Else null. More: all but these, id, role and timestamp. */
    bool with_content, with_citations, with_more;
};
[[nodiscard]] struct db_step message_pages_step(struct arena *a, const struct message_pages *pages);
/* How many there are, whatever the page: a row for each user. */
[[nodiscard]] struct db_step message_counts_step(struct arena *a,
                                                 const struct message_pages *pages);
