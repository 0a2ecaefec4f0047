/* Arrays and times as the server prints them: whatever comes is read or refused, within bounds. */
#include "base/arena.h"
#include "db/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str text = arena_copy(a, str_of((const char *)data, size));
    struct str *items = NULL;
    size_t count = 0;
    size_t bytes = 0;
    if (db_array_parse(a, text, &items, &count))
        for (size_t i = 0; i < count; i++)
            bytes += items[i].len;
    assert(bytes <= size); /* an escape only ever shortens */
    int64_t wall_us = 0;
    (void)db_time_parse(text, &wall_us);
    return 0;
}
