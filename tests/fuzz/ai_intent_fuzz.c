/* ai_intent: any message and any earlier one are understood or not, within bounds. */
#include "ai/intent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t now_us = 1'764'336'000'000'000;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    struct str text, before;
    (void)str_cut(str_of((const char *)data, size), '\n', &text, &before);
    struct intent in = intent_of(a, text, before, now_us);
    assert(in.kind < INTENT_KIND_COUNT && intent_kind_name(in.kind) != NULL);
    assert(in.name_count <= INTENT_NAMES_MAX);
    assert(!in.window.is_given || (in.window.from_us < now_us && in.window.text.len > 0));
    assert(in.window.to_us == 0 || in.window.to_us > in.window.from_us);
    assert((in.kind != INTENT_TASK && in.kind != INTENT_JOB) || in.id.len == 36);
    return 0;
}
