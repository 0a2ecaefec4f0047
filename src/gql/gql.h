/*
 * gql: a GraphQL server engine (specification of September 2025). A schema is made from SDL text
 * and the host binds its fields; an engine plans documents once and runs them breadth first, each
 * field once a level for all its parents together. It does no I/O, reads no clock and starts no
 * thread.
 *
 *   schema = gql_schema_create(sdl) ── gql_schema_bind(…)… ── gql_schema_seal     once a process
 *   engine = gql_engine_create(schema, host, limits)                              once a thread
 *   gql_execute(engine, arena, request, out, end)                                 once a request
 *
 * Thread: a sealed schema is read only and may be shared; an engine and its operations belong to
 * one thread. Source: src/gql/README.md; https://spec.graphql.org/September2025/ (sections are
 * named in the code).
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct json_value;
struct gql_schema;
struct gql_type; /* a named type of a schema */
struct gql_engine;
struct gql_operation;
struct gql_step;
struct gql_field;

/* ───────────────────────────── diagnostics ───────────────────────────── */

struct gql_location {
    uint32_t line, column; /* both from 1; columns count UTF-16 units, as graphql-js does */
};

struct gql_path {
    const struct gql_path *parent; /* NULL at the root */
    struct str key;                /* a response key; key.ptr NULL: an index */
    size_t index;
};

struct gql_error {
    struct gql_error *next;
    struct str message;
    const char *code; /* extensions.code; NULL: none */
    struct str
        extensions_json; /* further members of extensions: `"limit":15,"value":22`; or empty */
    const struct gql_location *locations;
    size_t location_count;
    const struct gql_path *path; /* NULL: none */
};

/* In the order found; everything lives in `arena`. */
struct gql_errors {
    struct arena *arena;
    struct gql_error *first, *last;
    size_t count;
    bool no_values; /* messages leave out the literals and variables that they are about */
};

/* Codes that the engine itself gives. */
#define GQL_CODE_PARSE "GRAPHQL_PARSE_FAILED"
#define GQL_CODE_VALIDATION "GRAPHQL_VALIDATION_FAILED"
#define GQL_CODE_INPUT "BAD_USER_INPUT"
#define GQL_CODE_COMPLEX "QUERY_TOO_COMPLEX"
#define GQL_CODE_INTERNAL "INTERNAL"

/* ───────────────────────────── values ───────────────────────────── */

enum gql_kind {
    GQL_ABSENT, /* an argument or input field that was not given and has no default */
    GQL_NULL,
    GQL_BOOL,
    GQL_INT,
    GQL_FLOAT,
    GQL_TEXT,    /* UTF-8; escaped when written */
    GQL_ENUM,    /* a member's name */
    GQL_RAW,     /* one JSON value; as a result written unchanged, so it must be valid JSON */
    GQL_LIST,    /* of values */
    GQL_INPUT,   /* an input object: one value a field, in the order of the schema */
    GQL_OBJECT,  /* result only: the host's pointer, parent of the fields below it */
    GQL_OBJECTS, /* result only: a list of GQL_OBJECT as bare pointers; NULL is null */
    GQL_ERROR,   /* result only: made by gql_fail */
};

/* A value that goes in as an argument or comes out as a result. Pieces live as long as the
 * operation. */
struct gql_value {
    enum gql_kind kind;
    uint32_t count; /* of LIST, OBJECTS, INPUT */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct str text;               /* TEXT, ENUM, RAW */
        const struct gql_value *items; /* LIST */
        void *const *objects;          /* OBJECTS */
        const struct gql_error *error; /* ERROR */
        struct {
            const struct gql_value *fields;
            const struct gql_type *input_type;
        }; /* INPUT */
        struct {
            void *object;
            const struct gql_type
                *object_type; /* NULL: the field's own, or as resolve_type tells */
        };                    /* OBJECT */
    };
};

static inline struct gql_value gql_null(void)
{
    return (struct gql_value){ .kind = GQL_NULL };
}
static inline struct gql_value gql_bool(bool value)
{
    return (struct gql_value){ .kind = GQL_BOOL, .boolean = value };
}
static inline struct gql_value gql_int(int64_t value)
{
    return (struct gql_value){ .kind = GQL_INT, .integer = value };
}
static inline struct gql_value gql_float(double value)
{
    return (struct gql_value){ .kind = GQL_FLOAT, .number = value };
}
static inline struct gql_value gql_text(struct str text)
{
    return (struct gql_value){ .kind = GQL_TEXT, .text = text };
}
static inline struct gql_value gql_enum(struct str name)
{
    return (struct gql_value){ .kind = GQL_ENUM, .text = name };
}
static inline struct gql_value gql_raw(struct str json)
{
    return (struct gql_value){ .kind = GQL_RAW, .text = json };
}
static inline struct gql_value gql_object(void *object)
{
    return (struct gql_value){ .kind = object ? GQL_OBJECT : GQL_NULL, .object = object };
}
static inline struct gql_value gql_objects(void *const *objects, size_t count)
{
    return (struct gql_value){ .kind = GQL_OBJECTS, .count = (uint32_t)count, .objects = objects };
}
static inline struct gql_value gql_list(const struct gql_value *items, size_t count)
{
    return (struct gql_value){ .kind = GQL_LIST, .count = (uint32_t)count, .items = items };
}

/* True for ABSENT and NULL. */
static inline bool gql_is_null(const struct gql_value *v)
{
    return v->kind <= GQL_NULL;
}
/* The field of an INPUT by name; an ABSENT value where there is none (or `input` is no INPUT). */
[[nodiscard]] const struct gql_value *gql_input(const struct gql_value *input, const char *name);

/* ───────────────────────────── plans, as hooks see them ───────────────────────────── */

/* What is selected on one object type, in response order; of what @defer puts off, one part. */
struct gql_set {
    const struct gql_type *type;
    uint32_t count;
    struct gql_field **fields;
};

/* The selection below a field: one set per object type that it may return; after these, the parts
 * of them that @defer puts off, of the same objects. */
struct gql_selection {
    uint32_t count;
    struct gql_set **sets;
};

/* One field of a plan: a response key with all that was merged into it. */
struct gql_field {
    struct str name;         /* in the schema: "users" */
    struct str response_key; /* "users", or its alias */
    const struct gql_type *parent_type;
    const struct gql_type *type; /* the named type that it returns, lists and non-null peeled off */
    uint32_t list_depth;         /* how many lists are around it */
    void *data;                  /* what the binding gave */
    void *plan_data;             /* what `prepare` returned */
    uint32_t
        column; /* for the prepare of the field above: where in its row this field's value is */
    const struct gql_selection *selection; /* NULL for leaves */
    const struct gql_field_plan *plan;     /* the engine's */
};

/* The first child of that name in any set below `f`, or NULL. */
[[nodiscard]] struct gql_field *gql_child(const struct gql_field *f, const char *name);

/* ───────────────────────────── binding ───────────────────────────── */

enum gql_next { GQL_DONE, GQL_WAIT };

/*
 * Answers a field for all its parents of one level: fills step->results, which start as null.
 * GQL_WAIT when the answer comes later, by exactly one gql_step_finish (or gql_step_fail).
 */
typedef enum gql_next gql_resolve_fn(struct gql_step *step);
/*
 * Answers a field from its parent alone, without waiting: the cheap path. Leaves are asked for
 * while the response is written, so nothing is stored for them. `ret_value` starts as null.
 */
typedef void gql_get_fn(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value);
/*
 * Once a plan, after the selection below is known and prepared: what it returns is f->plan_data
 * from then on. May set `column` of the fields below. `plan_arena` lives as long as the plan.
 */
typedef void *gql_prepare_fn(struct gql_field *f, struct arena *plan_arena);

struct gql_binding {
    gql_resolve_fn *resolve; /* one of resolve and get */
    gql_get_fn *get;
    gql_prepare_fn *prepare;   /* optional */
    gql_resolve_fn *subscribe; /* Subscription fields: makes the source stream, see gql_subscribe */
    void *data;                /* gql_field.data */
};

/*
 * A custom scalar's input. `text` has the decoded string of a string, the digits of a number, the
 * name of an enum value, else is empty; `kind` tells which (LIST and INPUT: look into `json`).
 * False refuses the value with *ret_why (in the arena: "expected an RFC 3339 time"). *ret_value
 * starts as the value itself.
 */
struct gql_scalar_in {
    enum gql_kind kind; /* NULL never comes */
    struct str text;
    const struct json_value *json; /* the whole value, literals too */
    struct arena *arena;
};
typedef bool gql_scalar_fn(const struct gql_scalar_in *in, struct gql_value *ret_value,
                           struct str *ret_why);
struct gql_scalar {
    gql_scalar_fn *parse; /* NULL: any value is accepted */
    bool is_json;         /* *ret_value starts as GQL_RAW, its JSON text, whatever it is */
};

/* Which object type of an interface or union `object` is. NULL: a field error. */
typedef const struct gql_type *gql_type_fn(const struct gql_type *abstract, void *ctx,
                                           void *object);

struct gql_schema_options {
    /* The @access role of root fields without @access, "VIEWER"; NULL: they need none. */
    const char *default_access;
    /* Root fields may take the fallback of gql_schema_seal too. */
    bool roots_may_fall_back;
    /* Not validated as a type system: to be printed, and never sealed. */
    bool is_unchecked;
    /* The schema has @defer and @stream, of the engine's own. */
    bool has_incremental;
};

/*
 * The schema that `sdl` describes, or NULL with diagnostics in `errors`: syntax, then SDL rules,
 * then type-system validation; the first stage that finds errors is reported alone. `directive
 * @access(role: …)` and `@cost(weight: Int!, listSize: String)` in it are given meaning.
 */
[[nodiscard]] struct gql_schema *gql_schema_create(struct str sdl,
                                                   const struct gql_schema_options *options,
                                                   struct gql_errors *errors);
void gql_schema_destroy(struct gql_schema *s); /* accepts NULL */
DEFINE_SCOPED(gql_schema);

/* `coordinate` is "Query.user". Errors: NOT_FOUND, there is no such field; CONFLICT, it is bound.
 */
[[nodiscard]] bool gql_schema_bind(struct gql_schema *s, const char *coordinate,
                                   const struct gql_binding *binding, struct err *e);
[[nodiscard]] bool gql_schema_bind_scalar(struct gql_schema *s, const char *name,
                                          const struct gql_scalar *scalar, struct err *e);
/* For an interface or union whose values do not carry their type. */
[[nodiscard]] bool gql_schema_bind_type(struct gql_schema *s, const char *name,
                                        gql_type_fn *resolve_type, struct err *e);
/*
 * Checks that every field of every object type has a binding, and makes the schema read only. A
 * field of an object type other than the roots takes `fallback` when it has none and `fallback` is
 * given. Errors: INVALID, naming the first unbound field and how many there are.
 */
[[nodiscard]] bool gql_schema_seal(struct gql_schema *s, const struct gql_binding *fallback,
                                   struct err *e);

[[nodiscard]] const struct gql_type *gql_schema_type(const struct gql_schema *s, struct str name);
[[nodiscard]] struct str gql_type_name(const struct gql_type *t);
[[nodiscard]] bool gql_type_is_object(const struct gql_type *t);
[[nodiscard]] bool gql_type_is_abstract(const struct gql_type *t); /* interface or union */
/* The canonical SDL text. */
void gql_schema_print(const struct gql_schema *s, struct buf *out);

/* ───────────────────────────── engine ───────────────────────────── */

/* Checked before any resolver runs; an answer names the limit and the value. 0: no limit. */
struct gql_limits {
    uint32_t tokens_max;             /* 10,000: lexical tokens of a document */
    uint32_t depth_max;              /* 15: levels of fields */
    uint32_t aliases_max;            /* 30 a document, fragments once */
    uint32_t root_fields_max;        /* 20 of the operation, after merging */
    uint32_t directives_max;         /* 50 a document */
    uint32_t directives_at_once_max; /* 8 at one place */
    uint32_t repeats_max;            /* 100: how often one field is selected in one place */
    uint64_t cost_max;               /* 20,000: @cost weights (1 without) times list sizes */
    uint32_t list_size_max;          /* 500: a `first` or `last` */
    uint32_t list_size_default; /* 10: assumed for the cost of lists whose size no argument tells */
    uint32_t nesting_max;       /* 200 brackets within brackets: bounds the engine's own stack */
    uint32_t errors_max;        /* 100 validation errors, then one more that says so */
    size_t plan_bytes_max;      /* 1 MiB: memory of one document's plan */
    size_t response_bytes_max;  /* 64 MiB */
    uint32_t pending_max;       /* 1,000 deferred fragments and streams that are open at a time */
};
struct gql_limits gql_limits_default(void);

/* What @access asks before a field runs. `args` are those of the field, in the schema's order. */
struct gql_access {
    struct str role; /* the enum value written in the schema: "SELF" */
    const struct gql_field *field;
    struct str input_field; /* "role" of an input object, or empty: the field itself */
    const struct gql_value *args;
    void *parent; /* NULL at the root */
};

struct gql_host {
    /* NULL: allowed; else why not, usually a constant. Only annotated fields and root fields ask.
     */
    const struct gql_denial *(*authorize)(void *ctx, const struct gql_access *access);
    /* Turns gql_step_fail's err into message and code of a GraphQL error. */
    void (*map_err)(void *ctx, const struct err *err, struct gql_error *error);
};
struct gql_denial {
    const char *code; /* "FORBIDDEN", "UNAUTHENTICATED" */
    const char *message;
};

/* `host` is copied. `cache_bytes` bounds the memory of all cached plans. */
[[nodiscard]] struct gql_engine *gql_engine_create(const struct gql_schema *schema,
                                                   const struct gql_host *host,
                                                   const struct gql_limits *limits,
                                                   size_t cache_bytes);
/* No operation may be running. Accepts NULL. */
void gql_engine_destroy(struct gql_engine *engine);
DEFINE_SCOPED(gql_engine);

struct gql_counters {
    uint64_t plan_hits, plan_misses, plan_evictions;
    uint64_t parse_failures, validation_failures, limit_refusals;
    size_t plan_count, plan_bytes;
};
struct gql_counters gql_engine_counters(const struct gql_engine *engine);

/* ───────────────────────────── operations ───────────────────────────── */

enum gql_operation_type { GQL_QUERY, GQL_MUTATION, GQL_SUBSCRIPTION };

/* How the later parts of a response are told, where @defer and @stream make some. */
enum gql_incremental {
    GQL_INCREMENTAL_NONE,  /* all in one answer: the directives do nothing */
    GQL_INCREMENTAL_DRAFT, /* `pending`, `incremental`, `completed`; see README.md for its date */
    GQL_INCREMENTAL_2022,  /* `incremental` alone, each with its path and label: deferSpec=20220824
                            */
};

struct gql_request {
    struct str document;
    struct str operation_name;          /* empty: the document's only operation */
    const struct json_value *variables; /* an object, or NULL */
    uint32_t role;                      /* part of the plan's key; what it means is the host's */
    bool queries_only;                  /* HTTP GET: refuse mutations and subscriptions */
    bool no_introspection;              /* __schema and __type are validation errors */
    bool no_suggestions;                /* no "Did you mean …?" in errors */
    bool no_values;                     /* nor what a literal or variable holds: a password */
    enum gql_incremental incremental;   /* needs gql_end.payload; subscriptions have none */
    uint64_t *spent_cost; /* of the operations of one batch: each adds its cost, and what they cost
                             together is held to cost_max; NULL: it is alone */
    void *ctx;            /* for the hooks */
    void *root;           /* parent of the root fields, often NULL */
};

struct gql_outcome {
    enum gql_operation_type type;
    bool is_request_error; /* nothing ran: no `data` in the answer */
    bool is_cancelled;     /* nothing was written */
    bool has_next;         /* payloads follow */
    const char *code;      /* extensions.code of the first error, or NULL */
    size_t error_count;
};

/*
 * `answered`, once: the response is in `out`; or the operation was cancelled.
 * `payload`, after an answer with `has_next`: one later part is in `out`, alone, from where the
 * response began, as a JSON object. Each wants to be taken before the call returns; the last one
 * comes without `has_next`, unless the operation is cancelled before.
 * `ended`, once: every step has come back and the arena may go; it comes last, usually at once.
 */
struct gql_end {
    void (*answered)(struct gql_operation *op, const struct gql_outcome *outcome, void *owner);
    void (*payload)(struct gql_operation *op, bool has_next, void *owner); /* optional */
    void (*ended)(void *owner);                                            /* optional */
    void *owner;
};

/*
 * Runs a query or mutation; may be over when it returns. Everything of the operation lives in
 * `arena`; `request`'s texts and variables must live until `ended`.
 * Returns the operation for gql_cancel and gql_expire; it is valid until `ended`.
 */
struct gql_operation *gql_execute(struct gql_engine *engine, struct arena *arena,
                                  const struct gql_request *request, struct buf *out,
                                  const struct gql_end *end);
/*
 * The type of the operation that the request asks for: it is planned for that, as the call that
 * runs it will find. QUERY where the document has errors, which that call tells then.
 */
enum gql_operation_type gql_request_type(struct gql_engine *engine, struct arena *arena,
                                         const struct gql_request *request);
/* The client is gone: no resolver starts any more and nothing is written. Before the answer it is
 * answered, as cancelled; between payloads only `ended` comes. */
void gql_cancel(struct gql_operation *op);
/* The deadline has passed: fields still waiting fail with this error, and the answer is written; or
 * all that is pending is completed so, in a last payload. */
void gql_expire(struct gql_operation *op, const char *code, const char *message);

/*
 * Starts a subscription: the root field's `subscribe` hook makes the source stream and gives it as
 * a GQL_OBJECT. `started` gets that stream, or NULL after an error whose response is in `out`.
 * Events are run by gql_event while the operation's arena lives; gql_subscription_close ends it.
 */
struct gql_subscriber {
    void (*started)(struct gql_operation *op, void *stream, const struct gql_outcome *outcome,
                    void *owner);
    void *owner;
};
struct gql_operation *gql_subscribe(struct gql_engine *engine, struct arena *arena,
                                    const struct gql_request *request, struct buf *out,
                                    const struct gql_subscriber *subscriber);
/* One response for one event: the selection runs with `event` as parent of the root field. */
struct gql_operation *gql_event(struct gql_operation *subscription, struct arena *arena,
                                void *event, struct buf *out, const struct gql_end *end);
void gql_subscription_close(struct gql_operation *subscription);

/* ───────────────────────────── steps ───────────────────────────── */

struct gql_step {
    const struct gql_field *field;
    size_t count;
    void *const *parents;         /* `count` pointers; the request's `root` at the root */
    const struct gql_value *args; /* coerced, in the order of the schema */
    struct gql_value *results;    /* `count`, for the resolver to fill */
    struct arena *arena;          /* the operation's */
    void *ctx;                    /* the request's */
    void *host;                   /* free for the resolver while it waits */
};

/* An argument by name; ABSENT where it was not given. */
[[nodiscard]] const struct gql_value *gql_arg(const struct gql_step *step, const char *name);
/* After GQL_WAIT: the results are filled. May continue the operation before it returns. */
void gql_step_finish(struct gql_step *step);
/* The same, with one error for every parent; also as `return gql_step_fail(…)` instead of waiting.
 */
enum gql_next gql_step_fail(struct gql_step *step, const struct err *e);
/* Asks `authorize` again, for a resolver that has learned more of the caller. False: denied, and
 * the step has failed as by gql_step_fail. */
[[nodiscard]] bool gql_step_is_allowed(struct gql_step *step);
/* An error as the result for one parent. `code` must be a constant. */
[[nodiscard]] struct gql_value gql_fail(struct arena *arena, const char *code, const char *fmt, ...)
    like_printf(3, 4);
