/*
 * gql_parse: any bytes as a document. What parses is printed, and what was printed parses again to
 * the same text; what does not has one error at a place of the text.
 *
 * One text of the grammar's own stands out: a definition without a body, then a query without a
 * name, is read back as a definition with that body (`input A query { b }`).
 */
#include "base/arena.h"
#include "base/buf.h"
#include "gql/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_ambiguous(struct str text)
{
    for (size_t i = 1; i + 2 < text.len; i++)
        if (text.ptr[i] == '\n' && text.ptr[i + 1] == '\n' && text.ptr[i + 2] == '{' &&
            text.ptr[i - 1] != '}')
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    struct gql_errors errors = { .arena = a };
    struct buf once, twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (gql_document_print(str_of((const char *)data, size), &once, &errors)) {
        bool is_read = gql_document_print(buf_str(&once), &twice, &errors);
        bool is_same = is_read && str_eq(buf_str(&once), buf_str(&twice));
        assert(is_same || is_ambiguous(buf_str(&once)));
    } else {
        assert(errors.count == 1 && errors.first->code && errors.first->location_count == 1);
        assert(str_is_utf8(errors.first->message));
    }
    buf_clear(&once);
    buf_clear(&twice);
    return 0;
}
