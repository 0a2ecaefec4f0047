/*
 * create: new tasks for others than callers of HTTP, judged and made as POST /v1/tasks does it.
 */
#pragma once
#include "worker/shard_priv.h"

struct json_value;
struct worker;

enum create_outcome {
    CREATE_MADE,
    CREATE_STORED,    /* its id is stored already */
    CREATE_DUPLICATE, /* an unfinished task has its key */
    CREATE_REFUSED
};

struct create_result {
    enum create_outcome outcome;
    struct err err; /* of REFUSED; UNAVAILABLE: not now */
};

struct create_hooks {
    /* In `apply`: the task of that index is made by this batch, and by this one alone. */
    void (*made)(void *owner, struct batch *b, size_t index);
    /* The end. `err`: nothing is known of any; else each has its result, in the arena. */
    void (*done)(void *owner, const struct err *err, const struct create_result *results);
};

/* `tasks` are members of POST /v1/tasks; they and the arena must live until `done`. */
void create_many(struct worker *w, struct arena *a, const struct json_value *tasks, size_t count,
                 const struct create_hooks *hooks, void *owner);
