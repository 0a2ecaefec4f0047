/*
 * mirror_record: what people did to tasks and jobs, out of the worker's own record: entries of the
 * audit log for the transaction that moves the mirror's cursor past them, so that each is written
 * once, whichever gateway keeps the mirror and whenever it is killed. What the scheduler and
 * executors did is no entry. Those of settings of types and queues and of bulk actions are written
 * by the gateway that was asked, too (audited.h); whoever comes first, they have one id. Source:
 * docs/operations.md "The audit log".
 */
#pragma once
#include "gateway/window.h"

enum { MIRROR_RECORD_STEPS = 3 };
/* The steps that write what was done in the window; their number. */
[[nodiscard]] size_t mirror_record_window(const struct window *w, int shard,
                                          struct db_step steps[MIRROR_RECORD_STEPS]);

/* Changes that the feed does not tell any more: from this number on, below that one. */
struct mirror_lost {
    int shard;
    int64_t from_seq; /* 0: there was no mirror before */
    int64_t to_seq;
    bool is_reset; /* the worker's log began anew: the numbers mean nothing */
    bool is_first; /* page of the snapshot */
};
/* The same for a page of the snapshot: what its tasks and job changes tell of them, and with the
 * first page the entry that says what cannot be known. `body` is the worker's answer. */
[[nodiscard]] bool mirror_record_page(struct arena *a, const struct json_value *body,
                                      const struct mirror_lost *lost, struct db_step *ret_step);
