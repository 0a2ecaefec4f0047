/*
 * cursor: the place of a row in an ordered list, as opaque text. It carries a version, the list it
 * is for and the row's key, under a code that only this installation can make; it stays good across
 * restarts and gateways. Nobody can read it as an offset or send one that was not given out.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/sha256.h"
#include "base/uuid.h"

/* Each list with cursors; a cursor of one is no cursor of another. Numbers are never used again. */
enum cursor_list { CURSOR_USERS = 1, CURSOR_TASKS = 2, CURSOR_CHAT_MESSAGES = 8 };

/* The installation's secret: the same in all gateways, kept in the database. */
struct cursor_key {
    uint8_t bytes[SHA256_LEN];
};

[[nodiscard]] struct str cursor_make(const struct cursor_key *key, enum cursor_list list,
                                     struct uuid row, struct arena *a);

/* Errors: INVALID: no cursor of this list, or changed on its way. */
[[nodiscard]] bool cursor_read(const struct cursor_key *key, enum cursor_list list, struct str text,
                               struct uuid *ret_row, struct err *e);
