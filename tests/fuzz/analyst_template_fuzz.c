/* analyst_template: any text gives a bounded template in UTF-8, and the same one again. */
#include "analyst/template.h"
#include "analyst/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str text = str_of((const char *)data, size);
    struct str once = template_of(a, text), again = template_of(a, text);
    assert(once.len > 0 && once.len <= TEMPLATE_BYTES_MAX);
    assert(str_eq(once, again));
    enum { QUOTED_MAX = 64, ELLIPSIS = 3 };
    struct str quoted = words_quoted(a, text, QUOTED_MAX);
    assert(quoted.len <= QUOTED_MAX + ELLIPSIS);
    assert(str_find_char(quoted, '\n') < 0 && str_find_char(quoted, '`') < 0);
    if (str_is_utf8(text))
        assert(str_is_utf8(once) && str_is_utf8(quoted));
    return 0;
}
