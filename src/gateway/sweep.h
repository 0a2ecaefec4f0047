/*
 * sweep: once an hour, what is kept no longer goes: sessions that have expired, conversations that
 * were deleted long enough ago, insights that were resolved long ago. A round that fails is left to
 * the next hour. Thread: the first loop's.
 */
#pragma once

struct gateway_loop;

void sweep_hourly(struct gateway_loop *loop);
