/*
 * plan: what a document becomes once for all its requests. Fragments are merged into one list of
 * fields for each object type, arguments are coerced where they are constant, response keys are
 * escaped. @skip and @include are decided here too: a plan has one variant for each combination of
 * the variables they ask, so a variant knows exactly what it fetches.
 * Source: GraphQL Sep 2025, section 6.3; DESIGN "Every resolver is a batch resolver".
 */
#pragma once
#include "base/list.h"
#include "gql/coerce_priv.h"
#include "gql/schema_priv.h"

enum arg_mode {
    ARG_CONST,    /* `value` */
    ARG_VARIABLE, /* one variable, of index `variable` */
    ARG_DYNAMIC,  /* a literal with variables in it */
};

struct plan_arg {
    enum arg_mode mode;
    uint32_t variable;
    struct gql_value value;
    const struct ast_entry *given; /* NULL: not given, the default */
};

/* A @defer of a fragment, as one object's fields meet it. */
struct plan_defer {
    struct plan_defer *next;         /* that begins at the same object */
    const struct plan_defer *parent; /* the one around it, or NULL */
    const struct ast_directive *directive;
    uint32_t number;       /* among those of its object */
    struct str label_json; /* `"label"`, or empty */
};

/* The @defers that a field waits for, none of them within another; empty: it comes at once. */
struct defer_set {
    const struct plan_defer **defers;
    uint32_t count;
};

/* The fields of an object that come later together: when the first of their @defers does. */
struct plan_part {
    struct plan_part *next;
    struct defer_set defers;
    struct plan_set *set;
};

/* What of an object comes later. */
struct plan_deferral {
    const struct plan_defer *defers; /* those that begin here */
    uint32_t defer_count;
    const struct plan_part *parts;
};

/* @stream of a list field. */
struct plan_stream {
    struct str label_json; /* or empty */
    uint32_t variable;     /* the one that tells initialCount; else UINT32_MAX */
    int64_t initial_count;
};

/* How a field gets its value. */
enum field_source {
    SOURCE_TYPENAME,
    SOURCE_GET_LEAF, /* asked while the response is written; nothing is stored */
    SOURCE_GET_LAZY, /* objects, asked while the response is written: nothing below needs a step */
    SOURCE_GET,      /* asked while the level runs: objects come of it */
    SOURCE_STEP,
};

/* Keys up to this length are copied in one piece of fixed size. */
enum { KEY_ROOM = 32 };

struct gql_field_plan {
    struct gql_field field; /* what hooks see; its `plan` is this */
    const struct field_def *def;
    enum field_source source;
    uint32_t slot;                      /* GET and STEP: which of the object's slots */
    struct str key_json;                /* `,"key":`, escaped; KEY_ROOM bytes may be read of it */
    bool is_quick;                      /* GET_LEAF without access and lists: see write_quick */
    struct plan_arg *args;              /* one a definition */
    const struct gql_value *const_args; /* when all of them are constant */
    const struct ast_selection **nodes; /* the fields merged into this one */
    uint32_t node_count;
    const struct plan_selection *below;
    const struct plan_stream *stream; /* NULL: the list comes as a whole */
};

/* A selection below a composite field; fields with the same definition and nodes share it. */
struct plan_selection {
    struct gql_selection selection;
    const struct gql_field_plan *owner; /* a field that it was made for */
    struct plan_selection *next;        /* in the order made: children before parents */
    uint32_t number;
    void *plan_data;
};

/* A set with what execution needs of it. `set` first: hooks see only that. */
struct plan_set {
    struct gql_set set;
    const struct plan_deferral *deferral; /* NULL: all of it comes at once */
    uint32_t slot_count;
    struct str typename_json; /* `"User"` */
};

struct plan_variant {
    struct plan_variant *next;
    const uint8_t *conditions; /* the value of each condition variable: 0, 1 */
    enum gql_incremental incremental;
    struct plan_set *root;
    struct plan_selection *first, **tail; /* all of them */
    uint32_t selection_count;
    bool has_fixed_cost; /* it was checked, and variables do not change it */
    uint64_t fixed_cost;
};

struct plan {
    struct list by_use; /* in its segment of the cache */
    struct plan *hash_next;
    uint64_t hash;
    uint32_t refs;
    bool is_cached, is_protected;
    size_t bytes;
    struct arena *arena;
    struct str text, operation_name; /* the key, with: */
    uint32_t role;
    bool has_introspection;
    bool has_incremental; /* @defer or @stream: variants differ by the format */
    struct ast_document *doc;
    struct ast_definition *operation;
    uint32_t variable_count;
    uint32_t *conditions; /* indexes of variables that @skip, @include, @defer and @stream ask */
    uint32_t condition_count;
    struct plan_variant *variants;
    uint32_t variant_count;
};

/* The operation of that name, or the only one where `name` is empty; NULL with an error. */
struct ast_definition *plan_operation(const struct ast_document *doc, struct str name,
                                      struct gql_errors *errors);
/* Parses, validates and checks limits. NULL with errors; never cached by this. */
struct plan *plan_create(const struct gql_schema *s, const struct gql_limits *limits,
                         const struct gql_request *request, struct gql_errors *errors);
/* The variant for these variables and this format: found, or made; NULL with errors. */
struct plan_variant *plan_variant(struct plan *p, const struct gql_schema *s,
                                  const struct gql_limits *limits,
                                  const struct gql_value *variables,
                                  enum gql_incremental incremental, struct arena *scratch,
                                  struct gql_errors *errors);
struct plan_cost {
    uint64_t cost;
    bool is_dynamic; /* it depends on the variables */
};
/* False and an error beyond the limits on cost and list sizes. */
bool plan_check_cost(const struct plan_variant *v, const struct gql_limits *limits,
                     const struct gql_value *variables, struct arena *scratch,
                     struct gql_errors *errors, struct plan_cost *ret);
/* Limits on the document alone: aliases and directives; then the depth of its operations. */
bool limits_check_counts(const struct ast_document *doc, const struct gql_limits *limits,
                         struct gql_errors *errors);
bool limits_check_depth(const struct ast_document *doc, const struct gql_limits *limits,
                        struct gql_errors *errors);
void limit_error(struct gql_errors *errors, const char *limit, uint64_t max, uint64_t value,
                 const char *what);

/* ── the cache ── */

struct plan_cache;
struct plan_cache *plan_cache_create(size_t bytes_max);
void plan_cache_destroy(struct plan_cache *c);
/* A counted reference, or NULL. */
struct plan *plan_cache_find(struct plan_cache *c, const struct gql_request *request);
/* Takes the plan in; the caller keeps its own reference. */
void plan_cache_add(struct plan_cache *c, struct plan *p);
/* After a variant was added to a plan that had `bytes_before`. */
void plan_cache_resized(struct plan_cache *c, struct plan *p, size_t bytes_before);
void plan_unref(struct plan *p);
uint64_t plan_hash(const struct gql_request *request);
size_t plan_cache_bytes(const struct plan_cache *c);
size_t plan_cache_count(const struct plan_cache *c);
uint64_t plan_cache_evictions(const struct plan_cache *c);
