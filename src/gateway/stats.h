/*
 * stats: Query.dashboardStats. One reading of a window serves all who ask on that loop within a
 * second, and all who ask while it is read: generatedAt tells its time.
 */
#pragma once
#include "base/base.h"

struct gateway_loop;
struct stats_board;

[[nodiscard]] struct stats_board *stats_board_create(struct gateway_loop *loop);
/* What is being read is forgotten; nobody may wait. */
void stats_board_destroy(struct stats_board *board); /* accepts NULL */
