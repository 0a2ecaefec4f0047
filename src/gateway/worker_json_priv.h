/* worker_json_priv: what both rows and events are made with. */
#pragma once
#include "gateway/worker_json.h"

/* The cell is known now. */
void worker_row_tell(struct worker_row *row, int column, struct str cell);
/* The state, and the status that goes with it. */
void worker_row_tell_state(struct worker_row *row, enum task_state state);
/* enum task_state; -1: it is not told. */
[[nodiscard]] int worker_row_state(const struct worker_row *row);
