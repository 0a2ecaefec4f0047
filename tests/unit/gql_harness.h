/* gql_harness: a schema, an engine and one answer, for the tests of the executor. */
#pragma once
#include "gql/gql.h"
#include "json/json.h"
#include "test.h"

struct harness {
    struct arena *arena;
    struct gql_schema *schema;
    struct gql_engine *engine;
    struct gql_host host;
    struct gql_limits limits;
    size_t cache_bytes;
    struct buf out;
    struct gql_outcome outcome;
    int answered, ended;
};

/* The value of a field is the member of its name in its parent, a JSON object. */
static inline void harness_property(const struct gql_field *f, void *ctx, void *parent,
                                    struct gql_value *ret)
{
    (void)ctx;
    const struct json_value *v = parent ? json_get(parent, f->name) : NULL;
    if (!v || v->type == JSON_NULL)
        return;
    if (v->type == JSON_STRING)
        *ret = gql_text(v->text);
    else if (v->type == JSON_BOOL)
        *ret = gql_bool(v->boolean);
    else if (v->type == JSON_NUMBER)
        *ret = gql_raw(v->text);
    else if (v->type == JSON_OBJECT)
        *ret = gql_object((void *)(uintptr_t)v);
}

static inline void harness_schema(struct harness *h, const char *sdl,
                                  const struct gql_schema_options *options)
{
    *h = (struct harness){ .arena = arena_create(SIZE_MAX),
                           .limits = gql_limits_default(),
                           .cache_bytes = 1 << 20 };
    struct gql_errors errors = { .arena = h->arena };
    h->schema = gql_schema_create(str_of_c(sdl), options, &errors);
    if (!h->schema)
        fail_msg("schema: %.*s", STR_FMT(errors.first->message));
    buf_init(&h->out, 0);
}

static inline void harness_bind(struct harness *h, const char *coordinate,
                                struct gql_binding binding)
{
    struct err e;
    if (!gql_schema_bind(h->schema, coordinate, &binding, &e))
        fail_msg("bind: %s", e.message);
}

static inline void harness_ready(struct harness *h)
{
    static const struct gql_binding property = { .get = harness_property };
    struct err e;
    if (!gql_schema_seal(h->schema, &property, &e))
        fail_msg("seal: %s", e.message);
    h->engine = gql_engine_create(h->schema, &h->host, &h->limits, h->cache_bytes);
}

static inline void harness_answered(struct gql_operation *op, const struct gql_outcome *outcome,
                                    void *owner)
{
    struct harness *h = owner;
    (void)op;
    h->outcome = *outcome;
    h->answered++;
}

static inline void harness_ended(void *owner)
{
    struct harness *h = owner;
    h->ended++;
}

static inline struct gql_end harness_end(struct harness *h)
{
    return (struct gql_end){ .answered = harness_answered, .ended = harness_ended, .owner = h };
}

static inline const struct json_value *harness_json(struct harness *h, const char *text)
{
    const struct json_value *v = NULL;
    struct err e;
    if (!json_parse(h->arena, str_of_c(text), &v, &e))
        fail_msg("json: %s", e.message);
    return v;
}

static inline struct gql_operation *harness_start(struct harness *h,
                                                  const struct gql_request *request)
{
    struct gql_end end = harness_end(h);
    h->answered = h->ended = 0;
    buf_reset(&h->out);
    return gql_execute(h->engine, h->arena, request, &h->out, &end);
}

/* Runs a document whose resolvers answer at once. */
static inline struct str harness_run(struct harness *h, const char *document, const char *variables)
{
    struct gql_request request = { .document = str_of_c(document),
                                   .variables = variables ? harness_json(h, variables) : NULL,
                                   .ctx = h };
    harness_start(h, &request);
    assert_int_equal(h->answered, 1);
    assert_int_equal(h->ended, 1);
    return buf_str(&h->out);
}

static inline void harness_clear(struct harness *h)
{
    gql_engine_destroy(h->engine);
    gql_schema_destroy(h->schema);
    buf_clear(&h->out);
    arena_destroy(h->arena);
}
