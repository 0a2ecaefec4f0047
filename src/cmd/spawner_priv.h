/*
 * spawner: a small process that runs what the allow-list of `command` tasks names, and nothing
 * else. `windlass up` forks it while it is root: it then keeps the rights to become user
 * windlass-run and to end that user's processes, and no others. Elsewhere commands run as the user
 * that it runs as.
 *
 *   runner --connects, says which--> spawner --forks--> guard --forks--> the command
 *      '------------ output, outcome; an end of the connection ends the command ------------'
 *
 * One connection is one command: a guard of its own (spawner_guard.c) limits it, forwards what it
 * writes, and ends all that it has started, also what has left its session.
 * Source: docs/decisions/0024-commands-run-by-a-spawner.md; docs/operations.md "Commands".
 */
#pragma once
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <sys/resource.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "json/json.h"

/* ── spawner_list.c: the allow-list ── */

enum { SPAWNER_LIMITS_MAX = 6, SPAWNER_CODES_MAX = 20 };

struct spawner_limit {
    int resource; /* RLIMIT_… */
    rlim_t value;
};

struct spawner_entry {
    struct str name;
    struct str *argv; /* "{db}" in them stands for the parameter `db`, where it has that */
    size_t argv_count;
    struct str *params; /* their names */
    size_t param_count;
    bool are_args_appended;
    const char *folder;
    const char **env; /* "NAME=value" */
    size_t env_count;
    int64_t timeout_ms, grace_ms, output_bytes_max;
    int64_t success_codes[SPAWNER_CODES_MAX];
    size_t success_count;
    struct spawner_limit limits[SPAWNER_LIMITS_MAX];
    size_t limit_count;
};

struct spawner_list {
    struct spawner_entry *entries;
    size_t count;
};

/* Reads the file. `is_other_user`: commands do not share their user with other programs, so that
 * processes can be counted. Errors: INVALID, naming the entry and the JSON path in it. */
[[nodiscard]] bool spawner_list_read(struct arena *a, const char *path, bool is_other_user,
                                     struct spawner_list *ret_list, struct err *e);
[[nodiscard]] const struct spawner_entry *spawner_list_find(const struct spawner_list *list,
                                                            struct str name);

/* What a request asks for, as execve takes it; in the arena. */
struct spawner_order {
    const struct spawner_entry *entry;
    const char **argv, **env; /* end in NULL */
};

/* Errors: INVALID for what is no request, NOT_FOUND for the command. */
[[nodiscard]] bool spawner_order_read(struct arena *a, const struct spawner_list *list,
                                      struct str request, struct spawner_order *ret_order,
                                      struct err *e);

/* ── spawner_guard.c ── */

/* Who runs the command; uid -1: whoever we are. */
struct spawner_user {
    uid_t uid;
    gid_t gid;
};

struct spawner_guard {
    const struct spawner_list *list;
    struct spawner_user user;
    int connection, lifeline;
};

/* In a process of its own: serves the connection to its end. */
_Noreturn void spawner_guard_run(const struct spawner_guard *guard);

/* ── spawner.c ── */

enum { SPAWNER_ADDRESS_MAX = 32 };

struct spawner_options {
    const char *path;           /* of the allow-list */
    struct spawner_user server; /* whom it serves and becomes; -1: whoever we are */
    struct spawner_user user;   /* who runs commands; -1: the same */
};

struct spawner {
    char address[SPAWNER_ADDRESS_MAX]; /* for the runner: "@0001f" */
    int lifeline;                      /* it ends when this is closed, at our end at the latest */
};

/*
 * Forks it; returns when it has read its list and given up what rights it does not need. Before the
 * process has threads or a loop.
 *
 * Errors: INVALID for the list, UNAVAILABLE, DENIED.
 */
[[nodiscard]] bool spawner_start(const struct spawner_options *options, struct spawner *ret_spawner,
                                 struct err *e);
