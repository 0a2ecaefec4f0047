/* change_log's columns, whatever they hold: read or refused within bounds, and what is read to its
 * end is written the same. */
#include "worker/ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first two bytes part the rest into the three columns. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str rest = str_of((const char *)data + 2, size - 2);
    struct str ops = str_first(rest, data[0]);
    struct str ids = str_first(str_from(rest, ops.len), (size_t)data[1] * 16);
    struct str args = str_from(rest, ops.len + ids.len);
    struct ops_reader r = ops_read(ops, ids, args);
    struct ops_writer w;
    struct change change;
    ops_init(&w);
    while (ops_next(&r, &change))
        ops_put(&w, &change);
    ops_finish(&w);
    assert(w.count <= ids.len / 16);
    if (ops_is_at_end(&r)) {
        assert(str_eq(buf_str(&w.ids), ids));
        assert(str_eq(buf_str(&w.args), args));
    }
    ops_clear(&w);
    return 0;
}
