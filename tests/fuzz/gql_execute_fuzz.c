/*
 * gql_execute: a document, then, after a NUL, its variables, against a fixed schema whose resolvers
 * answer at once, later, with errors and with nulls. Whatever comes in, the operation ends once and
 * its response is JSON.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "gql/gql.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sdl[] =
    "directive @access(role: Role!) on FIELD_DEFINITION | INPUT_FIELD_DEFINITION\n"
    "enum Role { ANYONE ADMIN }\n"
    "scalar JSON\n"
    "interface Node { id: ID! next: Node }\n"
    "type A implements Node { id: ID! next: Node list(first: Int): [Node!] must: String! e: Role\n"
    "  denied: String @access(role: ADMIN) }\n"
    "type B implements Node { id: ID! next: Node! f: Float j: JSON }\n"
    "union U = A | B\n"
    "input In { a: Int! = 1 b: [In!] c: JSON d: Role @access(role: ADMIN) }\n"
    "input One @oneOf { x: Int y: In }\n"
    "type Query { a: A u: [U] args(in: In, one: One, ints: [[Int]], j: JSON, s: String!): JSON\n"
    "  late: A fails: Int! }\n"
    "type Mutation { x(n: Int): Int! late: A }\n"
    "type Subscription { a: A }";

enum { WAITING_MAX = 64 };

struct run {
    struct gql_step *waiting[WAITING_MAX];
    size_t waiting_count;
    int answered, ended;
    unsigned turn; /* makes answers differ, the same way each time */
};

static const struct gql_schema *schema;

static const struct gql_type *type_of(const struct gql_type *t, void *ctx, void *object)
{
    struct run *r = ctx;
    (void)t;
    (void)object;
    return gql_schema_type(schema, r->turn++ % 2 ? STR("A") : STR("B"));
}

static void fill(struct gql_step *step)
{
    struct run *r = step->ctx;
    void **objects = arena_new_array(step->arena, 3, void *);
    objects[0] = objects[2] = r;
    for (size_t i = 0; i < step->count; i++) {
        if (str_eq_c(step->field->name, "list") || str_eq_c(step->field->name, "u"))
            step->results[i] = gql_objects(objects, r->turn++ % 4);
        else if (r->turn++ % 5 == 0)
            step->results[i] = gql_fail(step->arena, "OOPS", "turn %u", r->turn);
        else if (step->field->selection)
            step->results[i] = gql_object(r->turn % 3 ? r : NULL);
        else
            step->results[i] = gql_int(r->turn);
    }
}

static enum gql_next at_once(struct gql_step *step)
{
    fill(step);
    return GQL_DONE;
}

static enum gql_next later(struct gql_step *step)
{
    struct run *r = step->ctx;
    if (r->waiting_count == WAITING_MAX)
        return at_once(step);
    r->waiting[r->waiting_count++] = step;
    return GQL_WAIT;
}

static void get_leaf(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    struct run *r = ctx;
    (void)f;
    (void)parent;
    static const struct gql_value values[] = { { .kind = GQL_INT, .integer = 5 },
                                               { .kind = GQL_NULL },
                                               { .kind = GQL_TEXT, .text = { "t\"\n", 3 } },
                                               { .kind = GQL_FLOAT, .number = 1.5 },
                                               { .kind = GQL_ENUM, .text = { "ADMIN", 5 } } };
    *ret = values[r->turn++ % countof(values)];
}

static const struct gql_denial *authorize(void *ctx, const struct gql_access *access)
{
    static const struct gql_denial denial = { "FORBIDDEN", "no" };
    (void)ctx;
    return str_eq_c(access->role, "ADMIN") ? &denial : NULL;
}

static struct gql_engine *engine_once(void)
{
    static const char *const steps[] = { "Query.a",    "Query.u",      "Query.args", "Query.fails",
                                         "A.next",     "A.list",       "B.next",     "Mutation.x",
                                         "Query.late", "Mutation.late" };
    static const struct gql_scalar json = { .is_json = true };
    static const struct gql_host host = { .authorize = authorize };
    static struct gql_engine *engine;
    struct err e;
    if (engine)
        return engine;
    struct arena *a = arena_create(SIZE_MAX);
    struct gql_errors errors = { .arena = a };
    struct gql_schema *s = gql_schema_create(str_of_c(sdl), NULL, &errors);
    bool ok = s && gql_schema_bind_scalar(s, "JSON", &json, &e) &&
              gql_schema_bind_type(s, "Node", type_of, &e) &&
              gql_schema_bind_type(s, "U", type_of, &e);
    for (size_t i = 0; i < countof(steps); i++) {
        bool is_late = str_ends_with(str_of_c(steps[i]), STR("late")) ||
                       str_ends_with(str_of_c(steps[i]), STR("next"));
        const struct gql_binding binding = { .resolve = is_late ? later : at_once };
        ok = ok && gql_schema_bind(s, steps[i], &binding, &e);
    }
    const struct gql_binding source = { .resolve = at_once, .subscribe = at_once };
    const struct gql_binding leaf = { .get = get_leaf };
    ok = ok && gql_schema_bind(s, "Subscription.a", &source, &e) && gql_schema_seal(s, &leaf, &e);
    assert(ok);
    struct gql_limits limits = gql_limits_default();
    schema = s;
    engine = gql_engine_create(s, &host, &limits, 1 << 20);
    arena_destroy(a);
    return engine;
}

static void answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    struct run *r = owner;
    (void)op;
    (void)outcome;
    r->answered++;
}

static void ended(void *owner)
{
    struct run *r = owner;
    r->ended++;
}

/* Steps come back last first, so that levels mix; one in sixteen runs is cut short instead. */
static void come_back(struct run *r, struct gql_operation *op, unsigned how)
{
    if (r->answered == 0 && how % 16 == 1)
        gql_expire(op, "TIMEOUT", "late");
    else if (r->answered == 0 && how % 16 == 2)
        gql_cancel(op);
    while (r->waiting_count) {
        struct gql_step *step = r->waiting[--r->waiting_count];
        fill(step);
        gql_step_finish(step);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gql_engine *engine = engine_once();
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    struct str document, variables;
    struct run r = { .turn = (unsigned)size };
    const struct json_value *given = NULL;
    struct err e;
    (void)str_cut(str_of((const char *)data, size), '\0', &document, &variables);
    if (!json_parse(a, variables, &given, &e))
        given = NULL;
    struct gql_request request = { .document = document, .variables = given, .ctx = &r };
    const struct gql_end end = { .answered = answered, .ended = ended, .owner = &r };
    struct buf out;
    buf_init(&out, 1 << 20);
    struct gql_operation *op = gql_execute(engine, a, &request, &out, &end);
    if (r.ended == 0)
        come_back(&r, op, (unsigned)size);
    assert(r.answered == 1 && r.ended == 1);
    if (out.len) {
        scoped(arena_destroyp) struct arena *b = arena_create(SIZE_MAX);
        bool is_json = json_parse(b, buf_str(&out), &given, &e);
        assert(is_json || e.code == ERR_LIMIT);
    }
    buf_clear(&out);
    return 0;
}
