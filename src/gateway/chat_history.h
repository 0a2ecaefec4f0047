/* chat_history: ChatMessage objects and the lists of them. */
#pragma once
#include "gateway/await.h"

struct page_view;

/* What a ChatMessage is to its getters: a row of enum message_column. */
struct chat_message {
    const struct db_rows *rows;
    size_t row;
    const struct page_view *view; /* that it is in; NULL: none */
};

/* The object of the first row, which lives as long as the arena. */
[[nodiscard]] struct chat_message *chat_history_object(struct arena *a, struct db_rows *rows);
