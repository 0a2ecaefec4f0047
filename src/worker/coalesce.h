/*
 * coalesce: for how many callers the next batch waits.
 *
 * Callers who ask again when they are answered are back within a moment. Who waits for all of them
 * commits least often; who goes on with half of them keeps the database at work while the others
 * are answered and read anew. Which way is faster depends on the disk, on the callers and on how
 * many they are, so that both are tried: what a way takes for an intent is measured over a window
 * of batches, and the better way has all windows but one of sixteen. Strangers, who come by chance,
 * do not come faster for being waited for: to wait must show a gain beyond chance.
 */
#pragma once
#include "base/base.h"

enum coalesce_way { COALESCE_HALF, COALESCE_ALL, COALESCE_WAY_COUNT };

struct coalesce {
    size_t answered; /* by the last batch */
    size_t here;     /* those who had come when it ended */
    enum coalesce_way way;
    unsigned windows, batches;          /* so far; of the present window */
    int64_t ended_us, began_us;         /* the last batch; the part of the window that counts */
    size_t intents;                     /* of that part */
    double us_each[COALESCE_WAY_COUNT]; /* what an intent took; 0: not known yet */
};

/* Times are monotonic. A batch of so many intents begins. */
void coalesce_sent(struct coalesce *c, size_t intents, int64_t now_us);
/* It is committed, and so many others wait. One that failed has no end here. */
void coalesce_ended(struct coalesce *c, size_t waiting, int64_t now_us);
/* When the next batch may begin with those who wait; in the past: now. */
[[nodiscard]] int64_t coalesce_until_us(const struct coalesce *c, size_t waiting);
