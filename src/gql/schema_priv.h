/*
 * schema: the type system as the engine's files share it. Built once from SDL, then read only.
 * Source: GraphQL Sep 2025, section 3.
 */
#pragma once
#include "gql/ast_priv.h"
#include "gql/gql.h"
#include "gql/names_priv.h"

enum type_kind { TYPE_SCALAR, TYPE_OBJECT, TYPE_INTERFACE, TYPE_UNION, TYPE_ENUM, TYPE_INPUT };

/* The scalars whose coercion the specification fixes. */
enum builtin {
    BUILTIN_NONE,
    BUILTIN_INT,
    BUILTIN_FLOAT,
    BUILTIN_STRING,
    BUILTIN_BOOLEAN,
    BUILTIN_ID
};

enum wrap { WRAP_NAMED, WRAP_LIST, WRAP_NON_NULL };

/* A type with its lists and non-nulls around it, outermost first. */
struct type_ref {
    enum wrap wrap;
    const struct type_ref *of; /* LIST and NON_NULL */
    struct gql_type *named;    /* at the bottom of every one */
};

struct input_def {
    struct str name, description;
    const struct type_ref *type;
    struct ast_value *default_ast;  /* NULL: none */
    struct gql_value default_value; /* coerced; ABSENT: none */
    struct str deprecated;          /* ptr NULL: it is not */
    struct str access;              /* @access(role:); ptr NULL: none */
    struct ast_input_def *ast;
    uint8_t settled_in; /* the last pass over the defaults that came by */
};

struct field_def {
    struct str name, description;
    const struct type_ref *type;
    struct gql_type *parent;
    struct input_def *args;
    uint32_t arg_count;
    struct str deprecated;
    struct ast_field_def *ast;
    struct str access;     /* as the host sees it: with the default of root fields */
    uint32_t cost;         /* @cost(weight:), 1 without */
    int32_t size_arg;      /* index of the argument that gives the list's size, or -1 */
    int32_t size_arg_last; /* `last` beside `first`, or -1 */
    bool args_have_access; /* some input field below its arguments has @access */
    bool is_typename;      /* __typename */
    bool is_bound;
    struct gql_binding binding;
};

struct enum_value {
    struct str name, description, deprecated;
    struct ast_enum_def *ast;
};

struct gql_type {
    enum type_kind kind;
    enum builtin builtin;
    bool is_prelude; /* made by the engine: scalars and introspection */
    bool is_introspection;
    bool is_listed; /* among the schema's types: a built-in scalar only if something refers to it */
    bool is_one_of;
    bool has_access; /* INPUT: a field of it, or below it, has @access */
    struct str name, description, specified_by;
    uint32_t number;        /* among all types */
    uint32_t object_number; /* among object types */
    struct type_ref self;
    struct ast_definition **nodes; /* the definition, then its extensions */
    uint32_t node_count;

    struct field_def *fields; /* OBJECT, INTERFACE */
    uint32_t field_count;
    struct names field_names; /* also of an INPUT's fields */
    struct gql_type **interfaces;
    uint32_t interface_count;
    struct gql_type **possible; /* INTERFACE, UNION: its object types */
    uint32_t possible_count;
    struct gql_type **implementations; /* INTERFACE: the interfaces that implement it */
    uint32_t implementation_count;
    uint64_t *possible_bits; /* by object_number; of an OBJECT itself alone */
    struct enum_value *values;
    uint32_t value_count;
    struct names value_names;
    struct input_def *inputs;
    uint32_t input_count;

    struct gql_scalar scalar;
    gql_type_fn *resolve_type;
};

struct directive_def {
    struct str name, description;
    struct input_def *args;
    uint32_t arg_count;
    struct ast_named *locations;
    bool is_repeatable;
    bool is_prelude;
    struct ast_definition *ast;
};

struct gql_schema {
    struct arena *arena;
    struct str source;
    struct ast_document *doc;
    struct str description;
    struct names type_names, directive_names;
    struct gql_type **types; /* in the order of the SDL, the engine's last */
    uint32_t type_count, object_count, bit_words;
    struct directive_def *directives;
    uint32_t directive_count;
    struct gql_type *roots[3];  /* by gql_operation_type */
    struct ast_definition *ast; /* `schema { … }`, or NULL */
    struct field_def typename_field, schema_field, type_field;
    bool roots_may_fall_back, is_unchecked;
    bool has_incremental;   /* @defer and @stream mean what the engine makes of them */
    bool has_wrong_default; /* one was dropped */
    bool is_sealed;
};

static inline bool type_is_input(const struct gql_type *t)
{
    return t->kind == TYPE_SCALAR || t->kind == TYPE_ENUM || t->kind == TYPE_INPUT;
}
static inline bool type_is_leaf(const struct gql_type *t)
{
    return t->kind == TYPE_SCALAR || t->kind == TYPE_ENUM;
}
static inline bool type_is_abstract(const struct gql_type *t)
{
    return t->kind == TYPE_INTERFACE || t->kind == TYPE_UNION;
}
static inline bool type_is_composite(const struct gql_type *t)
{
    return t->kind == TYPE_OBJECT || type_is_abstract(t);
}
static inline const struct type_ref *type_nullable(const struct type_ref *t)
{
    return t->wrap == WRAP_NON_NULL ? t->of : t;
}
static inline bool type_possible(const struct gql_type *t, const struct gql_type *object)
{
    return t->possible_bits[object->object_number / 64] >> (object->object_number % 64) & 1;
}
/* Required: non-null without a default. */
static inline bool input_is_required(const struct input_def *d)
{
    return d->type->wrap == WRAP_NON_NULL && !d->default_ast;
}

struct gql_type *schema_find(const struct gql_schema *s, struct str name);
struct directive_def *schema_directive(const struct gql_schema *s, struct str name);
/* The field of an object or interface, meta fields included where they belong; or NULL. */
const struct field_def *schema_field(const struct gql_schema *s, const struct gql_type *t,
                                     struct str name);
/* The same where the caller has str_hash(name) at hand. */
const struct field_def *schema_field_hashed(const struct gql_schema *s, const struct gql_type *t,
                                            struct str name, uint64_t hash);
const struct input_def *type_input(const struct gql_type *t, struct str name);
const struct input_def *inputs_find(const struct input_def *defs, uint32_t count, struct str name);
/* The type that a document's type syntax names, or NULL where it is unknown. */
const struct type_ref *type_from_ast(struct arena *arena, const struct gql_schema *s,
                                     const struct ast_type *ast);
/* "[User!]!" */
struct str type_text(struct arena *arena, const struct type_ref *t);
struct str ast_type_text(struct arena *arena, const struct ast_type *t);
bool type_equal(const struct type_ref *a, const struct type_ref *b);
bool type_is_subtype(const struct type_ref *sub, const struct type_ref *super);
/* Some object type is possible for both. */
bool types_overlap(const struct gql_schema *s, const struct gql_type *a, const struct gql_type *b);

struct ast_directive *find_directive(struct ast_directive *list, const char *name);
struct ast_value *directive_arg(const struct ast_directive *d, const char *name);

/* The stages of gql_schema_create. */
void schema_rules_check(const struct ast_document *doc, const struct names *prelude_types,
                        const struct names *prelude_directives, struct gql_errors *errors);
void schema_build(struct gql_schema *s, const struct ast_document *prelude,
                  const struct gql_schema_options *options, struct gql_errors *errors);
void schema_check(const struct gql_schema *s, struct gql_errors *errors);
/* Coerces defaults; one that is no value of its type is dropped, as the reference does. */
void schema_default_build(struct gql_schema *s, struct input_def *d, struct gql_errors *errors);
void schema_defaults_build(struct gql_schema *s, struct gql_errors *errors);
/* Again with the host's scalars. Errors: INVALID, a scalar refuses a default. */
[[nodiscard]] bool schema_defaults_seal(struct gql_schema *s, struct err *e);
/* Reports defaults that need themselves. */
void schema_defaults_check(const struct gql_schema *s, struct gql_errors *errors);
/* The engine's own part of every schema, and the binding of its fields. */
extern const char schema_prelude[];
/* @defer and @stream, for the schemas that ask for them. */
extern const char schema_incremental[];
void introspection_bind(struct gql_schema *s);
