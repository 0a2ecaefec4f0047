/* audit: rows of the audit log that no other statement writes. SQL: audit.sql. */
#pragma once
#include "db/pool.h"
#include "store/public/actor.h"

struct audit_entry {
    struct actor actor;
    struct str action, subject; /* "queue.pause", "queue:default" */
    struct str detail;          /* JSON; ptr NULL: none */
};
[[nodiscard]] struct db_step audit_add_step(struct arena *a, const struct audit_entry *entry);
