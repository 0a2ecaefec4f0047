/*
 * checkup: Query.doctor: the checks of doctor/doctor.h, made by this process on another thread, one
 * at a time for all loops, and what the loop itself knows of the other services.
 *
 *   ask --> (first loop) one runs: wait for it; none: begin one --> (its end) --> all who wait
 *    `-- it takes too long ------------------------------------------------------> told so
 */
#pragma once
#include "gateway/gateway_priv.h"

struct checkup;

/* At home on the first loop, which exists by then. */
[[nodiscard]] struct checkup *checkup_create(struct gateway *gw);
/* No check may run any more. */
void checkup_destroy(struct checkup *checkup); /* accepts NULL */
