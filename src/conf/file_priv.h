/* conf/file: the settings file and files that hold one secret. */
#pragma once
#include "base/arena.h"
#include "conf/conf.h"

enum { CONF_FILE_BYTES_MAX = 64 * 1024 };

/* One line `key = value`. */
struct file_entry {
    struct str key, value, origin; /* origin: "windlass.conf:12" */
};

/*
 * Reads `key = value` lines; empty ones and those that start with # say nothing. Spaces around key
 * and value go; there are no quotes and no comments behind a value, so that any value can be
 * written.
 *
 * Errors:  INVALID: no such file, a line without '=', a key given twice, no UTF-8, too long.
 */
[[nodiscard]] bool file_read_settings(struct arena *a, struct str path,
                                      struct file_entry **ret_entries, size_t *ret_count,
                                      struct err *e);

/* The secret without the line end behind it. Errors: INVALID, also where others may read it. */
[[nodiscard]] bool file_read_secret(struct arena *a, struct str path, struct str *ret_secret,
                                    struct err *e);
