#include "worker/logrow.h"

#include "base/hex.h"

struct str bytes_of_hex(struct arena *a, struct str hex)
{
    char *bytes = arena_alloc(a, hex.len / 2 + 1);
    return str_of(bytes, hex_read(hex, bytes));
}

struct log_row log_row_read(struct arena *a, const struct db_rows *rows, size_t row)
{
    return (struct log_row){
        .seq = db_rows_i64(rows, row, 0),
        .n = db_rows_i64(rows, row, 1),
        .at_us = db_rows_time(rows, row, 2),
        .ops = bytes_of_hex(a, db_rows_text(rows, row, 3)),
        .ids = bytes_of_hex(a, db_rows_text(rows, row, 4)),
        .args = bytes_of_hex(a, db_rows_text(rows, row, 5)),
        .extra = db_rows_text(rows, row, 6),
    };
}
