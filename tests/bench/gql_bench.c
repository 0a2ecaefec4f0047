/*
 * gql_bench: the cases of engine.py by src/gql. Usage: gql_bench INPUTS, then lines of
 * `CASE MILLISECONDS` on standard input; each answers with one JSON object. `gql_bench INPUTS CASE
 * TIMES` runs one case so many times and ends, for a profiler.
 * A field is read from its parent by the position that planning found, as an engine of JavaScript
 * reads a property by the shape of its object.
 */
#include <time.h>

#include "base/mem.h"
#include "gql/plan_priv.h"
#include "gql/validate_priv.h"

struct bench {
    struct arena *inputs_arena; /* schemas' texts, documents, data: for the whole run */
    const struct json_value *inputs;
    struct arena *arena; /* of one operation */
    struct buf out;
};

/* A parent: the values of its members, in the order of the data. */
struct row {
    const struct gql_value *values;
};

/* A case, made ready once. */
struct bench_case {
    struct str name;
    const struct json_value *json;
    struct str document, work;
    struct gql_schema *schema;
    struct gql_engine *engine;
    struct ast_document *ast;
    struct row *root;
    size_t bytes;
    struct plan_cache *cache; /* of LOOKUP_PLANS documents, when it is looked up */
    struct str *texts;
    uint32_t next;
};

enum { LOOKUP_PLANS = 10'000 };

static void die(const char *what, struct str detail)
{
    fprintf(stderr, "gql_bench: %s: %.*s\n", what, STR_FMT(detail));
    exit(1);
}

/* ── data: rows of values ── */

static struct gql_value value_of(struct arena *a, const struct json_value *v);

static struct row *row_of(struct arena *a, const struct json_value *object)
{
    struct gql_value *values = arena_new_array(a, object->member_count, struct gql_value);
    for (size_t i = 0; i < object->member_count; i++)
        values[i] = value_of(a, &object->members[i].value);
    struct row *row = arena_new(a, struct row);
    row->values = values;
    return row;
}

static struct gql_value list_of(struct arena *a, const struct json_value *list)
{
    void **rows = arena_new_array(a, list->item_count, void *);
    for (size_t i = 0; i < list->item_count; i++)
        rows[i] = row_of(a, &list->items[i]);
    return gql_objects(rows, list->item_count);
}

static struct gql_value value_of(struct arena *a, const struct json_value *v)
{
    int64_t integer = 0;
    double number = 0;
    switch (v->type) {
    case JSON_NULL:
        return gql_null();
    case JSON_BOOL:
        return gql_bool(v->boolean);
    case JSON_NUMBER:
        if (json_to_i64(v, &integer))
            return gql_int(integer);
        return json_to_double(v, &number) ? gql_float(number) : gql_null();
    case JSON_STRING:
        return gql_text(v->text);
    case JSON_ARRAY:
        return list_of(a, v);
    case JSON_OBJECT:
        return gql_object(row_of(a, v));
    }
    return gql_null();
}

/* ── schema: every field reads its position ── */

static const struct json_value *members; /* of each type */

static void get_member(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = ((const struct row *)parent)->values[f->column];
}

static void get_root(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = ((const struct row *)parent)->values[(uintptr_t)f->data];
}

static uint32_t position_of(const struct json_value *names, struct str name)
{
    for (size_t i = 0; names && i < names->item_count; i++)
        if (str_eq(names->items[i].text, name))
            return (uint32_t)i;
    return 0; /* a field that no case executes */
}

static void *place_columns(struct gql_field *f, struct arena *plan_arena)
{
    (void)plan_arena;
    for (uint32_t i = 0; f->selection && i < f->selection->count; i++) {
        const struct gql_set *set = f->selection->sets[i];
        const struct json_value *names = json_get(members, gql_type_name(set->type));
        for (uint32_t j = 0; j < set->count; j++)
            set->fields[j]->column = position_of(names, set->fields[j]->name);
    }
    return NULL;
}

static enum gql_next no_stream(struct gql_step *step)
{
    (void)step;
    return GQL_DONE;
}

static struct gql_schema *make_schema(struct bench *b, struct str sdl)
{
    static const struct gql_schema_options options = { .roots_may_fall_back = true };
    static const struct gql_binding member = { .get = get_member,
                                               .prepare = place_columns,
                                               .subscribe = no_stream };
    struct gql_errors errors = { .arena = b->inputs_arena };
    struct err e;
    struct gql_schema *s = gql_schema_create(sdl, &options, &errors);
    if (!s)
        die("schema", errors.first->message);
    const struct json_value *roots = json_get_c(members, "Query");
    for (size_t i = 0; i < roots->item_count; i++) {
        char *coordinate = arena_cstr(b->inputs_arena, arena_printf(b->inputs_arena, "Query.%.*s",
                                                                    STR_FMT(roots->items[i].text)));
        struct gql_binding binding = { .get = get_root,
                                       .prepare = place_columns,
                                       .data = (void *)(uintptr_t)i };
        if (!gql_schema_bind(s, coordinate, &binding, &e) && e.code != ERR_NOT_FOUND)
            die("bind", str_of_c(e.message));
    }
    if (!gql_schema_seal(s, &member, &e))
        die("seal", str_of_c(e.message));
    return s;
}

/* ── cases ── */

static void check(const struct gql_errors *errors)
{
    if (errors->count)
        die("document", errors->first->message);
}

static void no_end(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    (void)op;
    (void)owner;
    if (outcome->error_count)
        die("execute", str_of_c(outcome->code));
}

static void do_parse(struct bench *b, struct bench_case *c)
{
    static const struct parse_options options = { .nesting_max = 200 };
    struct gql_errors errors = { .arena = b->arena };
    if (!ast_parse(b->arena, c->document, &options, &errors))
        check(&errors);
}

static void do_validate(struct bench *b, struct bench_case *c)
{
    static const struct validate_options options = { .errors_max = 100,
                                                     .with_suggestions = true,
                                                     .with_introspection = true };
    struct gql_errors errors = { .arena = b->arena };
    validate_document(c->schema, c->ast, &options, &errors);
    check(&errors);
}

/* Parse, validate and plan: what a document costs that is not in the cache. */
static void do_plan(struct bench *b, struct bench_case *c)
{
    static const struct gql_limits limits = { .nesting_max = 200, .errors_max = 100 };
    struct gql_errors errors = { .arena = b->arena };
    struct gql_request request = { .document = c->document };
    struct plan *p = plan_create(c->schema, &limits, &request, &errors);
    check(&errors);
    struct plan_variant *v =
        plan_variant(p, c->schema, &limits, NULL, GQL_INCREMENTAL_NONE, b->arena, &errors);
    check(&errors);
    assert(v->root);
    plan_unref(p);
}

static void do_execute(struct bench *b, struct bench_case *c)
{
    static const struct gql_end end = { .answered = no_end };
    struct gql_request request = { .document = c->document,
                                   .variables = json_get_c(c->json, "variables"),
                                   .root = c->root };
    buf_reset(&b->out);
    gql_execute(c->engine, b->arena, &request, &b->out, &end);
    c->bytes = b->out.len;
}

/* One of many plans, each time another one. */
static void do_lookup(struct bench *b, struct bench_case *c)
{
    (void)b;
    c->next = (c->next + 7919) % LOOKUP_PLANS;
    struct gql_request request = { .document = c->texts[c->next] };
    struct plan *p = plan_cache_find(c->cache, &request);
    assert(p);
    plan_unref(p);
}

static void fill_cache(struct bench *b, struct bench_case *c)
{
    static const struct gql_limits limits = { .nesting_max = 200, .errors_max = 100 };
    c->cache = plan_cache_create(1 << 30);
    c->texts = arena_new_array(b->inputs_arena, LOOKUP_PLANS, struct str);
    for (uint32_t i = 0; i < LOOKUP_PLANS; i++) {
        struct gql_errors errors = { .arena = b->arena };
        c->texts[i] =
            arena_printf(b->inputs_arena, "query Q%u %.*s", i, STR_FMT(str_from(c->document, 10)));
        struct gql_request request = { .document = c->texts[i] };
        struct plan *p = plan_create(c->schema, &limits, &request, &errors);
        check(&errors);
        plan_cache_add(c->cache, p);
        plan_unref(p);
        /* Used once more, so that the next ones do not push it out. */
        p = plan_cache_find(c->cache, &request);
        plan_unref(p);
        arena_reset(b->arena);
    }
    assert(plan_cache_count(c->cache) == LOOKUP_PLANS);
}

typedef void work_fn(struct bench *b, struct bench_case *c);

static work_fn *work_of(struct str name)
{
    static const struct {
        const char *name;
        work_fn *fn;
    } works[] = { { "parse", do_parse },
                  { "validate", do_validate },
                  { "plan", do_plan },
                  { "lookup", do_lookup },
                  { "execute", do_execute } };
    for (size_t i = 0; i < countof(works); i++)
        if (str_eq_c(name, works[i].name))
            return works[i].fn;
    die("no such work", name);
    return NULL;
}

static const struct json_value *find_case(const struct bench *b, struct str name)
{
    const struct json_value *cases = json_get_c(b->inputs, "cases");
    for (size_t i = 0; i < cases->item_count; i++)
        if (str_eq(json_get_c(&cases->items[i], "name")->text, name))
            return &cases->items[i];
    die("no such case", name);
    return NULL;
}

static struct bench_case make_case(struct bench *b, struct str name)
{
    static const struct gql_limits limits = { .nesting_max = 200, .errors_max = 100 };
    static const struct gql_host host = { 0 };
    struct bench_case c = { .json = find_case(b, name) };
    const struct json_value *schemas = json_get_c(b->inputs, "schemas");
    c.name = json_get_c(c.json, "name")->text;
    c.work = json_get_c(c.json, "work")->text;
    c.document = json_get_c(c.json, "document")->text;
    c.bytes = c.document.len;
    c.schema = make_schema(b, json_get(schemas, json_get_c(c.json, "schema")->text)->text);
    c.engine = gql_engine_create(c.schema, &host, &limits, 1 << 24);
    c.root = row_of(b->inputs_arena, json_get_c(b->inputs, "data"));
    static const struct parse_options parsing = { .nesting_max = 200 };
    struct gql_errors errors = { .arena = b->inputs_arena };
    c.ast = ast_parse(b->inputs_arena, c.document, &parsing, &errors);
    check(&errors);
    if (str_eq_c(c.work, "lookup"))
        fill_cache(b, &c);
    return c;
}

static void clear_case(struct bench_case *c)
{
    plan_cache_destroy(c->cache);
    gql_engine_destroy(c->engine);
    gql_schema_destroy(c->schema);
}

/* ── runs ── */

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

static void repeat(struct bench *b, struct bench_case *c, uint64_t times)
{
    work_fn *work = work_of(c->work);
    for (uint64_t i = 0; i < times; i++) {
        work(b, c);
        arena_reset(b->arena);
    }
}

static void run(struct bench *b, struct bench_case *c, int64_t milliseconds)
{
    uint64_t operations = 0;
    int64_t before_ns = cpu_ns(), used_ns = 0;
    do {
        repeat(b, c, 8);
        operations += 8;
        used_ns = cpu_ns() - before_ns;
    } while (used_ns < milliseconds * 1'000'000);
    printf("{\"operations\": %llu, \"bytes\": %zu, \"cpu_ns\": %lld}\n",
           (unsigned long long)operations, c->bytes, (long long)used_ns);
    (void)fflush(stdout);
}

static void serve(struct bench *b)
{
    char line[256];
    struct bench_case c = { 0 };
    while (fgets(line, sizeof line, stdin)) {
        struct str name, rest;
        int64_t milliseconds = 0;
        if (!str_cut(str_trim(str_of_c(line)), ' ', &name, &rest) ||
            !str_to_i64(rest, &milliseconds))
            die("no `CASE MILLISECONDS`", str_of_c(line));
        if (!str_eq(c.name, name)) {
            clear_case(&c);
            c = make_case(b, name);
        }
        run(b, &c, milliseconds);
    }
    clear_case(&c);
}

static struct str read_file(struct arena *a, const char *path)
{
    struct buf text;
    char chunk[1 << 13];
    size_t len = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open", str_of_c(path));
    buf_init(&text, 0);
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_put(&text, chunk, len);
    (void)fclose(file);
    struct str copy = arena_copy(a, buf_str(&text));
    buf_clear(&text);
    return copy;
}

int main(int argc, char **argv)
{
    struct err e;
    struct bench b = { .inputs_arena = arena_create(SIZE_MAX), .arena = arena_create(SIZE_MAX) };
    uint64_t times = 0;
    if (argc != 2 && (argc != 4 || !str_to_u64(str_of_c(argv[3]), &times))) {
        fputs("usage: gql_bench INPUTS [CASE TIMES]\n", stderr);
        return 2;
    }
    buf_init(&b.out, 0);
    if (!json_parse(b.inputs_arena, read_file(b.inputs_arena, argv[1]), &b.inputs, &e))
        die("inputs", str_of_c(e.message));
    members = json_get_c(b.inputs, "members");
    if (argc == 2) {
        serve(&b);
    } else {
        struct bench_case c = make_case(&b, str_of_c(argv[2]));
        repeat(&b, &c, times);
        if (str_eq_c(c.work, "execute"))
            printf("%.*s\n", STR_FMT(buf_str(&b.out)));
        clear_case(&c);
    }
    buf_clear(&b.out);
    arena_destroy(b.arena);
    arena_destroy(b.inputs_arena);
    return 0;
}
