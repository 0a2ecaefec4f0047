#include "gateway/operation.h"

#include "gateway/problem.h"
#include "json/json.h"

static bool refuse(struct request *r, const char *name, const char *what)
{
    request_refuse(r, 400, PROBLEM_INPUT,
                   arena_cstr(r->arena, arena_printf(r->arena, "%s must be %s", name, what)));
    return false;
}

static bool read_text(struct request *r, const struct json_value *v, const char *name,
                      struct str *ret_text)
{
    if (v == NULL || v->type == JSON_NULL)
        return true;
    if (v->type != JSON_STRING)
        return refuse(r, name, "a string");
    *ret_text = v->text;
    return true;
}

bool operation_read_object(struct request *r, const struct json_value *v, const char *name,
                           const struct json_value **ret_object)
{
    if (v == NULL || v->type == JSON_NULL)
        return true;
    if (v->type != JSON_OBJECT)
        return refuse(r, name, "an object");
    *ret_object = v;
    return true;
}

bool operation_find(struct request *r, const struct documents_ask *ask)
{
    const struct documents_refusal *refusal =
        documents_find(r->loop->gateway->documents, r->arena, ask, &r->document);
    if (refusal != NULL) {
        request_refuse(r, refusal->http_status, refusal->code, refusal->message);
        return false;
    }
    r->gql.document = r->document.text;
    return true;
}

bool operation_read(struct request *r, const struct json_value *members)
{
    struct documents_ask ask = { 0 };
    return read_text(r, json_get_c(members, "query"), "query", &ask.text) &&
           read_text(r, json_get_c(members, "documentId"), "documentId", &ask.id) &&
           read_text(r, json_get_c(members, "operationName"), "operationName",
                     &r->gql.operation_name) &&
           operation_read_object(r, json_get_c(members, "variables"), "variables",
                                 &r->gql.variables) &&
           operation_read_object(r, json_get_c(members, "extensions"), "extensions",
                                 &ask.extensions) &&
           operation_find(r, &ask);
}
