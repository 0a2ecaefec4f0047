/*
 * own_wait: the tasks of a window that this process may store itself, or has stored, as own_rows
 * tells: the mirror waits for those that are under way, and leaves out what is stored. It waits for
 * deleted ones, too: the row that is stored after its deletion would stand. Each is looked for
 * until it is known, and no longer. Memory: the window's arena. Thread: one.
 */
#pragma once
#include "gateway/own_rows.h"
#include "gateway/window.h"

struct own_claim;
struct own_wait {
    struct own_claim *claims; /* that are not known to have ended */
    size_t count;
};

/* `rows` are those of window_rows, of which `unchanged` were born and nothing else. */
void own_wait_begin(struct own_wait *ret_wait, const struct window *w, struct mirror_row *rows,
                    size_t born, size_t unchanged);
/* Rows that need not be stored any more are without cells afterwards; true: none is under way. */
[[nodiscard]] bool own_wait_look(struct own_wait *wait, struct own_rows *own);
