/*
 * gql_schema: any bytes as a schema. What is accepted prints as SDL that is accepted again and
 * prints the same; what is not has errors that can be shown.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "gql/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_again(struct str sdl, struct gql_errors *errors)
{
    scoped(gql_schema_destroyp) struct gql_schema *s = gql_schema_create(sdl, NULL, errors);
    struct buf twice;
    assert(s);
    buf_init(&twice, 0);
    gql_schema_print(s, &twice);
    assert(str_eq(buf_str(&twice), sdl));
    buf_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    struct gql_errors errors = { .arena = a };
    scoped(gql_schema_destroyp) struct gql_schema *s =
        gql_schema_create(str_of((const char *)data, size), NULL, &errors);
    if (!s) {
        assert(errors.count > 0);
        for (const struct gql_error *e = errors.first; e; e = e->next)
            assert(str_is_utf8(e->message));
        return 0;
    }
    struct buf once;
    buf_init(&once, 0);
    gql_schema_print(s, &once);
    print_again(buf_str(&once), &errors);
    buf_reset(&once);
    assert(gql_schema_compare(s, s, &once) == 0); /* it lacks nothing of itself */
    buf_clear(&once);
    return 0;
}
