/* logrow: one row of change_log, as load_log and read_log give it. */
#pragma once
#include "db/rows.h"

struct log_row {
    int64_t seq, n, at_us;
    struct str ops, ids, args, extra; /* in the arena, extra in the rows */
};

[[nodiscard]] struct log_row log_row_read(struct arena *a, const struct db_rows *rows, size_t row);

/* What `extra` says of one change; empty: nothing. */
struct log_extra {
    struct str counts; /* of a drop: what left, JSON */
    struct str by;     /* who did it */
    struct str record; /* of a record, JSON */
};
/* Takes its lines up to those of the change `seq`. */
[[nodiscard]] struct log_extra log_extra_take(struct arena *a, struct str *extra, int64_t seq);

/* Bytes of lower-case hexadecimal text; what is none ends it. */
[[nodiscard]] struct str bytes_of_hex(struct arena *a, struct str hex);
