/*
 * up_folders: the folders of an installation: `data` holds the private cluster and the generated
 * secrets, `run` the sockets. Each is held by a lock, not by a pid file, so that nothing stale can
 * keep `windlass up` from starting.
 */
#pragma once
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

/* Who owns what is made; -1: whoever we are. */
struct up_owner {
    uid_t uid;
    gid_t gid;
};

/*
 * Makes the folder with its parents where they are missing. Only what it made is given to the
 * owner, with mode 0700; the parents stay ours and open to be passed through.
 *
 * Errors: as up_cannot.
 */
[[nodiscard]] bool up_folder_make(const char *path, struct up_owner owner, struct err *e);
/* Errors: DENIED when this process may not read, write and pass through it, and why. */
[[nodiscard]] bool up_folder_check(const char *path, struct err *e);
/* Removes the folder and all it holds; it may be missing. */
[[nodiscard]] bool up_folder_remove(const char *path, struct err *e);
/* Makes renames within the folder last. */
[[nodiscard]] bool up_folder_sync(const char *path, struct err *e);

/*
 * The error for a failed system call on `path`, from errno: LIMIT for a full disk, with what is
 * free; DENIED for rights and read-only file systems; else UNAVAILABLE. Returns false.
 */
bool up_cannot(struct err *e, const char *what, const char *path);
/* "12 KiB free in /var/lib/windlass". */
enum { UP_FREE_TEXT_MAX = 128 };
void up_free_space(const char *path, char ret_text[UP_FREE_TEXT_MAX]);

/*
 * Locks the folder for this process until it ends. The descriptor is not handed to children.
 *
 * Errors: CONFLICT, naming the process that holds it; as up_cannot.
 */
[[nodiscard]] bool up_lock(const char *folder, int *ret_fd, struct err *e);
/* Looks without taking it; `e` names the holder. A folder without a lock file is free. */
[[nodiscard]] bool up_lock_is_free(const char *folder, struct err *e);

/*
 * The secret of that name in the folder: 256 random bits in hexadecimal, in a file of mode 0600,
 * made when it is missing and `may_make`.
 *
 * Errors: NOT_FOUND, as up_cannot.
 */
[[nodiscard]] bool up_secret(struct arena *a, const char *folder, const char *name, bool may_make,
                             struct str *ret_secret, struct err *e);
