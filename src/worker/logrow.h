/* logrow: one row of change_log, as load_log and read_log give it. */
#pragma once
#include "db/rows.h"

struct log_row {
    int64_t seq, n, at_us;
    struct str ops, ids, args, extra; /* in the arena, extra in the rows */
};

[[nodiscard]] struct log_row log_row_read(struct arena *a, const struct db_rows *rows, size_t row);
/* Bytes of lower-case hexadecimal text; what is none ends it. */
[[nodiscard]] struct str bytes_of_hex(struct arena *a, struct str hex);
