/*
 * gql: the GraphQL engine by a line protocol: a JSON request a line on standard input, a JSON reply
 * a line on standard output, in order. For conformance suites and for looking at documents by hand.
 * Requests: {"op": "parse" | "print" | "parseSchema" | "printSchema" | "validate" | "introspect" |
 * "coerce" | "execute" | "subscribe", "document", "sdl", "variables", "operationName", "root",
 * "events"}. A data tree gives the values: a field's is the property of its name in its parent;
 * {"$error": "text"} raises an error, {"$args": true} gives the field's arguments as JSON text.
 */
#include "cmd/cmd.h"

#include <unistd.h>

#include "gql/tool.h"
#include "json/writer.h"

enum { LINE_BYTES_MAX = 64 << 20, READ_BYTES = 64 << 10, CACHE_BYTES = 1 << 20 };

struct session {
    struct arena *arena; /* of one request */
    const struct json_value *request;
    struct gql_errors errors;
    struct buf reply;
    struct gql_schema *schema; /* of the SDL below */
    struct gql_engine *engine;
    struct arena *schema_arena;
    struct str sdl;
};

static struct str text_of(const struct json_value *object, struct str key)
{
    const struct json_value *v = json_get(object, key);
    return v && v->type == JSON_STRING ? v->text : STR("");
}

/* ── values of the data tree ── */

static struct str raw_text(struct arena *arena, const struct json_value *v)
{
    struct buf text;
    buf_init(&text, 0);
    json_put_value(&text, v);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static struct gql_value no_type(struct gql_step *step, const struct json_value *v,
                                const struct json_value *name)
{
    const struct gql_field *f = step->field;
    struct str abstract = gql_type_name(f->type);
    struct str where = arena_printf(step->arena, "for field \"%.*s.%.*s\"",
                                    STR_FMT(gql_type_name(f->parent_type)), STR_FMT(f->name));
    if (!name)
        return gql_fail(step->arena, NULL,
                        "Abstract type \"%.*s\" must resolve to an Object type at runtime %.*s. "
                        "Either the \"%.*s\" type should provide a \"resolveType\" function or "
                        "each possible type should provide an \"isTypeOf\" function.",
                        STR_FMT(abstract), STR_FMT(where), STR_FMT(abstract));
    struct str value = gql_inspect(step->arena, v);
    struct str received = gql_inspect(step->arena, name);
    return gql_fail(step->arena, NULL,
                    "Abstract type \"%.*s\" must resolve to an Object type at runtime %.*s with "
                    "value %.*s, received \"%.*s\".",
                    STR_FMT(abstract), STR_FMT(where), STR_FMT(value), STR_FMT(received));
}

static struct gql_value abstract_value(struct gql_step *step, const struct json_value *v)
{
    const struct gql_schema *schema = step->ctx;
    struct str abstract = gql_type_name(step->field->type);
    struct gql_value object = gql_object((void *)(uintptr_t)v);
    const struct json_value *name = json_get_c(v, "__typename");
    if (name && name->type == JSON_NULL)
        name = NULL;
    if (!name || name->type != JSON_STRING)
        return no_type(step, v, name);
    object.object_type = gql_schema_type(schema, name->text);
    if (!object.object_type)
        return gql_fail(
            step->arena, NULL,
            "Abstract type \"%.*s\" was resolved to a type \"%.*s\" that does not exist "
            "inside the schema.",
            STR_FMT(abstract), STR_FMT(name->text));
    if (!gql_type_is_object(object.object_type))
        return gql_fail(step->arena, NULL,
                        "Abstract type \"%.*s\" was resolved to a non-object type \"%.*s\".",
                        STR_FMT(abstract), STR_FMT(name->text));
    return object;
}

static struct gql_value number_value(const struct json_value *v)
{
    int64_t integer = 0;
    double number = 0;
    if (json_to_i64(v, &integer))
        return gql_int(integer);
    return json_to_double(v, &number) ? gql_float(number) : gql_raw(v->text);
}

/* What every place may hold instead of a value; false: an ordinary one. */
static bool take_marker(struct gql_step *step, const struct json_value *v, struct gql_value *ret)
{
    const struct json_value *error = json_get_c(v, "$error");
    if (error && error->type == JSON_STRING) {
        *ret = gql_fail(step->arena, NULL, "%.*s", STR_FMT(error->text));
        return true;
    }
    if (!json_get_c(v, "$args"))
        return false;
    struct buf text;
    buf_init(&text, 0);
    gql_args_put(&text, step);
    *ret = gql_text(arena_copy(step->arena, buf_str(&text)));
    buf_clear(&text);
    return true;
}

static struct gql_value leaf_value(struct gql_step *step, const struct json_value *v)
{
    if (v->type == JSON_BOOL)
        return gql_bool(v->boolean);
    if (v->type == JSON_NUMBER)
        return number_value(v);
    if (v->type == JSON_STRING)
        return gql_text(v->text);
    return gql_raw(raw_text(step->arena, v));
}

static struct gql_value value_of(struct gql_step *step, const struct json_value *v, uint32_t depth)
{
    const struct gql_type *t = step->field->type;
    struct gql_value marker;
    if (v->type == JSON_NULL)
        return gql_null();
    if (take_marker(step, v, &marker))
        return marker;
    if (depth > 0 && v->type == JSON_ARRAY) {
        struct gql_value *items = arena_new_array(step->arena, v->item_count, struct gql_value);
        for (size_t i = 0; i < v->item_count; i++)
            items[i] = value_of(step, &v->items[i], depth - 1);
        return gql_list(items, v->item_count);
    }
    if (depth == 0 && gql_type_is_abstract(t))
        return abstract_value(step, v);
    if (gql_type_is_abstract(t) || gql_type_is_object(t))
        return depth ? gql_bool(true) : gql_object((void *)(uintptr_t)v); /* no list: refused */
    return leaf_value(step, v);
}

static enum gql_next resolve_property(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct json_value *parent = step->parents[i];
        const struct json_value *v = parent ? json_get(parent, step->field->name) : NULL;
        if (v)
            step->results[i] = value_of(step, v, step->field->list_depth);
    }
    return GQL_DONE;
}

/* Any pointer will do: events come with the request. */
static enum gql_next subscribe_to_events(struct gql_step *step)
{
    step->results[0] = gql_object(step);
    return GQL_DONE;
}

/* ── replies ── */

static void reply_errors(struct session *s)
{
    buf_put_c(&s->reply, "{\"ok\":false,\"errors\":");
    gql_errors_put(&s->reply, &s->errors);
    buf_put_char(&s->reply, '}');
}

static void reply_text(struct session *s, const struct buf *text)
{
    buf_put_c(&s->reply, "{\"ok\":true,\"text\":");
    json_put_string(&s->reply, buf_str(text));
    buf_put_char(&s->reply, '}');
}

static void drop_schema(struct session *s)
{
    gql_engine_destroy(s->engine);
    gql_schema_destroy(s->schema);
    arena_destroy(s->schema_arena);
    s->engine = NULL;
    s->schema = NULL;
    s->schema_arena = NULL;
}

/* The schema of the request's SDL, kept while requests name the same. */
static bool load_schema(struct session *s)
{
    static const struct gql_schema_options options = { .roots_may_fall_back = true };
    static const struct gql_binding fallback = { .resolve = resolve_property,
                                                 .subscribe = subscribe_to_events };
    static const struct gql_host host = { 0 };
    static const struct gql_limits limits = { .nesting_max = 1000, .errors_max = 100 };
    struct str sdl = text_of(s->request, STR("sdl"));
    struct err e;
    if (s->schema && str_eq(s->sdl, sdl))
        return true;
    drop_schema(s);
    struct gql_schema *schema = gql_schema_create(sdl, &options, &s->errors);
    if (!schema)
        return false;
    s->schema = schema;
    s->schema_arena = arena_create(SIZE_MAX);
    s->sdl = arena_copy(s->schema_arena, sdl);
    if (!gql_schema_seal(schema, &fallback, &e))
        return cmd_fail(CMD_FAILURE, &e) == CMD_OK;
    s->engine = gql_engine_create(schema, &host, &limits, CACHE_BYTES);
    return true;
}

/* ── requests ── */

static void run_parse(struct session *s)
{
    if (gql_document_parse(text_of(s->request, STR("document")), &s->errors))
        buf_put_c(&s->reply, "{\"ok\":true}");
    else
        reply_errors(s);
}

static void run_print(struct session *s)
{
    struct buf text;
    buf_init(&text, 0);
    if (gql_document_print(text_of(s->request, STR("document")), &text, &s->errors))
        reply_text(s, &text);
    else
        reply_errors(s);
    buf_clear(&text);
}

static void run_parse_schema(struct session *s)
{
    if (load_schema(s))
        buf_put_c(&s->reply, "{\"ok\":true}");
    else
        reply_errors(s);
}

static void run_print_schema(struct session *s)
{
    static const struct gql_schema_options options = { .is_unchecked = true };
    scoped(gql_schema_destroyp) struct gql_schema *schema =
        gql_schema_create(text_of(s->request, STR("sdl")), &options, &s->errors);
    struct buf text;
    if (!schema) {
        reply_errors(s);
        return;
    }
    buf_init(&text, 0);
    gql_schema_print(schema, &text);
    reply_text(s, &text);
    buf_clear(&text);
}

static void run_validate(struct session *s)
{
    if (!load_schema(s) ||
        !gql_document_validate(s->schema, text_of(s->request, STR("document")), &s->errors)) {
        reply_errors(s);
        return;
    }
    buf_put_c(&s->reply, "{\"ok\":true,\"errors\":");
    gql_errors_put(&s->reply, &s->errors);
    buf_put_char(&s->reply, '}');
}

static void run_coerce(struct session *s)
{
    struct buf text;
    buf_init(&text, 0);
    if (load_schema(s) &&
        gql_variables_coerce(s->schema, text_of(s->request, STR("document")),
                             text_of(s->request, STR("operationName")),
                             json_get_c(s->request, "variables"), &text, &s->errors)) {
        buf_put_c(&s->reply, "{\"ok\":true,\"variables\":");
        buf_put_str(&s->reply, buf_str(&text));
        buf_put_char(&s->reply, '}');
    } else {
        reply_errors(s);
    }
    buf_clear(&text);
}

/* The response is in the buffer, which is all that a line needs; what ran is told to `owner`. */
static void answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    enum gql_operation_type *type = owner;
    (void)op;
    *type = outcome->type;
}

static struct gql_request request_of(struct session *s)
{
    return (struct gql_request){ .document = text_of(s->request, STR("document")),
                                 .operation_name = text_of(s->request, STR("operationName")),
                                 .variables = json_get_c(s->request, "variables"),
                                 .ctx = s->schema };
}

struct started {
    void *stream;
};

static void on_started(struct gql_operation *op, void *stream, const struct gql_outcome *outcome,
                       void *owner)
{
    struct started *started = owner;
    (void)op;
    (void)outcome;
    started->stream = stream;
}

/* The responses to events, or the one that tells why there are none. */
static void put_events(struct session *s, const struct gql_request *request,
                       const struct json_value *events, size_t count)
{
    enum gql_operation_type ignored;
    const struct gql_end end = { .answered = answered, .owner = &ignored };
    struct started started = { 0 };
    const struct gql_subscriber subscriber = { .started = on_started, .owner = &started };
    struct gql_operation *op = gql_subscribe(s->engine, s->arena, request, &s->reply, &subscriber);
    for (size_t i = 0; started.stream && i < count; i++) {
        if (i)
            buf_put_char(&s->reply, ',');
        gql_event(op, s->arena, (void *)(uintptr_t)&events[i], &s->reply, &end);
    }
    gql_subscription_close(op);
}

/* The one response of an operation; every resolver here answers at once. The reference executes a
 * subscription, too: for the one event that is the root. */
static void put_execution(struct session *s)
{
    static const struct json_value nothing = { .type = JSON_NULL };
    enum gql_operation_type type = GQL_QUERY;
    const struct gql_end end = { .answered = answered, .owner = &type };
    struct gql_request request = request_of(s);
    const struct json_value *root = json_get_c(s->request, "root");
    size_t start = s->reply.len;
    request.root = (void *)(uintptr_t)root;
    gql_execute(s->engine, s->arena, &request, &s->reply, &end);
    if (type != GQL_SUBSCRIPTION)
        return;
    s->reply.len = start;
    put_events(s, &request, root ? root : &nothing, 1);
}

static void run_introspect(struct session *s)
{
    if (!load_schema(s)) {
        reply_errors(s);
        return;
    }
    size_t start = s->reply.len;
    put_execution(s);
    /* {"data":…} becomes {"ok":true,"data":…}; a request that is wrong has no data. */
    struct str response = arena_copy(s->arena, str_from(buf_str(&s->reply), start + 1));
    bool ok = str_starts_with(response, STR("\"data\""));
    s->reply.len = start;
    buf_put_c(&s->reply, ok ? "{\"ok\":true," : "{\"ok\":false,");
    buf_put_str(&s->reply, response);
}

static void run_execute(struct session *s)
{
    if (!load_schema(s)) {
        reply_errors(s);
        return;
    }
    buf_put_c(&s->reply, "{\"ok\":true,\"result\":");
    put_execution(s);
    buf_put_char(&s->reply, '}');
}

static void run_subscribe(struct session *s)
{
    const struct json_value *events = json_get_c(s->request, "events");
    if (!load_schema(s)) {
        reply_errors(s);
        return;
    }
    struct gql_request request = request_of(s);
    buf_put_c(&s->reply, "{\"ok\":true,\"results\":[");
    put_events(s, &request, events ? events->items : NULL, events ? events->item_count : 0);
    buf_put_c(&s->reply, "]}");
}

/* ── lines ── */

static void answer(struct session *s, struct str line)
{
    static const struct {
        const char *name;
        void (*run)(struct session *s);
    } ops[] = {
        { "parse", run_parse },
        { "print", run_print },
        { "parseSchema", run_parse_schema },
        { "printSchema", run_print_schema },
        { "validate", run_validate },
        { "coerce", run_coerce },
        { "introspect", run_introspect },
        { "execute", run_execute },
        { "subscribe", run_subscribe },
    };
    struct err e;
    s->errors = (struct gql_errors){ .arena = s->arena };
    if (json_parse(s->arena, line, &s->request, &e)) {
        struct str op = text_of(s->request, STR("op"));
        for (size_t i = 0; i < countof(ops); i++)
            if (str_eq_c(op, ops[i].name)) {
                ops[i].run(s);
                return;
            }
        (void)err_set(&e, ERR_INVALID, "unknown op");
    }
    buf_put_c(&s->reply, "{\"ok\":false,\"errors\":[{\"message\":");
    json_put_string(&s->reply, str_of_c(e.message));
    buf_put_c(&s->reply, "}]}");
}

/* The next line without its end; false at the end of the input. */
static bool read_line(struct buf *input, size_t *consumed, struct str *ret_line)
{
    buf_consume(input, *consumed);
    *consumed = 0;
    for (size_t searched = 0;;) {
        ptrdiff_t at = str_find_char(str_from(buf_str(input), searched), '\n');
        if (at >= 0) {
            *ret_line = str_first(buf_str(input), searched + (size_t)at);
            *consumed = searched + (size_t)at + 1;
            return true;
        }
        searched = input->len;
        char *room = buf_reserve(input, READ_BYTES);
        ssize_t got = room ? read(STDIN_FILENO, room, READ_BYTES) : 0;
        if (got <= 0)
            return false;
        buf_advance(input, (size_t)got);
    }
}

int cmd_gql(const struct conf *conf)
{
    struct session s = { .arena = arena_create(SIZE_MAX) };
    struct buf input;
    struct str line;
    int exit_code = CMD_OK;
    (void)conf;
    buf_init(&s.reply, 0);
    buf_init(&input, LINE_BYTES_MAX);
    for (size_t consumed = 0; exit_code == CMD_OK && read_line(&input, &consumed, &line);) {
        arena_reset(s.arena);
        buf_reset(&s.reply);
        answer(&s, str_trim(line));
        buf_put_char(&s.reply, '\n');
        exit_code = cmd_print(&s.reply);
    }
    buf_clear(&input);
    buf_clear(&s.reply);
    drop_schema(&s);
    arena_destroy(s.arena);
    return exit_code;
}
