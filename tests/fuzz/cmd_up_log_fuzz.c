/*
 * What children write: the lines are the same however the pipe cuts them into pieces, none is
 * longer than allowed, and every line can be classed.
 */
#include "cmd/up_cluster_priv.h"
#include "cmd/up_log_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void collect(void *owner, struct str line)
{
    struct up_postgres_line message;
    assert(line.len > 0 && line.len <= UP_LINE_BYTES_MAX);
    (void)up_log_is_ours(line, "gateway");
    if (up_postgres_parse(line, &message))
        (void)up_postgres_level(&message);
    buf_put_str(owner, line);
    buf_put_char(owner, '\n');
}

static void feed_in_pieces(struct str bytes, size_t piece, struct buf *ret_all)
{
    struct up_lines lines;
    up_lines_init(&lines);
    for (; bytes.len > 0; bytes = str_from(bytes, piece))
        up_lines_feed(&lines, str_first(bytes, piece), collect, ret_all);
    up_lines_end(&lines, collect, ret_all);
    up_lines_clear(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_of((const char *)data, size);
    struct buf whole, pieces;
    struct up_pidfile file;
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    feed_in_pieces(bytes, max_of(size, (size_t)1), &whole);
    feed_in_pieces(bytes, 1 + size % 7, &pieces);
    assert(str_eq(buf_str(&whole), buf_str(&pieces)));
    if (up_pidfile_parse(bytes, &file))
        assert(file.pid > 0 && file.data.len > 0);
    buf_clear(&whole);
    buf_clear(&pieces);
    return 0;
}
