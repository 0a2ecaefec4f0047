/*
 * gql_request: whole requests against a schema that has all that there is, made to get far. The
 * first two bytes choose how resolvers answer (now, later, in which order) and what (values, nulls,
 * errors, values of the wrong kind, lists that are none), whether the operation is cancelled or
 * expires half way, and the format of later payloads; then comes a document and, after a NUL, its
 * variables. A document is run twice, so that the second run takes its plan from the cache, and
 * both responses, with all their payloads, must be the same bytes.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "gql/tool.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sdl[] =
    "directive @access(role: Role!) on FIELD_DEFINITION | INPUT_FIELD_DEFINITION\n"
    "directive @tag(n: Int! = 1, in: In) repeatable on FIELD | QUERY | FRAGMENT_SPREAD\n"
    "  | INLINE_FRAGMENT | FRAGMENT_DEFINITION | VARIABLE_DEFINITION\n"
    "enum Role { ANYONE ADMIN }\n"
    "scalar JSON @specifiedBy(url: \"u\")\n"
    "scalar Even\n"
    "interface Node { id: ID! next: Node all(first: Int, last: Int): [Node!]! }\n"
    "interface Named implements Node { id: ID! next: Named name: String!\n"
    "  all(first: Int, last: Int): [Node!]! }\n"
    "type A implements Node & Named { id: ID! next: Named name: String! must: A!\n"
    "  all(first: Int, last: Int): [Node!]! grid: [[Int!]!] roles: [Role] even: Even f: Float!\n"
    "  denied: String @access(role: ADMIN) echo(in: In, text: String = \"d\", n: [Int!]): JSON }\n"
    "type B implements Node { id: ID! next: Node! all(first: Int, last: Int): [Node!]!\n"
    "  f: Float b: Boolean! u: U us: [[U]] }\n"
    "type C { x: Int a: A }\n"
    "union U = A | B | C\n"
    "input In { a: Int! = 1 b: [In!] c: JSON d: Role @access(role: ADMIN) e: Even f: Float\n"
    "  one: One m: [[Boolean]] s: String = \"s\" i: ID }\n"
    "input One @oneOf { x: Int y: In z: [ID!] }\n"
    "type Query { a: A node(id: ID!): Node u: U us(first: Int): [U!] named: [Named]\n"
    "  args(in: In = {b: [{a: 2}]}, one: One, m: [[Int]], j: JSON, s: String!, r: Role = ADMIN): "
    "JSON\n"
    "  list(first: Int = 3): [A!]! int: Int! }\n"
    "type Mutation { set(in: In!): A! one(one: One!): Int count: Int! node: Node }\n"
    "type Subscription { a: A count(to: Int): Int! }";

enum { WAITING_MAX = 64 };

struct run {
    struct gql_step *waiting[WAITING_MAX];
    size_t waiting_count;
    int answered, ended;
    bool has_next;            /* a payload is still to come */
    struct buf *out, *told;   /* where the engine writes, and all that it has told */
    unsigned timing, content; /* how and what resolvers answer */
    unsigned turn;
};

static const struct gql_schema *schema;

/* A small generator: the same answers in each run of the same input. */
static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1103515245U + 12345U;
    return (*state >> 16) % below;
}

static const struct gql_type *type_of(const struct gql_type *t, void *ctx, void *object)
{
    static const char *const names[] = { "A", "B", "C", "Query" };
    struct run *r = ctx;
    (void)t;
    (void)object;
    unsigned which = draw(&r->turn, 16);
    return which == 15 ? NULL
                       : gql_schema_type(schema, str_of_c(names[which == 14 ? 3 : which % 3]));
}

static struct gql_value leaf_of(struct run *r)
{
    static const struct gql_value values[] = { { .kind = GQL_INT, .integer = 5 },
                                               { .kind = GQL_INT, .integer = INT64_MAX },
                                               { .kind = GQL_NULL },
                                               { .kind = GQL_TEXT,
                                                 .text = { "t\"\n\xF0\x9F\x98\x80", 7 } },
                                               { .kind = GQL_TEXT, .text = { "12", 2 } },
                                               { .kind = GQL_FLOAT, .number = 1.5 },
                                               { .kind = GQL_FLOAT, .number = 1e300 },
                                               { .kind = GQL_BOOL, .boolean = true },
                                               { .kind = GQL_ENUM, .text = { "ADMIN", 5 } },
                                               { .kind = GQL_ENUM, .text = { "NOBODY", 6 } },
                                               { .kind = GQL_RAW, .text = { "{\"r\":[1]}", 9 } } };
    return values[draw(&r->turn, countof(values))];
}

static struct gql_value value_of(struct run *r, const struct gql_step *step, uint32_t depth)
{
    unsigned kind = draw(&r->turn, 16);
    if (kind == 0 && r->content % 2)
        return gql_fail(step->arena, "OOPS", "turn %u", r->turn % 100);
    if (kind == 1 && r->content / 2 % 2)
        return gql_null();
    if (kind == 2 && r->content / 4 % 2)
        return leaf_of(r); /* whatever the field is */
    if (depth > 0) {
        uint32_t count = draw(&r->turn, 4);
        struct gql_value *items = arena_new_array(step->arena, count, struct gql_value);
        for (uint32_t i = 0; i < count; i++)
            items[i] = value_of(r, step, depth - 1);
        return gql_list(items, count);
    }
    return step->field->selection ? gql_object(r) : leaf_of(r);
}

static void fill(struct gql_step *step)
{
    struct run *r = step->ctx;
    if (r->content / 8 % 8 == 7) {
        for (size_t i = 0; i < step->count; i++)
            step->results[i] = gql_fail(step->arena, "OOPS", "all of them");
        return;
    }
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = value_of(r, step, step->field->list_depth);
}

static enum gql_next at_once(struct gql_step *step)
{
    fill(step);
    return GQL_DONE;
}

static enum gql_next as_told(struct gql_step *step)
{
    struct run *r = step->ctx;
    if (r->waiting_count == WAITING_MAX || draw(&r->turn, 4) >= r->timing % 4 + 1)
        return at_once(step);
    r->waiting[r->waiting_count++] = step;
    return GQL_WAIT;
}

static enum gql_next echo(struct gql_step *step)
{
    struct buf text;
    buf_init(&text, 0);
    gql_args_put(&text, step);
    struct str copy = arena_copy(step->arena, buf_str(&text));
    buf_clear(&text);
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_raw(copy);
    return GQL_DONE;
}

static void get_leaf(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    (void)parent;
    *ret = f->selection ? gql_object(ctx) : leaf_of(ctx);
}

static bool parse_even(const struct gql_scalar_in *in, struct gql_value *ret_value,
                       struct str *ret_why)
{
    (void)ret_value;
    *ret_why = STR("expected an even number");
    return in->kind == GQL_INT && in->text.len && (in->text.ptr[in->text.len - 1] - '0') % 2 == 0;
}

static const struct gql_denial *authorize(void *ctx, const struct gql_access *access)
{
    static const struct gql_denial denial = { "FORBIDDEN", "no" };
    (void)ctx;
    return str_eq_c(access->role, "ADMIN") ? &denial : NULL;
}

static struct gql_engine *engine_once(void)
{
    static const char *const steps[] = {
        "Query.a",        "Query.node",   "Query.u", "Query.us", "Query.named",  "Query.list",
        "Query.int",      "A.next",       "A.all",   "A.must",   "A.roles",      "B.next",
        "B.all",          "B.u",          "B.us",    "C.a",      "Mutation.set", "Mutation.one",
        "Mutation.count", "Mutation.node"
    };
    static const char *const sources[] = { "Subscription.a", "Subscription.count" };
    static const char *const echoes[] = { "Query.args", "A.echo" };
    static const struct gql_scalar json = { .is_json = true };
    static const struct gql_scalar even = { .parse = parse_even };
    static const struct gql_host host = { .authorize = authorize };
    static const struct gql_schema_options options = { .has_incremental = true };
    static struct gql_engine *engine;
    struct err e;
    if (engine)
        return engine;
    struct arena *a = arena_create(SIZE_MAX);
    struct gql_errors errors = { .arena = a };
    struct gql_schema *s = gql_schema_create(str_of_c(sdl), &options, &errors);
    bool ok = s && gql_schema_bind_scalar(s, "JSON", &json, &e) &&
              gql_schema_bind_scalar(s, "Even", &even, &e) &&
              gql_schema_bind_type(s, "Node", type_of, &e) &&
              gql_schema_bind_type(s, "Named", type_of, &e) &&
              gql_schema_bind_type(s, "U", type_of, &e);
    for (size_t i = 0; i < countof(steps); i++)
        ok = ok && gql_schema_bind(s, steps[i], &(struct gql_binding){ .resolve = as_told }, &e);
    for (size_t i = 0; i < countof(echoes); i++)
        ok = ok && gql_schema_bind(s, echoes[i], &(struct gql_binding){ .resolve = echo }, &e);
    for (size_t i = 0; i < countof(sources); i++)
        ok = ok &&
             gql_schema_bind(s, sources[i],
                             &(struct gql_binding){ .resolve = as_told, .subscribe = at_once }, &e);
    const struct gql_binding leaf = { .get = get_leaf };
    ok = ok && gql_schema_seal(s, &leaf, &e);
    assert(ok);
    struct gql_limits limits = gql_limits_default();
    schema = s;
    engine = gql_engine_create(s, &host, &limits, 1 << 20);
    arena_destroy(a);
    return engine;
}

/* Each part is JSON, or was too large for the reader. */
static void tell(struct run *r)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    const struct json_value *part;
    struct err e;
    bool is_json = json_parse(a, buf_str(r->out), &part, &e);
    assert(is_json || e.code == ERR_LIMIT);
    buf_put_str(r->told, buf_str(r->out));
    buf_put_char(r->told, '\n');
}

static void answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    struct run *r = owner;
    (void)op;
    r->answered++;
    r->has_next = outcome->has_next;
    if (!outcome->is_cancelled)
        tell(r);
}

static void payload(struct gql_operation *op, bool has_next, void *owner)
{
    struct run *r = owner;
    (void)op;
    assert(r->answered == 1 && r->ended == 0 && r->has_next);
    r->has_next = has_next;
    tell(r);
}

static void ended(void *owner)
{
    struct run *r = owner;
    r->ended++;
}

static void cut_short(struct run *r, struct gql_operation *op)
{
    if (r->content % 2)
        gql_expire(op, "TIMEOUT", "late");
    else
        gql_cancel(op);
    r->timing %= 16; /* once */
}

/* Steps come back first in, last in or by chance; some runs are cut short. */
static void come_back(struct run *r, struct gql_operation *op)
{
    if (r->answered == 0 && r->timing / 16 == 1)
        gql_expire(op, "TIMEOUT", "late");
    else if (r->answered == 0 && r->timing / 16 == 2)
        gql_cancel(op);
    while (r->waiting_count) {
        size_t at = r->timing / 4 % 4 == 0   ? 0
                    : r->timing / 4 % 4 == 1 ? r->waiting_count - 1
                                             : draw(&r->turn, (unsigned)r->waiting_count);
        struct gql_step *step = r->waiting[at];
        r->waiting[at] = r->waiting[--r->waiting_count];
        fill(step);
        gql_step_finish(step);
        if (r->timing / 16 == 3 && r->ended == 0)
            cut_short(r, op);
    }
}

static void run_once(const struct run *how, struct gql_request request, struct buf *told)
{
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    struct buf out;
    struct run r = *how;
    buf_init(&out, 1 << 20);
    r.out = &out;
    r.told = told;
    request.ctx = &r;
    const struct gql_end end = {
        .answered = answered, .payload = payload, .ended = ended, .owner = &r
    };
    struct gql_operation *op = gql_execute(engine_once(), a, &request, &out, &end);
    if (r.ended == 0)
        come_back(&r, op);
    assert(r.answered == 1 && r.ended == 1);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum gql_incremental formats[] = { GQL_INCREMENTAL_NONE, GQL_INCREMENTAL_DRAFT,
                                                    GQL_INCREMENTAL_2022, GQL_INCREMENTAL_DRAFT };
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    struct gql_request request = { 0 };
    struct str variables;
    struct err e;
    if (size < 2)
        return 0;
    const struct run how = { .timing = data[0] % 64, .content = data[1], .turn = data[0] };
    request.incremental = formats[data[0] / 64];
    (void)str_cut(str_of((const char *)data + 2, size - 2), '\0', &request.document, &variables);
    if (!json_parse(a, variables, &request.variables, &e))
        request.variables = NULL;
    struct buf once, twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    run_once(&how, request, &once);
    run_once(&how, request, &twice);
    assert(str_eq(buf_str(&once), buf_str(&twice)));
    buf_clear(&once);
    buf_clear(&twice);
    return 0;
}
