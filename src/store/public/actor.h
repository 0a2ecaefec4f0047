/* actor: who does something, for the audit row that the same statement writes. */
#pragma once
#include "base/str.h"
#include "base/uuid.h"

struct actor {
    struct uuid user_id;
    struct str label; /* the email address; it outlives the user */
};
