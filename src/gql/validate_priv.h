/*
 * validate: is a document right for a schema? Every rule of GraphQL Sep 2025, section 5, for
 * executable documents; messages and places as graphql-js. One walk with types in hand does most of
 * them; the rest work on what it collected about each definition.
 */
#pragma once
#include "gql/diag_priv.h"
#include "gql/schema_priv.h"

/* What comparing the fields of one response key took: what a test can hold against a bound. */
struct validate_steps {
    uint64_t merge, overlap;
};

struct validate_options {
    uint32_t errors_max;
    uint32_t depth_max; /* levels below are not merged, the caller refuses them; 0: no bound */
    bool with_suggestions;
    bool with_introspection;
    struct validate_steps *steps; /* filled where it is not NULL */
};

/* Sets spread->fragment and the index of every variable. Adds what is wrong to `errors`. */
void validate_document(const struct gql_schema *s, struct ast_document *doc,
                       const struct validate_options *options, struct gql_errors *errors);

/* ── shared by the files of the validator ── */

/* A `$variable` in a definition, with what its place wants. */
struct variable_use {
    struct variable_use *next;
    struct ast_value *value;
    const struct type_ref *type;   /* NULL: unknown */
    const struct gql_type *one_of; /* the @oneOf input object it is a field of, or NULL */
    bool has_default;              /* the place has */
};

struct spread_use {
    struct spread_use *next;
    struct ast_selection *spread;
};

/* What the walk learned of one operation or fragment. */
struct definition_info {
    struct ast_definition *def;
    struct variable_use *variables, **variable_tail;
    struct spread_use *spreads, **spread_tail;
    uint32_t seen_by; /* the last operation, counted from 1, that reached this fragment */
    bool was_checked; /* for cycles */
    bool is_used;
};

struct validator {
    const struct gql_schema *schema;
    struct ast_document *doc;
    const struct validate_options *options;
    struct gql_errors *errors;
    struct arena *arena;
    struct names fragments;        /* name → definition_info */
    struct definition_info *infos; /* one a definition, in document order */
    uint32_t info_count;
    struct definition_info *current;
    struct rules *rules; /* of a document that defines types, else NULL */
    bool has_stopped;    /* too many errors */
};

/* Reports at byte offsets, and stops everything at the limit. */
void validator_report(struct validator *v, struct str message, const uint32_t *at, size_t count);
/* The same for the rules that all documents share, a rules_report_fn. */
void validator_report_to(void *validator, struct str message, const uint32_t *at, size_t count);
#define report_at(v, at, ...)                                                                      \
    validator_report((v), arena_printf((v)->arena, __VA_ARGS__), &(uint32_t){ at }, 1)
#define report_two(v, at1, at2, ...)                                                               \
    validator_report((v), arena_printf((v)->arena, __VA_ARGS__), (uint32_t[]){ (at1), (at2) }, 2)
/* " Did you mean …?" for a wrong name, or "". */
struct str validator_hint(struct validator *v, const char *kind, struct str wrong,
                          struct str *names, size_t count);

/* Two entries of the list have one name. */
bool validator_is_repeated(struct validator *v, const struct ast_entry *list);
/* A value where `type` is wanted; NULL: not known, only what holds everywhere is checked. */
void validate_value(struct validator *v, const struct type_ref *type, bool has_default,
                    struct ast_value *value);
/* For documents with definitions of types: before the walk, and for each of those. */
void validate_foreign_prepare(struct validator *v);
void validate_foreign(struct validator *v, const struct ast_definition *d);
void validate_spreads(struct validator *v);
void validate_variables(struct validator *v);
void validate_subscriptions(struct validator *v);
/* @defer and @stream. */
void validate_delays(struct validator *v);
/* For documents without other errors, which the reference would tell alone. */
void validate_younger_rules(struct validator *v);
/* True when all fields of a document without errors merge; false: they do not, or it is too large.
 */
bool validate_merge(struct validator *v);
/* Reports the fields that do not merge. */
void validate_overlaps(struct validator *v);
bool same_arguments(const struct ast_entry *a, const struct ast_entry *b);
/* The @stream of a field, where the schema has it; or NULL. */
const struct ast_directive *stream_of(const struct validator *v, const struct ast_selection *field);
bool types_conflict(const struct type_ref *a, const struct type_ref *b);
