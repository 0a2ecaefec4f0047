/* One field for all its parents: arguments, access, the resolver, and what its results become. */
#include "gql/deliver_priv.h"
#include "gql/diag_priv.h"
#include "gql/execute_priv.h"

/* ── errors ── */

const struct gql_error *plain_error(struct arena *arena, const char *code, struct str message)
{
    struct gql_error *e = arena_new(arena, struct gql_error);
    e->code = code;
    e->message = message;
    return e;
}

static struct gql_value error_value(const struct gql_error *e)
{
    return (struct gql_value){ .kind = GQL_ERROR, .error = e };
}

struct gql_value gql_fail(struct arena *arena, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str message = arena_vprintf(arena, fmt, args);
    va_end(args);
    return error_value(plain_error(arena, code, message));
}

static void fail_all(struct step *s, const struct gql_error *e)
{
    for (size_t i = 0; i < s->pub.count; i++)
        s->pub.results[i] = error_value(e);
}

/* ── access: before anything of the host runs ── */

static const struct gql_error *ask_host(struct gql_operation *op, const struct gql_access *access)
{
    const struct gql_host *host = &op->engine->host;
    const struct gql_denial *denial =
        host->authorize ? host->authorize(op->request.ctx, access) : NULL;
    return denial ? plain_error(op->arena, denial->code, str_of_c(denial->message)) : NULL;
}

static const struct gql_error *check_input(struct gql_operation *op, struct gql_access *access,
                                           const struct gql_value *v)
{
    const struct gql_error *e = NULL;
    for (uint32_t i = 0; v->kind == GQL_LIST && i < v->count && !e; i++)
        e = check_input(op, access, &v->items[i]);
    if (v->kind != GQL_INPUT || !v->input_type->has_access)
        return e;
    for (uint32_t i = 0; i < v->count && !e; i++) {
        const struct input_def *d = &v->input_type->inputs[i];
        if (v->fields[i].kind == GQL_ABSENT)
            continue;
        access->role = d->access;
        access->input_field = d->name;
        e = d->access.ptr ? ask_host(op, access) : NULL;
        e = e ? e : check_input(op, access, &v->fields[i]);
    }
    return e;
}

const struct gql_error *access_check(struct gql_operation *op, const struct gql_field_plan *f,
                                     const struct gql_value *args, void *parent)
{
    struct gql_access access = {
        .role = f->def->access, .field = &f->field, .args = args, .parent = parent
    };
    const struct gql_error *e = f->def->access.ptr ? ask_host(op, &access) : NULL;
    for (uint32_t i = 0; !e && f->def->args_have_access && args && i < f->def->arg_count; i++)
        e = check_input(op, &access, &args[i]);
    return e;
}

/* ── arguments: section 6.4.1 ── */

static bool quick_arg(const struct gql_operation *op, const struct input_def *def,
                      const struct plan_arg *arg, struct gql_value *ret)
{
    *ret = arg->value;
    if (arg->mode == ARG_CONST)
        return true;
    if (arg->mode == ARG_DYNAMIC)
        return false;
    const struct gql_value *v = &op->variables[arg->variable];
    if (v->kind == GQL_ABSENT)
        return def->default_ast || def->type->wrap != WRAP_NON_NULL;
    *ret = *v;
    return v->kind != GQL_NULL || def->type->wrap != WRAP_NON_NULL;
}

/* NULL with the first error where they cannot be coerced. */
static const struct gql_value *coerce_args(struct gql_operation *op, const struct gql_field_plan *f,
                                           const struct gql_error **ret_error)
{
    const struct field_def *def = f->def;
    bool ok = true;
    if (f->const_args)
        return f->const_args;
    struct gql_value *values = arena_new_array(op->arena, def->arg_count, struct gql_value);
    for (uint32_t i = 0; i < def->arg_count; i++)
        ok &= quick_arg(op, &def->args[i], &f->args[i], &values[i]);
    if (ok)
        return values;
    struct gql_errors errors = errors_in(op->arena);
    errors.no_values = op->request.no_values;
    if (coerce_arguments(op->arena, def->args, def->arg_count, f->nodes[0]->args, f->nodes[0]->at,
                         op->variables, op->plan->text, &errors, values))
        return values;
    *ret_error = errors.first;
    return NULL;
}

const struct gql_value *gql_arg(const struct gql_step *step, const char *name)
{
    static const struct gql_value absent = { .kind = GQL_ABSENT };
    const struct field_def *def = step->field->plan->def;
    for (uint32_t i = 0; i < def->arg_count; i++)
        if (str_eq_c(def->args[i].name, name))
            return &step->args[i];
    return &absent;
}

/* ── objects ── */

const struct plan_set *object_set(struct gql_operation *op, const struct gql_field_plan *f,
                                  const struct gql_value *v, const struct gql_error **ret_error)
{
    const struct gql_type *t = f->field.type;
    const struct gql_type *object = v->object_type;
    if (!object && t->kind == TYPE_OBJECT)
        object = t;
    if (!object && t->resolve_type)
        object = t->resolve_type(t, op->request.ctx, v->object);
    if (!object) {
        *ret_error = plain_error(
            op->arena, GQL_CODE_INTERNAL,
            arena_printf(op->arena,
                         "Abstract type \"%.*s\" must resolve to an Object type at runtime for "
                         "field \"%.*s.%.*s\".",
                         STR_FMT(t->name), STR_FMT(f->field.parent_type->name),
                         STR_FMT(f->field.name)));
        return NULL;
    }
    const struct gql_selection *sel = f->field.selection;
    for (uint32_t i = 0; i < sel->count; i++)
        if (sel->sets[i]->type == object)
            return container_of(sel->sets[i], struct plan_set, set);
    *ret_error = plain_error(op->arena, GQL_CODE_INTERNAL,
                             arena_printf(op->arena,
                                          "Runtime Object type \"%.*s\" is not a possible type for "
                                          "\"%.*s\".",
                                          STR_FMT(object->name), STR_FMT(t->name)));
    return NULL;
}

/* Collects the nodes that a field's results make, to be cut into batches by their sets. */
struct harvest {
    struct gql_operation *op;
    const struct gql_field_plan *f;
    struct job *job;
    struct node **nodes;
    size_t count, capacity;
};

static void harvest(struct harvest *h, struct node *n)
{
    if (h->count == h->capacity) {
        size_t capacity = max_of(h->capacity * 2, (size_t)16);
        struct node **wider = arena_new_array(h->op->arena, capacity, struct node *);
        if (h->count)
            memcpy(wider, h->nodes, h->count * sizeof(struct node *));
        h->nodes = wider;
        h->capacity = capacity;
    }
    h->nodes[h->count++] = n;
}

static void init_node(struct harvest *h, struct node *n, const struct plan_set *set, void *source)
{
    n->source = source;
    n->set = set;
    if (!set->slot_count)
        return; /* all of it is leaves: the writer asks for them */
    n->slots = arena_new_array(h->op->arena, set->slot_count, struct slot);
    harvest(h, n);
}

static void slot_fill(struct harvest *h, const struct gql_value *v, struct slot *slot);

static void take_objects(struct harvest *h, const struct gql_value *v, struct slot *slot)
{
    const struct gql_type *t = h->f->field.type;
    if (t->kind != TYPE_OBJECT) { /* each may be of another type, or of none */
        struct slot *items = arena_new_array(h->op->arena, v->count, struct slot);
        for (uint32_t i = 0; i < v->count; i++) {
            struct gql_value one = gql_object(v->objects[i]);
            slot_fill(h, &one, &items[i]);
        }
        *slot = (struct slot){ .kind = SLOT_LIST, .count = v->count, .items = items };
        return;
    }
    const struct plan_set *set = container_of(h->f->field.selection->sets[0], struct plan_set, set);
    struct node *nodes = arena_new_array(h->op->arena, v->count, struct node);
    for (uint32_t i = 0; i < v->count; i++)
        if (v->objects[i])
            init_node(h, &nodes[i], set, v->objects[i]);
    *slot = (struct slot){ .kind = SLOT_NODES, .count = v->count, .nodes = nodes };
}

static void slot_fill(struct harvest *h, const struct gql_value *v, struct slot *slot)
{
    const struct gql_error *error = NULL;
    *slot = (struct slot){ .kind = SLOT_VALUE, .value = *v };
    if (!h->f->field.selection || arena_over_budget(h->op->arena))
        return;
    if (v->kind == GQL_OBJECTS) {
        take_objects(h, v, slot);
    } else if (v->kind == GQL_LIST) {
        struct slot *items = arena_new_array(h->op->arena, v->count, struct slot);
        for (uint32_t i = 0; i < v->count; i++)
            slot_fill(h, &v->items[i], &items[i]);
        *slot = (struct slot){ .kind = SLOT_LIST, .count = v->count, .items = items };
    } else if (v->kind == GQL_OBJECT) {
        const struct plan_set *set = object_set(h->op, h->f, v, &error);
        if (!set) {
            slot->value = error_value(error);
            return;
        }
        struct node *n = arena_new(h->op->arena, struct node);
        init_node(h, n, set, v->object);
        *slot = (struct slot){ .kind = SLOT_NODE, .nodes = n };
    }
}

/* One batch for each set, in the order of their first objects. */
static void queue_batches(struct harvest *h)
{
    size_t left = h->count;
    while (left) {
        const struct plan_set *set = h->nodes[0]->set;
        size_t others = 0;
        struct batch *b = arena_new(h->op->arena, struct batch);
        *b = (struct batch){ .set = set, .only = UINT32_MAX, .job = h->job };
        b->nodes = arena_new_array(h->op->arena, left, struct node *);
        b->sources = arena_new_array(h->op->arena, left, void *);
        for (size_t i = 0; i < left; i++) {
            if (h->nodes[i]->set != set) {
                h->nodes[others++] = h->nodes[i];
                continue;
            }
            b->nodes[b->count] = h->nodes[i];
            b->sources[b->count++] = h->nodes[i]->source;
        }
        left = others;
        operation_queue(h->op, b);
    }
}

/* How many items of a list with @stream come at once; an error where that cannot be. */
static int64_t head_count(struct gql_operation *op, const struct plan_stream *stream,
                          const struct gql_error **ret_error)
{
    int64_t count = stream->initial_count;
    const struct gql_value *v =
        stream->variable == UINT32_MAX ? NULL : &op->variables[stream->variable];
    if (v && v->kind == GQL_NULL)
        *ret_error = plain_error(op->arena, GQL_CODE_INPUT,
                                 STR("Argument \"initialCount\" of non-null type \"Int!\" must not "
                                     "be null."));
    else if (v)
        count = v->kind == GQL_INT ? v->integer : 0;
    if (count < 0)
        *ret_error =
            plain_error(op->arena, GQL_CODE_INPUT, STR("initialCount must be a positive integer"));
    return count;
}

/* Cuts a list with @stream: the rest of it, which may be empty, is kept for later. */
static void slot_fill_cut(struct harvest *h, const struct gql_value *v, struct slot *slot)
{
    const struct gql_error *error = NULL;
    bool is_list = v->kind == GQL_LIST || v->kind == GQL_OBJECTS;
    int64_t count = is_list ? head_count(h->op, h->f->stream, &error) : 0;
    if (error) {
        *slot = (struct slot){ .kind = SLOT_VALUE, .value = error_value(error) };
        return;
    }
    if (!is_list || v->count < count) {
        slot_fill(h, v, slot);
        return;
    }
    struct gql_value head = *v;
    struct cut_list *cut = arena_new(h->op->arena, struct cut_list);
    cut->head_count = head.count = (uint32_t)count;
    cut->rest = *v;
    cut->rest.count -= head.count;
    if (v->kind == GQL_LIST)
        cut->rest.items += head.count;
    else
        cut->rest.objects += head.count;
    slot_fill(h, &head, &cut->head);
    *slot = (struct slot){ .kind = SLOT_STREAM, .cut = cut };
}

void stream_start(struct gql_operation *op, const struct gql_field_plan *f, struct job *job,
                  const struct gql_value *const *rests, struct slot *const *slots, size_t count)
{
    struct harvest h = { .op = op, .f = f, .job = job };
    for (size_t i = 0; i < count; i++)
        slot_fill(&h, rests[i], slots[i]);
    queue_batches(&h);
}

/* Turns a step's results into slots and queues what is below them. */
static void step_complete(struct step *s)
{
    struct harvest h = { .op = s->op, .f = s->plan, .job = s->job };
    if (s->plan->stream) {
        for (size_t i = 0; i < s->pub.count; i++)
            slot_fill_cut(&h, &s->pub.results[i], &s->nodes[i]->slots[s->plan->slot]);
    } else {
        for (size_t i = 0; i < s->pub.count; i++)
            slot_fill(&h, &s->pub.results[i], &s->nodes[i]->slots[s->plan->slot]);
    }
    queue_batches(&h);
}

/* ── starting ── */

/* Leaves out the parents that access denies, and answers for them. */
static void admit(struct step *s, const struct batch *b)
{
    void **parents = arena_new_array(s->op->arena, b->count, void *);
    struct node **nodes = arena_new_array(s->op->arena, b->count, struct node *);
    size_t admitted = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct gql_error *denied = access_check(s->op, s->plan, s->pub.args, b->sources[i]);
        if (denied) {
            struct slot *slot = &b->nodes[i]->slots[s->plan->slot];
            *slot = (struct slot){ .kind = SLOT_VALUE, .value = error_value(denied) };
            s->pub.results[0] = slot->value; /* all that is left of a source that is denied */
            continue;
        }
        nodes[admitted] = b->nodes[i];
        parents[admitted++] = b->sources[i];
    }
    s->pub.results[0] = admitted ? gql_null() : s->pub.results[0];
    s->nodes = nodes;
    s->pub.parents = parents;
    s->pub.count = admitted;
}

static enum gql_next run_get_step(struct gql_step *step)
{
    struct step *s = container_of(step, struct step, pub);
    gql_get_fn *get = s->plan->def->binding.get;
    for (size_t i = 0; i < step->count; i++)
        get(step->field, step->ctx, step->parents[i], &step->results[i]);
    return GQL_DONE;
}

static void start(struct gql_operation *op, const struct batch *b, const struct gql_field_plan *f,
                  gql_resolve_fn *resolve, void (*complete)(struct step *s))
{
    struct step *s = arena_new(op->arena, struct step);
    const struct gql_error *error = NULL;
    *s = (struct step){
        .op = op, .plan = f, .nodes = b->nodes, .job = b->job, .complete = complete
    };
    list_init(&s->waiting);
    s->pub = (struct gql_step){ .field = &f->field,
                                .count = b->count,
                                .parents = b->sources,
                                .arena = op->arena,
                                .ctx = op->request.ctx };
    s->pub.args = coerce_args(op, f, &error);
    s->pub.results = arena_new_array(op->arena, b->count, struct gql_value);
    if (!error && (f->def->access.ptr || f->def->args_have_access))
        admit(s, b);
    enum gql_next next = GQL_DONE;
    if (error)
        fail_all(s, error);
    else if (s->pub.count)
        next = resolve(&s->pub);
    if (next == GQL_DONE || s->state == STEP_FINISHED) {
        s->state = STEP_FINISHED;
        s->complete(s);
        return;
    }
    s->state = STEP_WAITING;
    list_push(&op->waiting, &s->waiting);
    op->waiting_count++;
    if (s->job)
        s->job->waiting_count++;
}

void step_start(struct gql_operation *op, const struct batch *b, const struct gql_field_plan *f)
{
    start(op, b, f, f->source == SOURCE_GET ? run_get_step : f->def->binding.resolve,
          step_complete);
}

void source_start(struct gql_operation *op, const struct batch *b, const struct gql_field_plan *f,
                  void (*complete)(struct step *s))
{
    start(op, b, f, f->def->binding.subscribe, complete);
}

/* ── coming back ── */

void gql_step_finish(struct gql_step *step)
{
    struct step *s = container_of(step, struct step, pub);
    struct gql_operation *op = s->op;
    assert(s->state != STEP_FINISHED);
    bool was_waiting = s->state == STEP_WAITING;
    s->state = STEP_FINISHED;
    if (!was_waiting)
        return; /* still inside its resolver, which is about to say WAIT */
    list_remove(&s->waiting);
    op->waiting_count--;
    if (s->job)
        s->job->waiting_count--;
    if (op->is_source) {
        s->complete(s); /* whoever is told may end it, and free its arena */
        return;
    }
    if (op->state != OPERATION_ANSWERED && !op->is_cancelled)
        s->complete(s);
    operation_run(op);
}

bool gql_step_is_allowed(struct gql_step *step)
{
    struct step *s = container_of(step, struct step, pub);
    const struct gql_error *denied = NULL;
    for (size_t i = 0; i < step->count && !denied; i++)
        denied = access_check(s->op, s->plan, step->args, step->parents[i]);
    if (!denied)
        return true;
    fail_all(s, denied);
    if (s->state == STEP_WAITING)
        gql_step_finish(step);
    return false;
}

enum gql_next gql_step_fail(struct gql_step *step, const struct err *e)
{
    struct step *s = container_of(step, struct step, pub);
    struct gql_operation *op = s->op;
    struct gql_error *error = arena_new(op->arena, struct gql_error);
    *error = (struct gql_error){ .code = GQL_CODE_INTERNAL,
                                 .message = arena_copy(op->arena, str_of_c(e->message)) };
    if (op->engine->host.map_err)
        op->engine->host.map_err(op->request.ctx, e, error);
    fail_all(s, error);
    if (s->state == STEP_WAITING)
        gql_step_finish(step);
    return GQL_DONE;
}
