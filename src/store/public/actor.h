/* actor: who does something, for the audit row that the same statement writes. */
#pragma once
#include "base/str.h"
#include "base/uuid.h"

struct actor {
    struct uuid user_id;
    struct str label; /* the email address; it outlives the user */
};

/* The constraints that a change breaks whose actor was deleted meanwhile. */
#define ACTOR_GONE_AUDIT "audit_log_actor_id_fk"
#define ACTOR_GONE_TOKEN "api_tokens_user_id_fk"
#define ACTOR_GONE_CONVERSATION "conversations_user_id_fk"
#define ACTOR_GONE_MESSAGE "chat_messages_user_id_fk"
