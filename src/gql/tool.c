#include "gql/tool.h"

#include "gql/coerce_priv.h"
#include "gql/execute_priv.h"
#include "gql/print_priv.h"
#include "gql/validate_priv.h"
#include "json/writer.h"

/* As deep as a document of a test-suite may nest. */
static const struct parse_options parsing = { .nesting_max = 1000 };

bool gql_document_parse(struct str document, struct gql_errors *errors)
{
    return ast_parse(errors->arena, document, &parsing, errors) != NULL;
}

bool gql_document_print(struct str document, struct buf *out, struct gql_errors *errors)
{
    const struct ast_document *doc = ast_parse(errors->arena, document, &parsing, errors);
    if (doc)
        print_document(out, doc);
    return doc != NULL;
}

bool gql_document_validate(const struct gql_schema *s, struct str document,
                           struct gql_errors *errors)
{
    static const struct validate_options options = { .errors_max = 100,
                                                     .with_suggestions = true,
                                                     .with_introspection = true };
    struct ast_document *doc = ast_parse(errors->arena, document, &parsing, errors);
    if (doc)
        validate_document(s, doc, &options, errors);
    return doc != NULL;
}

static void put_variables(struct buf *out, const struct ast_variable_def *d,
                          const struct gql_value *values)
{
    const char *before = "{";
    for (; d; d = d->next, values++) {
        if (values->kind == GQL_ABSENT)
            continue;
        buf_put_c(out, before);
        json_put_string(out, d->name);
        buf_put_char(out, ':');
        value_to_json(out, values);
        before = ",";
    }
    buf_put_c(out, *before == '{' ? "{}" : "}");
}

bool gql_variables_coerce(const struct gql_schema *s, struct str document,
                          struct str operation_name, const struct json_value *variables,
                          struct buf *out, struct gql_errors *errors)
{
    struct coerced_variables coerced;
    struct ast_document *doc = ast_parse(errors->arena, document, &parsing, errors);
    struct ast_definition *operation = doc ? plan_operation(doc, operation_name, errors) : NULL;
    if (!operation || !coerce_variables(errors->arena, s, document, operation->variables, variables,
                                        true, errors, &coerced))
        return false;
    put_variables(out, operation->variables, coerced.values);
    return true;
}

void gql_errors_put(struct buf *out, const struct gql_errors *errors)
{
    respond_error_list(out, errors);
}

void gql_args_put(struct buf *out, const struct gql_step *step)
{
    const struct field_def *def = step->field->plan->def;
    const char *before = "{";
    for (uint32_t i = 0; i < def->arg_count; i++) {
        if (step->args[i].kind == GQL_ABSENT)
            continue;
        buf_put_c(out, before);
        json_put_string(out, def->args[i].name);
        buf_put_char(out, ':');
        value_to_json(out, &step->args[i]);
        before = ",";
    }
    buf_put_c(out, *before == '{' ? "{}" : "}");
}

struct str gql_inspect(struct arena *arena, const struct json_value *v)
{
    return inspect_json(arena, v);
}
