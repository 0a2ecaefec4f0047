/*
 * gql/tool: the engine's parts one by one, for command lines and tests: parse, print, validate,
 * coerce. A server runs requests without them.
 */
#pragma once
#include "gql/gql.h"

/* Each is false with errors. A document may be executable or SDL. */
[[nodiscard]] bool gql_document_parse(struct str document, struct gql_errors *errors);
/* Its canonical text, as graphql-js prints it. */
[[nodiscard]] bool gql_document_print(struct str document, struct buf *out,
                                      struct gql_errors *errors);
/* False when it does not parse; what is not valid is in `errors` after true. */
[[nodiscard]] bool gql_document_validate(const struct gql_schema *s, struct str document,
                                         struct gql_errors *errors);
/* The coerced variables of an operation as one JSON object. */
[[nodiscard]] bool gql_variables_coerce(const struct gql_schema *s, struct str document,
                                        struct str operation_name,
                                        const struct json_value *variables, struct buf *out,
                                        struct gql_errors *errors);

/*
 * What `have` lacks of `want` and where it differs, a line each with its coordinate: "missing
 * Query.users(search:)", "differs User.email: String!, not String". Types, nullability, defaults
 * and
 * @access count; descriptions, @cost and what `want` does not know do not, unless it is required.
 * Gives the number of lines.
 */
[[nodiscard]] size_t gql_schema_compare(const struct gql_schema *have,
                                        const struct gql_schema *want, struct buf *out);

/* The errors as a JSON array, as a response has them. */
void gql_errors_put(struct buf *out, const struct gql_errors *errors);
/* The arguments of a step as one JSON object, in the schema's order. */
void gql_args_put(struct buf *out, const struct gql_step *step);
/* A JSON value as messages show it, `{ a: [1, "x"] }`. */
[[nodiscard]] struct str gql_inspect(struct arena *arena, const struct json_value *v);
