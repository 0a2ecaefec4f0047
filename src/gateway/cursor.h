/*
 * cursor: the place of a row in an ordered list, as opaque text. It carries a version, the list it
 * is for with its order and filter, and the row's keys, under a code that only this installation
 * can make; it stays good across restarts and gateways. Nobody can read it as an offset or send one
 * that was not given out.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/sha256.h"
#include "base/uuid.h"

/* Each list with cursors; a cursor of one is no cursor of another. Numbers are never used again. */
enum cursor_list {
    CURSOR_USERS = 1,
    CURSOR_TASKS = 2,
    CURSOR_CHAT_MESSAGES = 8,
    CURSOR_JOB_RUNS = 9,
    CURSOR_AUDIT_LOG = 10,
};

/* The rows that a place is among, and how they are ordered. */
struct cursor_scope {
    enum cursor_list list;
    uint8_t order;   /* the list's own numbers, never used again either */
    uint32_t filter; /* of cursor_mix; 0: none */
};

/* A row's place: by `key` where the order has one, then by id. */
struct cursor_row {
    int64_t key;
    struct uuid id;
};

/* The installation's secret: the same in all gateways, kept in the database. */
struct cursor_key {
    uint8_t bytes[SHA256_LEN];
};

[[nodiscard]] struct str cursor_make(const struct cursor_key *key, const struct cursor_scope *scope,
                                     struct cursor_row row, struct arena *a);

/* Errors: INVALID: changed on its way, or of another list, order or filter. */
[[nodiscard]] bool cursor_read(const struct cursor_key *key, const struct cursor_scope *scope,
                               struct str text, struct cursor_row *ret_row, struct err *e);

/* A filter's number: begins with 0 and takes each part in turn; the same in all processes. */
[[nodiscard]] uint32_t cursor_mix(uint32_t filter, struct str part);
