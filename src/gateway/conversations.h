/* conversations: a user's conversations with the assistant, and what he does with them. */
#pragma once
#include "gateway/gateway_priv.h"

enum { CONVERSATION_TITLE_CHARS_MAX = 200 };

/* What a conversation is called before its user names it: the first words of its first message. */
[[nodiscard]] struct str conversations_title(struct arena *a, struct str message);
