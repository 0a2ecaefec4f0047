/* file: a whole file at once, for what is read before the loops run. It blocks. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* Appends the file to `out`, whose limit bounds it. Errors: INVALID, naming the path and why. */
[[nodiscard]] bool io_file_read(const char *path, struct buf *out, struct err *e);
