/*
 * json_read: any bytes, parsed and checked within bounds; what was accepted is written, and what
 * was written reads back as the same text.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "json/check.h"
#include "json/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    const struct json_value *first = NULL, *second = NULL;
    struct err e;
    if (!json_parse(a, str_of((const char *)data, size), &first, &e)) {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
        assert(str_is_utf8(str_of_c(e.message)));
        return 0;
    }
    struct buf once, twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    json_put_value(&once, first);
    bool is_read = json_parse(a, buf_str(&once), &second, &e);
    assert(is_read || e.code == ERR_LIMIT); /* escapes may be longer than what was read */
    if (is_read) {
        json_put_value(&twice, second);
        assert(str_eq(buf_str(&once), buf_str(&twice)));
        struct err other;
        bool first_passes = json_check(first, &e);
        bool second_passes = json_check(second, &other);
        assert(first_passes == second_passes);
        assert(first_passes || strcmp(e.message, other.message) == 0);
    }
    buf_clear(&once);
    buf_clear(&twice);
    return 0;
}
