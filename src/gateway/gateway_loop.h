/* gateway_loop: one loop with all that it holds: its server, its pool, its clients and its timers.
 */
#pragma once
#include "gateway/gateway_priv.h"

/* Before any loop runs; loop.gateway and loop.number are set. `a` is for what lives as long as the
 * loop. After a failure, too, it is to be destroyed. */
[[nodiscard]] bool gateway_loop_create(struct gateway_loop *loop, struct arena *a, struct err *e);
/* Nothing runs any more. Accepts one whose creation failed. */
void gateway_loop_destroy(struct gateway_loop *loop);
