/*
 * insight_watch: Subscription.insightAdded. While somebody of a loop follows, the table is looked
 * at each two seconds, once for all of them, and what later runs added is told.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct insight_watch;

[[nodiscard]] struct insight_watch *insight_watch_create(struct gateway_loop *loop);
/* Nobody may follow any more. */
void insight_watch_destroy(struct insight_watch *watch); /* accepts NULL */
