/*
 * up_identity: whose processes these are. Root makes what only root can make (the user, folders
 * under /var and /run, ports below 1024), then the whole supervisor becomes user `windlass` for
 * good: no child is ever started with more rights than it needs, and none can get them back.
 * Source: docs/decisions/0014-supervisor-gives-up-root.md.
 */
#pragma once
#include "base/buf.h"
#include "cmd/up_folders_priv.h"

struct up_identity {
    bool is_root; /* until up_identity_drop */
    struct up_owner owner;
    const char *user; /* NULL: the user id has no name */
};

#define UP_USER "windlass"
#define UP_COMMAND_USER "windlass-run" /* of command tasks */

/* As root finds or makes the user. Errors: UNAVAILABLE, with what useradd said. */
[[nodiscard]] bool up_identity_find(struct arena *a, struct up_identity *ret_identity,
                                    struct err *e);

/* As root finds or makes the user of commands. Errors: as above, INVALID where it is a user of
 * ours.
 */
[[nodiscard]] bool up_identity_find_commands(const struct up_identity *identity,
                                             struct up_owner *ret_owner, struct err *e);

/*
 * A descriptor of this very program, that the user can run even where the path is closed to them
 * or the file may be run by root alone (then it is a copy in memory). Restarted services are of the
 * supervisor's own version, also when the file has been replaced meanwhile.
 */
[[nodiscard]] bool up_program_open(const struct up_identity *identity, int *ret_fd, struct err *e);

/* From root to the user, or nothing. Nothing the process starts can gain rights after it. */
[[nodiscard]] bool up_identity_drop(const struct up_identity *identity, struct err *e);

/*
 * Runs a short-lived helper and keeps what it wrote to both its outputs. For start-up only: it
 * blocks.   Errors: NOT_FOUND, UNAVAILABLE for an exit code other than 0, with its last words.
 */
[[nodiscard]] bool up_capture(const char *const *args, struct buf *output, struct err *e);
