/*
 * ast: the syntax tree of a document, executable and type system alike. Nodes live in the arena of
 * the parse; lists are linked by `next`. A position is a byte offset into the source text: lines
 * and columns are worked out only when an error needs them. Source: GraphQL Sep 2025, section 2 and
 * appendix B.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum ast_value_kind {
    AST_VARIABLE,
    AST_INT,
    AST_FLOAT,
    AST_STRING,
    AST_BOOLEAN,
    AST_NULL,
    AST_ENUM,
    AST_LIST,
    AST_OBJECT,
};

struct gql_type;
struct field_def;
struct type_ref;

struct ast_value {
    struct ast_value *next; /* in a list */
    enum ast_value_kind kind;
    uint32_t at;
    bool is_block;             /* STRING: was written as a block string */
    bool has_variable;         /* it or something in it is a VARIABLE */
    uint32_t index;            /* VARIABLE: of its definition, set by the planner */
    uint32_t count;            /* LIST and OBJECT */
    struct str text;           /* the name, digits, decoded string, "true", "false" */
    struct ast_value *items;   /* LIST */
    struct ast_entry *entries; /* OBJECT */
};

/* A field of an object value, or an argument. */
struct ast_entry {
    struct ast_entry *next;
    struct str name;
    uint32_t at;
    struct ast_value *value;
};

struct ast_directive {
    struct ast_directive *next;
    struct str name;
    uint32_t at;
    struct ast_entry *args;
};

struct ast_type {
    bool is_list;
    bool is_non_null;
    uint32_t at; /* of the name or the bracket */
    struct str name;
    struct ast_type *inner;
};

/* A name with its place: an interface, a union member, a directive location. */
struct ast_named {
    struct ast_named *next;
    struct str name;
    uint32_t at;
};

enum ast_selection_kind { AST_FIELD, AST_SPREAD, AST_INLINE };

struct ast_selection_set {
    struct ast_selection *first;
    uint32_t at;
    bool has_spread; /* of a fragment, in it or in a set below */
    uint32_t number; /* counted from 0 in its document: an index for the validator's tables */
};

struct ast_selection {
    struct ast_selection *next;
    enum ast_selection_kind kind;
    uint32_t at;
    struct str alias; /* FIELD: ptr NULL without one */
    struct str name;  /* FIELD; SPREAD: the fragment's; INLINE: type condition or ptr NULL */
    uint32_t name_at;
    struct ast_entry *args;
    struct ast_directive *directives;
    struct ast_selection_set *set;   /* FIELD: may be NULL; INLINE */
    struct ast_definition *fragment; /* SPREAD: set by the validator, with: */
    const struct gql_type *parent;   /* FIELD: the type it is on, or NULL */
    const struct field_def *def;     /* FIELD: or NULL */
    uint64_t key_hash;               /* FIELD: str_hash of the response key */
};

static inline struct str ast_response_key(const struct ast_selection *field)
{
    return field->alias.ptr ? field->alias : field->name;
}

struct ast_variable_def {
    struct ast_variable_def *next;
    struct str name;
    uint32_t at;          /* of its first token: a description or the `$` */
    uint32_t variable_at; /* of the `$` */
    struct ast_type *type;
    const struct type_ref *planned_type; /* set by the planner */
    struct ast_value *default_value;
    struct ast_directive *directives;
    struct ast_value *description;
};

/* An argument definition or input field definition. */
struct ast_input_def {
    struct ast_input_def *next;
    struct str name;
    uint32_t at; /* of the definition: its description where it has one */
    uint32_t name_at;
    struct ast_value *description;
    struct ast_type *type;
    struct ast_value *default_value;
    struct ast_directive *directives;
};

struct ast_field_def {
    struct ast_field_def *next;
    struct str name;
    uint32_t at;
    uint32_t name_at;
    struct ast_value *description;
    struct ast_input_def *args;
    struct ast_type *type;
    struct ast_directive *directives;
};

struct ast_enum_def {
    struct ast_enum_def *next;
    struct str name;
    uint32_t at;
    uint32_t name_at;
    struct ast_value *description;
    struct ast_directive *directives;
};

/* `query: Root` of a schema definition. */
struct ast_root {
    struct ast_root *next;
    struct str operation;
    uint32_t at;
    struct str type;
    uint32_t type_at;
};

enum ast_kind {
    AST_OPERATION,
    AST_FRAGMENT,
    AST_SCHEMA_DEF,
    AST_SCALAR_DEF,
    AST_OBJECT_DEF,
    AST_INTERFACE_DEF,
    AST_UNION_DEF,
    AST_ENUM_TYPE_DEF,
    AST_INPUT_DEF,
    AST_DIRECTIVE_DEF,
};

struct ast_definition {
    struct ast_definition *next;
    enum ast_kind kind;
    bool is_extension;
    uint32_t at; /* of its first token: a description where there is one */
    struct str name;
    uint32_t name_at;
    struct ast_value *description;
    struct ast_directive *directives;
    union {
        struct {
            int operation; /* enum gql_operation_type */
            bool is_shorthand;
            struct ast_variable_def *variables;
            struct str condition; /* FRAGMENT: the type it is on */
            uint32_t condition_at;
            uint32_t number; /* FRAGMENT: counted from 0 in the document */
            struct ast_selection_set *set;
        };
        struct {
            struct ast_named
                *interfaces; /* also the members of a UNION, the places of a DIRECTIVE */
            struct ast_field_def *fields;
            struct ast_input_def *inputs; /* INPUT fields, DIRECTIVE arguments */
            struct ast_enum_def *values;
            struct ast_root *roots;
            bool is_repeatable;
        };
    };
};

struct ast_document {
    struct str source;
    struct ast_definition *first;
    uint32_t operation_count, fragment_count;
    uint32_t set_count; /* selection sets */
    uint32_t field_count, alias_count, directive_count;
    uint32_t directives_at_once; /* at the place that has most */
};

struct gql_errors;
struct arena;

struct parse_options {
    uint32_t tokens_max;  /* 0: no limit */
    uint32_t nesting_max; /* brackets within brackets; bounds the parser's own stack */
};

/* NULL with one error. Executable and type-system definitions alike. `source` is not copied. */
struct ast_document *ast_parse(struct arena *arena, struct str source,
                               const struct parse_options *options, struct gql_errors *errors);
