/* file: a whole file at once, for what is read before the loops run. It blocks. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* Appends the file to `out`, whose limit bounds it. Errors: INVALID, naming the path and why. */
[[nodiscard]] bool io_file_read(const char *path, struct buf *out, struct err *e);
/*
 * The same for a file that holds secrets or says what may be run: it must be a regular file of this
 * process's user or of root, and closed to everybody else (mode 0600 or less).
 */
[[nodiscard]] bool io_file_read_private(const char *path, struct buf *out, struct err *e);
