/*
 * gateway_cursor: any bytes as a cursor, which is refused with a word why; and the same bytes as a
 * row, whose cursor gives it back, and is refused with any one bit changed.
 */
#include "base/arena.h"
#include "gateway/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cursor_key key = { { 1, 2, 3 } };

static void read_back(struct arena *a, const uint8_t *data, size_t size)
{
    struct {
        struct cursor_row row;
        uint32_t filter, bit;
        uint8_t order;
    } given = { 0 };
    struct cursor_row found;
    struct err e;
    memcpy(&given, data, min_of(size, sizeof given));
    const struct cursor_scope scope = { CURSOR_TASKS, given.order, given.filter };
    struct str text = cursor_make(&key, &scope, given.row, a);
    bool is_read = cursor_read(&key, &scope, text, &found, &e);
    assert(is_read && found.key == given.row.key && uuid_eq(found.id, given.row.id));
    char *changed = arena_cstr(a, text);
    changed[given.bit / 8 % text.len] ^= (char)(1 << given.bit % 8);
    assert(!cursor_read(&key, &scope, str_of(changed, text.len), &found, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cursor_scope scope = { CURSOR_USERS, 0, 0 };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct cursor_row found;
    struct err e;
    if (cursor_read(&key, &scope, str_of((const char *)data, size), &found, &e))
        assert(str_eq(cursor_make(&key, &scope, found, a), str_of((const char *)data, size)));
    else
        assert(e.code == ERR_INVALID && e.message[0] != '\0');
    read_back(a, data, size);
    return 0;
}
