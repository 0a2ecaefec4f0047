/* A migration file as somebody may write it: cut at its marks, scanned, summed. */
#include "schema/migration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create(0);
    struct migration_source source = { STR("0001_a.sql"), str_of((const char *)data, size) };
    struct migration m;
    struct err e = { 0 };
    if (migration_parse(a, &source, &m, &e)) {
        assert(m.up.len > 0);
        assert(m.up.len + m.down.len <= size);
    } else {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
    }
    arena_destroy(a);
    return 0;
}
