/*
 * diff: what turns one model into another, as statements in the order in which they must run. Pure:
 * both models are plain text (model.h), spelled by the same server.
 */
#pragma once
#include "base/arena.h"
#include "schema/model.h"

enum diff_kind {
    DIFF_VALUE,   /* a new enum value: cannot be used before the transaction that adds it ends */
    DIFF_CHANGE,  /* adds or widens; what is stored stays as it is */
    DIFF_RETIRE,  /* an index, constraint or right of ours that the entities no longer have */
    DIFF_EXTRA,   /* something that the entities do not know; with it go data, or another's work */
    DIFF_NARROW,  /* an enum value that the entities no longer have */
    DIFF_REWRITE, /* a changed type and the like: what is stored must be converted by a person */
};

/* In the order of execution. */
enum diff_phase {
    DIFF_DROP_FOREIGN,
    DIFF_DROP_CHECK,
    DIFF_DROP_INDEX,
    DIFF_TYPE,
    DIFF_TABLE,
    DIFF_COLUMN,
    DIFF_CHECK,
    DIFF_INDEX,
    DIFF_FOREIGN,
    DIFF_FUNCTION,
    DIFF_RIGHT,
    DIFF_DROP_COLUMN,
    DIFF_DROP_TABLE,
    DIFF_DROP_FUNCTION,
    DIFF_DROP_TYPE,
};

struct diff_change {
    enum diff_kind kind;
    enum diff_phase phase;
    struct str verb; /* "add" */
    struct str what; /* "column users.nickname" */
    struct str sql;  /* whole statements, each with its semicolon */
    bool is_part;    /* of a table or function that is added: told with it */
};

struct diff {
    struct diff_change *changes; /* by phase */
    size_t count, capacity;
};

struct diff_options {
    struct str role;   /* whose rights are compared; empty: nobody's */
    struct str schema; /* the PostgreSQL schema that the role must be allowed to use */
    /* What is EXTRA will stay: a column among it that must be given gets nullable, since the
     * program does not know to give it. */
    bool keep_extra;
};

/* In the arena. */
void diff_models(struct arena *a, const struct model *from, const struct model *to,
                 const struct diff_options *options, struct diff *ret_diff);

/* `name`, in quotes where SQL wants them. */
[[nodiscard]] struct str diff_name(struct arena *a, struct str name);
