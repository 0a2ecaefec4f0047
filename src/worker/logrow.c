#include "worker/logrow.h"

#include "base/hex.h"
#include "json/json.h"

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

struct log_extra log_extra_take(struct arena *a, struct str *extra, int64_t seq)
{
    struct log_extra told = { STR(""), STR(""), STR("") };
    struct str line, number, text, rest;
    int64_t line_seq;
    while (extra->len > 0) {
        if (!str_cut(*extra, '\n', &line, &rest))
            rest = STR("");
        bool is_good = str_cut(line, ' ', &number, &text) && str_to_i64(number, &line_seq);
        if (is_good && line_seq > seq)
            return told;
        *extra = rest;
        const struct json_value *by;
        struct err e;
        if (!is_good || line_seq != seq)
            continue;
        if (str_starts_with(text, STR("[")))
            told.counts = text;
        else if (str_starts_with(text, STR("{")))
            told.record = text;
        else if (json_parse(a, text, &by, &e) && by->type == JSON_STRING)
            told.by = by->text;
    }
    return told;
}
