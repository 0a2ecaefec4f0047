/*
 * coerce: what comes in, as values of the types it is for. Literals of a validated document fail
 * only by a custom scalar's word or by what a variable holds.
 * Source: GraphQL Sep 2025, sections 3.5 to 3.12 "Input Coercion", 6.1.2 and 6.4.1.
 */
#pragma once
#include "gql/schema_priv.h"
#include "json/json.h"

/* What literals need to become values. */
struct coercion {
    struct arena *arena;
    const struct gql_value *variables; /* by index; NULL in constant places */
    struct str why;                    /* after a failure: the custom scalar's word, or empty */
};

/* False when the literal is no value of that type. */
[[nodiscard]] bool coerce_literal(struct coercion *c, const struct type_ref *t,
                                  const struct ast_value *v, struct gql_value *ret_value);

/* A custom scalar's value from JSON; false leaves the reason in c->why. */
[[nodiscard]] bool coerce_scalar_json(struct coercion *c, const struct gql_type *t,
                                      const struct json_value *json, bool is_enum,
                                      struct gql_value *ret_value);

struct coerced_variables {
    const struct gql_value *values; /* one a definition */
    size_t count;
};

/* Coerces the request's variables; errors are added, at most 50. Source: section 6.1.2. */
[[nodiscard]] bool coerce_variables(struct arena *arena, const struct gql_schema *s,
                                    struct str source, const struct ast_variable_def *defs,
                                    const struct json_value *given, bool with_suggestions,
                                    struct gql_errors *errors, struct coerced_variables *ret);

/*
 * The arguments of a field or directive, one a definition. On failure one error is added, placed at
 * the argument or at `at`. Source: section 6.4.1.
 */
[[nodiscard]] bool coerce_arguments(struct arena *arena, const struct input_def *defs,
                                    uint32_t count, const struct ast_entry *given, uint32_t at,
                                    const struct gql_value *variables, struct str source,
                                    struct gql_errors *errors, struct gql_value *ret_values);

/* A value as JSON text. */
void value_to_json(struct buf *out, const struct gql_value *v);
/* A JSON value as JavaScript's tools show it, `{ a: [1, "x"] }`: for messages. */
struct str inspect_json(struct arena *arena, const struct json_value *v);
/* A number as JavaScript writes it. */
struct str js_number(struct arena *arena, double value);
