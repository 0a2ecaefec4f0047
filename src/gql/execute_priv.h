/*
 * execute: an operation while it runs. Objects of one level and type are a batch; each field of a
 * batch is a step; what a step gives makes the batches of the next level. The response is written
 * when all are done, depth first in document order, and only that walk reports errors, so that they
 * come as if fields had run one after another.
 * Source: GraphQL Sep 2025, sections 6.2 to 6.4.
 */
#pragma once
#include "base/list.h"
#include "gql/plan_priv.h"

enum slot_kind {
    SLOT_PENDING, /* the field has not come back */
    SLOT_VALUE,   /* a leaf, null or an error */
    SLOT_NODE,
    SLOT_NODES, /* a list of objects; a node without a set is null */
    SLOT_LIST,
    SLOT_STREAM, /* a list of which the rest comes later */
};

struct slot {
    enum slot_kind kind;
    uint32_t count;
    union {
        struct gql_value value;
        struct node *nodes; /* NODE: one */
        struct slot *items;
        struct cut_list *cut;
    };
};

/* A list with @stream: its head is like any list, its rest a result that waits. */
struct cut_list {
    struct slot head;
    uint32_t head_count;
    struct gql_value rest;
};

/* An object of the response. */
struct node {
    void *source;               /* the host's */
    const struct plan_set *set; /* NULL: null */
    struct slot *slots;
};

/* Objects of one set, made by one step. */
struct batch {
    struct batch *next;
    const struct plan_set *set;
    struct node **nodes;
    void **sources;
    size_t count;
    uint32_t only; /* mutations: the one root field to run now; else UINT32_MAX */
    struct job *job;
};

enum step_state { STEP_RESOLVING, STEP_WAITING, STEP_FINISHED };

struct step {
    struct gql_step pub;
    struct gql_operation *op;
    struct list waiting;
    const struct gql_field_plan *plan;
    struct node **nodes; /* whose slot each result is for */
    enum step_state state;
    struct job *job;                  /* what comes later that this is for; NULL: the answer */
    void (*complete)(struct step *s); /* when the results are there */
};

enum operation_state {
    OPERATION_RUNNING,
    OPERATION_DELIVERING, /* answered, and more comes */
    OPERATION_ANSWERED,
};

struct gql_operation {
    struct gql_engine *engine;
    struct arena *arena;
    struct gql_request request;
    struct plan *plan;
    const struct plan_variant *variant;
    const struct gql_value *variables;
    struct buf *out;
    size_t out_start;
    struct gql_end end;
    struct gql_errors errors;
    enum operation_state state;
    enum gql_operation_type type;
    bool is_in_loop, is_cancelled;
    bool is_source;                 /* gql_subscribe: makes the stream, runs nothing */
    struct delivery *delivery;      /* NULL: all comes in the answer */
    const struct gql_error *expiry; /* what fields that did not come back fail with */
    struct batch *first, **tail;    /* to run */
    struct list waiting;            /* steps */
    size_t waiting_count;
    struct node root;
    uint32_t next_root; /* mutations */
    bool is_root_running, root_failed;
    /* subscriptions */
    struct gql_subscriber subscriber;
    void *stream;
};

struct gql_engine {
    const struct gql_schema *schema;
    struct gql_host host;
    struct gql_limits limits;
    struct plan_cache *cache;
    struct gql_counters counters;
};

/* What is left to do to the operation after something came back. */
void operation_run(struct gql_operation *op);
/* Starts a batch when the loop comes to it. */
void operation_queue(struct gql_operation *op, struct batch *b);
/* Runs what is queued, up to what waits. */
void operation_run_batches(struct gql_operation *op);
/* Starts one field for all of a batch. */
void step_start(struct gql_operation *op, const struct batch *b, const struct gql_field_plan *f);
/* The set of a composite value's object type; NULL with an error where the type cannot be told. */
const struct plan_set *object_set(struct gql_operation *op, const struct gql_field_plan *f,
                                  const struct gql_value *v, const struct gql_error **ret_error);
/* Starts a subscription's root field with its `subscribe` hook. */
void source_start(struct gql_operation *op, const struct batch *b, const struct gql_field_plan *f,
                  void (*complete)(struct step *s));
/* Turns the rest of a cut list into a slot, for `job`; what is below it is queued. */
void stream_start(struct gql_operation *op, const struct gql_field_plan *f, struct job *job,
                  const struct gql_value *const *rests, struct slot *const *slots, size_t count);
/* NULL, or why the field may not be seen below this parent. */
const struct gql_error *access_check(struct gql_operation *op, const struct gql_field_plan *f,
                                     const struct gql_value *args, void *parent);
/* The error for an answer, or what is left of it, that is beyond a limit. */
const struct gql_error *refusal(struct arena *arena, const char *limit, size_t value,
                                const char *what);
/* An error that is not yet placed: gql_fail's. */
const struct gql_error *plain_error(struct arena *arena, const char *code, struct str message);

/* Where a walk is. Frames live on its stack, or in the arena when what comes later keeps them. */
struct frame {
    const struct frame *above;
    const struct gql_field_plan *field; /* or an index, when NULL */
    size_t index;
};

/* Writes `"data":…` of all root fields, or one of them; false when null reached the root. */
bool respond_fields(struct gql_operation *op, uint32_t from, uint32_t to);
/* Writes an object as JSON; false, with the error last in `errors`, when it may not be null. */
bool respond_node(struct gql_operation *op, struct node *n, const struct frame *at, struct buf *out,
                  struct gql_errors *errors);
/* Writes the items of a list's rest, the first of them with `index`, up to one that fails: its
 * error is *ret_failure, which starts as NULL. */
void respond_items(struct gql_operation *op, const struct gql_field_plan *f,
                   const struct slot *rest, uint32_t index, const struct frame *at, struct buf *out,
                   struct gql_errors *errors, const struct gql_error **ret_failure);
const struct gql_path *respond_path(struct arena *arena, const struct frame *at);
/* `["a",0]`, without the first `skip` parts. */
void respond_path_list(struct buf *out, const struct frame *at, size_t skip);
/* Adds an error of a root field, with its path and places. */
void respond_field_error(struct gql_operation *op, const struct gql_field_plan *f,
                         const struct gql_error *from);
/* `[{…},…]`, and the same after `"errors":`. */
void respond_error_list(struct buf *out, const struct gql_errors *errors);
void respond_errors(struct buf *out, const struct gql_errors *errors);

enum leaf_result { LEAF_WRITTEN, LEAF_NULL, LEAF_BAD };
/* Writes a leaf as its type has it; BAD leaves the reason in *ret_why. */
enum leaf_result leaf_write(struct buf *out, struct arena *arena, const struct gql_type *t,
                            const struct gql_value *v, struct str *ret_why);
