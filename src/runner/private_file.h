/*
 * private_file: the files of the runner's settings that hold secrets, or say what may be run: one
 * JSON object, mode 0600.
 */
#pragma once
#include "json/json.h"

enum { PRIVATE_FILE_ARENA_BYTES = 64 << 20 }; /* what an arena for the longest of them holds */

/* In the arena. Blocks: for the start. Errors: INVALID, naming the file. */
[[nodiscard]] bool private_file_read(struct arena *a, const char *path,
                                     const struct json_value **ret_object, struct err *e);
