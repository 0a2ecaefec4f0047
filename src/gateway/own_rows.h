/*
 * own_rows: the tasks that this process has stored itself as they were born, so that its mirror
 * need not store them once more: half of what a createTask cost the database. Only while the mirror
 * follows the feed; what was stored before that may have been swept away by the snapshot.
 *
 * What is forgotten for want of room is stored again, which is harmless. Thread: any.
 */
#pragma once
#include "base/uuid.h"

struct own_rows;

[[nodiscard]] struct own_rows *own_rows_create(void);
void own_rows_destroy(struct own_rows *rows); /* accepts NULL */

/* The mirror follows the feed from now on, or does not any more. */
void own_rows_begin(struct own_rows *rows);
void own_rows_end(struct own_rows *rows);

/* To be asked before a row is sent to the database, and told with it once it is stored: what began
 * under an earlier one is left out. 0: the mirror does not follow. */
[[nodiscard]] uint64_t own_rows_epoch(struct own_rows *rows);
void own_rows_add(struct own_rows *rows, uint64_t epoch, const struct uuid *ids, size_t count);

/* True once for each: it is stored. */
[[nodiscard]] bool own_rows_take(struct own_rows *rows, struct uuid id);
