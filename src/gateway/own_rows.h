/*
 * own_rows: the tasks that this process stores itself as they are born, so that its mirror need not
 * store them once more: half of what a createTask cost the database. Only while the mirror follows
 * the feed; what was stored before that may have been swept away by the snapshot.
 *
 *   nothing known --> under way --> stored --> taken by the mirror
 *                        `-- not stored --> nothing known
 *
 * The mirror waits for those that are under way: stored by both at a time, the new row of one would
 * refuse that of the other. What is forgotten for want of room is stored again, which is harmless.
 * Thread: any.
 */
#pragma once
#include "base/uuid.h"

struct own_rows;

[[nodiscard]] struct own_rows *own_rows_create(void);
void own_rows_destroy(struct own_rows *rows); /* accepts NULL */

/* The mirror follows the feed from now on, or does not any more. */
void own_rows_begin(struct own_rows *rows);
void own_rows_end(struct own_rows *rows);

/*
 * They are under way from now on. Told before the worker is asked for them, and so before its feed
 * can tell of them. Answers what is to be told with their end; what began under an earlier one is
 * left alone then. 0: the mirror does not follow, and nothing is under way.
 */
[[nodiscard]] uint64_t own_rows_begin_put(struct own_rows *rows, const struct uuid *ids,
                                          size_t count);
/* They are stored; or, but for those that are, there is nothing to wait for. */
void own_rows_end_put(struct own_rows *rows, uint64_t epoch, const struct uuid *ids, size_t count,
                      bool is_stored);

enum own_row { OWN_ROW_UNKNOWN, OWN_ROW_UNDER_WAY, OWN_ROW_STORED };
/* STORED once for each: it is forgotten then. */
[[nodiscard]] enum own_row own_rows_take(struct own_rows *rows, struct uuid id);
