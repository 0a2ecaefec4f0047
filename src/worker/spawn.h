/*
 * spawn: new tasks that an executor wants with the completion of its own: `spawn` of an
 * acknowledgement. They are made in the batch that completes it, so they are there exactly when it
 * is. Their ids are the worker's.
 * Source: docs/protocol.md "Leases".
 */
#pragma once
#include "http/server.h"
#include "worker/task_view.h"

struct batch;
struct worker;

enum {
    SPAWN_MAX = 1'000, /* tasks of one acknowledgement */
    SPAWN_WITH_CHILDREN_MAX = 10'000
};

struct spawn {
    struct task_view *views;
    uint32_t *types;
    size_t count;
};

/* The list of the acknowledgement of `parent`; `at` names it in messages. Texts are the JSON's and
 * the request's. Errors: INVALID, LIMIT, UNAVAILABLE. */
[[nodiscard]] bool spawn_read(struct worker *w, struct http_request *r,
                              const struct json_value *list, const char *at, struct uuid parent,
                              struct spawn *ret_spawn, struct err *e);
/* For `apply`. */
void spawn_add(struct batch *b, const struct spawn *spawn);
