#include "worker/logrow.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct str bytes_of_hex(struct arena *a, struct str hex)
{
    char *bytes = arena_alloc(a, hex.len / 2 + 1);
    size_t len = 0;
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        int high = digit_of(hex.ptr[i]), low = digit_of(hex.ptr[i + 1]);
        if (high < 0 || low < 0)
            break;
        bytes[len++] = (char)(high << 4 | low);
    }
    return str_of(bytes, len);
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
