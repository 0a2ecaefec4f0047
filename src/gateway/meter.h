/*
 * meter: what the gateway counts for /metrics. Requests count as they are answered; what loops keep
 * for themselves (connections, database lanes, plans, credentials) each loop adds once a second.
 */
#pragma once
#include "base/base.h"
#include "gql/gql.h"

struct gateway_loop;
struct request_note;
struct meter;
struct buf;

[[nodiscard]] struct meter *meter_create(void);
void meter_destroy(struct meter *m); /* accepts NULL */

/* A request was answered. Thread: any. */
void meter_request(struct meter *m, const struct request_note *note, int status, int64_t took_us);
/* An operation of a batch or a WebSocket was: a request counts for none. Thread: any. */
void meter_operation(struct meter *m, enum gql_operation_type type, bool has_errors);
/* So many more password jobs are open, running or waiting. Thread: any. */
void meter_password_jobs(struct meter *m, int delta);
/* Adds what has changed on the loop since the last time. Thread: the loop's. */
void meter_publish(struct meter *m, struct gateway_loop *loop);
/* The text for Prometheus. Thread: any. */
void meter_write(const struct meter *m, struct buf *out);
