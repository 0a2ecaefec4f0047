/*
 * conversation: a user's conversations with the assistant. A deleted one can be restored for
 * CONVERSATION_KEPT_S; then it goes, with its messages.
 * SQL: conversation.sql.
 */
#pragma once
#include "db/pool.h"

enum {
    CONVERSATION_KEPT_S = 24 * 60 * 60,
    CONVERSATION_LIST_MAX = 500,
    CONVERSATION_PURGE_MAX = 200, /* conversations in one statement */
};

/* Of all but the purge. */
enum conversation_column {
    CONVERSATION_ID,
    CONVERSATION_TITLE,
    CONVERSATION_MESSAGE_COUNT,
    CONVERSATION_LAST_MESSAGE_AT,
    CONVERSATION_CREATED_AT,
};

/* A user's, the newest message first; `search` NULL: all. */
[[nodiscard]] struct db_step conversation_list_step(struct arena *a, struct uuid user_id,
                                                    const struct str *search);

/* One of the user's own each; no row where it is not. */
[[nodiscard]] struct db_step conversation_rename_step(struct arena *a, struct uuid id,
                                                      struct uuid user_id, struct str title);
[[nodiscard]] struct db_step conversation_delete_step(struct arena *a, struct uuid id,
                                                      struct uuid user_id);
[[nodiscard]] struct db_step conversation_restore_step(struct arena *a, struct uuid id,
                                                       struct uuid user_id);

/* Some of those whose time is over; fewer rows than CONVERSATION_PURGE_MAX: it was all. */
[[nodiscard]] struct db_step conversation_purge_step(struct arena *a);
