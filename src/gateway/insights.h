/*
 * insights: what the analyst finds, asked now or kept for the dashboard. The kept ones are computed
 * once, however many ask at once: those of a loop wait for one computation, and a claim in the
 * database lets one loop of all gateways compute.
 *
 *   fresh --------------------------------------------------------------------> answer
 *   old, or refresh --> claim --> gather facts --> ask ai --> store ----------> answer all
 *                         |                           `-- fails: older ones --> answer all, stale
 *                         |                                `-- none: analyst in process --> store
 *                         `-- another has it: look again, until he is done ---> answer all
 */
#pragma once
#include "gateway/gateway_priv.h"

struct insights;

[[nodiscard]] struct insights *insights_create(struct gateway_loop *loop);
/* Nobody may wait any more. */
void insights_destroy(struct insights *is); /* accepts NULL */
