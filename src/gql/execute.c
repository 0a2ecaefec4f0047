#include "gql/execute_priv.h"

#include "base/mem.h"
#include "gql/deliver_priv.h"
#include "gql/diag_priv.h"

/* ── engine ── */

struct gql_engine *gql_engine_create(const struct gql_schema *schema, const struct gql_host *host,
                                     const struct gql_limits *limits, size_t cache_bytes)
{
    assert(schema->is_sealed);
    struct gql_engine *engine = mem_new(struct gql_engine);
    *engine = (struct gql_engine){
        .schema = schema, .host = *host, .limits = *limits, .cache = plan_cache_create(cache_bytes)
    };
    return engine;
}

void gql_engine_destroy(struct gql_engine *engine)
{
    if (!engine)
        return;
    plan_cache_destroy(engine->cache);
    mem_free(engine);
}

struct gql_counters gql_engine_counters(const struct gql_engine *engine)
{
    struct gql_counters c = engine->counters;
    c.plan_count = plan_cache_count(engine->cache);
    c.plan_bytes = plan_cache_bytes(engine->cache);
    c.plan_evictions = plan_cache_evictions(engine->cache);
    return c;
}

/* ── the end ── */

static struct gql_outcome outcome_of(const struct gql_operation *op, bool is_request_error)
{
    return (struct gql_outcome){ .type = op->type,
                                 .is_request_error = is_request_error,
                                 .is_cancelled = op->is_cancelled,
                                 .has_next = op->state == OPERATION_DELIVERING,
                                 .code = op->errors.first ? op->errors.first->code : NULL,
                                 .error_count = op->errors.count };
}

/* The host may free everything in `ended`: nothing of the operation is touched after it. */
static void end(struct gql_operation *op)
{
    struct gql_end e = op->end;
    if (op->plan)
        plan_unref(op->plan);
    op->plan = NULL;
    if (e.ended)
        e.ended(e.owner);
}

static void answer(struct gql_operation *op, bool is_request_error, bool has_next)
{
    op->state = has_next ? OPERATION_DELIVERING : OPERATION_ANSWERED;
    struct gql_outcome outcome = outcome_of(op, is_request_error);
    op->end.answered(op, &outcome, op->end.owner);
}

static void answer_request_error(struct gql_operation *op)
{
    buf_put_char(op->out, '{');
    respond_errors(op->out, &op->errors);
    buf_put_char(op->out, '}');
    answer(op, true, false);
}

const struct gql_error *refusal(struct arena *arena, const char *limit, size_t value,
                                const char *what)
{
    struct gql_errors errors = errors_in(arena);
    struct gql_error *e =
        error_addf(&errors, GQL_CODE_COMPLEX,
                   "Query is too complex: its answer needs %zu %s or more.", value, what);
    e->extensions_json = arena_printf(arena, "\"limit\":\"%s\",\"value\":%zu", limit, value);
    return e;
}

/* What was written is dropped for one error that says why. */
static void answer_refusal(struct gql_operation *op, const char *limit, size_t value,
                           const char *what)
{
    const struct gql_error *why = refusal(op->arena, limit, value, what);
    op->errors = errors_in(op->arena);
    error_add(&op->errors, why->code, why->message)->extensions_json = why->extensions_json;
    op->out->len = op->out_start;
    op->out->failed = false;
    buf_put_c(op->out, "{\"data\":null,");
    respond_errors(op->out, &op->errors);
    buf_put_char(op->out, '}');
}

static void answer_data(struct gql_operation *op)
{
    const struct gql_limits *limits = &op->engine->limits;
    bool ok = true;
    if (arena_over_budget(op->arena)) {
        answer_refusal(op, "memory", arena_used(op->arena), "bytes of memory");
        answer(op, false, false);
        return;
    }
    if (op->type == GQL_MUTATION) {
        ok = !op->root_failed;
    } else {
        buf_put_c(op->out, "{\"data\":{");
        ok = respond_fields(op, 0, op->root.set->set.count);
    }
    if (ok) {
        buf_put_char(op->out, '}');
    } else if (!op->out->failed) {
        op->out->len = op->out_start;
        buf_put_c(op->out, "{\"data\":null");
    }
    if (op->errors.count) {
        buf_put_char(op->out, ',');
        respond_errors(op->out, &op->errors);
    }
    size_t pending = ok && op->delivery ? deliver_open(op) : 0;
    if (pending)
        deliver_announce(op);
    buf_put_char(op->out, '}');
    size_t written = op->out->len - op->out_start;
    bool is_too_long =
        op->out->failed || (limits->response_bytes_max && written > limits->response_bytes_max);
    bool is_too_much = limits->pending_max && pending > limits->pending_max;
    if (is_too_long)
        answer_refusal(op, "response_bytes_max", written, "bytes");
    else if (is_too_much)
        answer_refusal(op, "pending_max", pending, "deferred fragments and streams");
    if (pending)
        op->delivery->sent_bytes = written;
    answer(op, false, pending && !is_too_long && !is_too_much);
}

/* ── the loop ── */

void operation_queue(struct gql_operation *op, struct batch *b)
{
    *op->tail = b;
    op->tail = &b->next;
}

static void run_batch(struct gql_operation *op, const struct batch *b)
{
    const struct gql_set *set = &b->set->set;
    for (uint32_t i = 0; i < set->count && !op->is_cancelled; i++) {
        const struct gql_field_plan *f = set->fields[i]->plan;
        bool is_run = f->source == SOURCE_GET || f->source == SOURCE_STEP;
        if (is_run && (b->only == UINT32_MAX || b->only == i))
            step_start(op, b, f);
    }
}

void operation_run_batches(struct gql_operation *op)
{
    while (op->first && !op->is_cancelled && !arena_over_budget(op->arena)) {
        struct batch *b = op->first;
        op->first = b->next;
        if (!op->first)
            op->tail = &op->first;
        run_batch(op, b);
    }
}

static struct batch *root_batch(struct gql_operation *op, uint32_t only)
{
    struct batch *b = arena_new(op->arena, struct batch);
    *b = (struct batch){ .set = op->root.set, .count = 1, .only = only };
    b->nodes = arena_new_array(op->arena, 1, struct node *);
    b->sources = arena_new_array(op->arena, 1, void *);
    b->nodes[0] = &op->root;
    b->sources[0] = op->root.source;
    return b;
}

/*
 * Section 6.2.2: a mutation's root fields run one after another, each to its end. What one gave is
 * written at once; a null that reaches the root ends them all. True when another field was queued.
 */
static bool next_mutation(struct gql_operation *op)
{
    uint32_t count = op->root.set->set.count;
    if (op->is_root_running) {
        op->is_root_running = false;
        op->root_failed = !respond_fields(op, op->next_root, op->next_root + 1);
        op->next_root++;
    }
    if (op->root_failed || op->next_root == count || arena_over_budget(op->arena))
        return false;
    operation_queue(op, root_batch(op, op->next_root));
    op->is_root_running = true;
    return true;
}

/*   queued batches --> steps --> (all back) --> next root field of a mutation --> answer --> end */
void operation_run(struct gql_operation *op)
{
    if (op->is_in_loop || op->is_source)
        return;
    op->is_in_loop = true;
    if (op->state == OPERATION_RUNNING) {
        do {
            operation_run_batches(op);
        } while (op->waiting_count == 0 && !op->is_cancelled && op->type == GQL_MUTATION &&
                 next_mutation(op));
        if (op->waiting_count == 0 && op->state == OPERATION_RUNNING && !op->is_cancelled)
            answer_data(op);
    }
    if (op->state == OPERATION_DELIVERING)
        deliver_run(op);
    op->is_in_loop = false;
    if (op->waiting_count == 0 && op->state == OPERATION_ANSWERED)
        end(op);
}

void gql_cancel(struct gql_operation *op)
{
    bool is_answered = op->state == OPERATION_DELIVERING;
    if (op->state == OPERATION_ANSWERED)
        return;
    op->is_cancelled = true;
    if (op->is_source)
        return;                   /* `started` is still to come, and says so */
    op->out->len = op->out_start; /* a mutation writes as it goes */
    if (is_answered)
        op->state = OPERATION_ANSWERED;
    else
        answer(op, false, false);
    operation_run(op);
}

void gql_expire(struct gql_operation *op, const char *code, const char *message)
{
    assert(!op->is_in_loop);
    if (op->state == OPERATION_ANSWERED)
        return;
    op->expiry = plain_error(op->arena, code, arena_copy(op->arena, str_of_c(message)));
    op->is_in_loop = true;
    while (op->state == OPERATION_RUNNING && op->type == GQL_MUTATION && !op->root_failed &&
           op->next_root < op->root.set->set.count) {
        op->root_failed = !respond_fields(op, op->next_root, op->next_root + 1);
        op->next_root++;
    }
    if (op->state == OPERATION_RUNNING)
        answer_data(op);
    op->is_in_loop = false;
    operation_run(op);
}

/* ── the beginning ── */

static struct gql_operation *operation_create(struct gql_engine *engine, struct arena *arena,
                                              const struct gql_request *request, struct buf *out,
                                              const struct gql_end *e)
{
    struct gql_operation *op = arena_new(arena, struct gql_operation);
    *op = (struct gql_operation){ .engine = engine,
                                  .arena = arena,
                                  .request = *request,
                                  .out = out,
                                  .out_start = out->len,
                                  .end = *e,
                                  .errors = errors_in(arena) };
    op->errors.no_values = request->no_values;
    op->tail = &op->first;
    list_init(&op->waiting);
    return op;
}

static void count_failure(struct gql_engine *engine, const struct gql_errors *errors)
{
    const char *code = errors->first->code;
    if (!strcmp(code, GQL_CODE_PARSE))
        engine->counters.parse_failures++;
    else if (!strcmp(code, GQL_CODE_COMPLEX))
        engine->counters.limit_refusals++;
    else
        engine->counters.validation_failures++;
}

/* The plan from the cache, or a new one that the cache then has. */
static bool find_plan(struct gql_operation *op)
{
    struct gql_engine *engine = op->engine;
    op->plan = plan_cache_find(engine->cache, &op->request);
    if (op->plan) {
        engine->counters.plan_hits++;
    } else {
        engine->counters.plan_misses++;
        op->plan = plan_create(engine->schema, &engine->limits, &op->request, &op->errors);
        if (!op->plan) {
            count_failure(engine, &op->errors);
            return false;
        }
        plan_cache_add(engine->cache, op->plan);
    }
    op->type = (enum gql_operation_type)op->plan->operation->operation;
    return true;
}

static bool is_allowed(struct gql_operation *op, bool subscribes)
{
    static const char *const words[] = { "query", "mutation", "subscription" };
    if (op->request.queries_only && op->type != GQL_QUERY)
        error_addf(&op->errors, GQL_CODE_INPUT,
                   "Can only perform a %s operation from a POST "
                   "request.",
                   words[op->type]);
    else if (subscribes != (op->type == GQL_SUBSCRIPTION))
        error_addf(&op->errors, GQL_CODE_INPUT, "A %s operation cannot run here.", words[op->type]);
    return op->errors.count == 0;
}

/* What the operations of a batch cost together is bounded as that of one. */
static bool spend(struct gql_operation *op, uint64_t cost)
{
    uint64_t max = op->engine->limits.cost_max, *spent = op->request.spent_cost;
    if (!spent)
        return true;
    if (__builtin_add_overflow(*spent, cost, spent))
        *spent = UINT64_MAX;
    if (!max || *spent <= max)
        return true;
    limit_error(&op->errors, "cost_max", max, *spent, "of cost in one batch");
    return false;
}

static bool pay(struct gql_operation *op, struct plan_variant *v)
{
    struct plan_cost cost = { .cost = v->fixed_cost };
    if (!v->has_fixed_cost) {
        if (!plan_check_cost(v, &op->engine->limits, op->variables, op->arena, &op->errors, &cost))
            return false;
        v->has_fixed_cost = !cost.is_dynamic;
        v->fixed_cost = cost.cost;
    }
    return spend(op, cost.cost);
}

/* Variables, the variant that they choose, and what it costs. */
static bool choose_variant(struct gql_operation *op)
{
    struct gql_engine *engine = op->engine;
    struct plan *p = op->plan;
    struct coerced_variables variables = { 0 };
    if (p->variable_count &&
        !coerce_variables(op->arena, engine->schema, p->text, p->operation->variables,
                          op->request.variables, !op->request.no_suggestions, &op->errors,
                          &variables))
        return false;
    op->variables = variables.values;
    assert(p->condition_count == 0 || op->variables); /* a condition is a variable */
    for (uint32_t i = 0; i < p->condition_count; i++)
        if (op->variables[p->conditions[i]].kind == GQL_NULL) {
            error_add(&op->errors, GQL_CODE_INPUT,
                      STR("Argument \"if\" of non-null type \"Boolean!\" must not be null."));
            return false;
        }
    size_t bytes_before = p->bytes;
    bool is_whole = !p->has_incremental || !op->end.payload || op->type == GQL_SUBSCRIPTION;
    struct plan_variant *v = plan_variant(p, engine->schema, &engine->limits, op->variables,
                                          is_whole ? GQL_INCREMENTAL_NONE : op->request.incremental,
                                          op->arena, &op->errors);
    if (p->bytes != bytes_before)
        plan_cache_resized(engine->cache, p, bytes_before);
    if (!v)
        return false;
    if (!pay(op, v)) {
        engine->counters.limit_refusals++;
        return false;
    }
    op->variant = v;
    return true;
}

static bool prepare(struct gql_operation *op, bool subscribes)
{
    return find_plan(op) && is_allowed(op, subscribes) && choose_variant(op);
}

static void start(struct gql_operation *op, void *root)
{
    op->root.set = op->variant->root;
    op->root.source = root;
    if (op->variant->incremental != GQL_INCREMENTAL_NONE)
        deliver_init(op);
    if (op->root.set->slot_count)
        op->root.slots = arena_new_array(op->arena, op->root.set->slot_count, struct slot);
    if (op->type == GQL_MUTATION)
        buf_put_c(op->out, "{\"data\":{");
    else if (op->root.set->slot_count)
        operation_queue(op, root_batch(op, UINT32_MAX));
    operation_run(op);
}

struct gql_operation *gql_execute(struct gql_engine *engine, struct arena *arena,
                                  const struct gql_request *request, struct buf *out,
                                  const struct gql_end *e)
{
    struct gql_operation *op = operation_create(engine, arena, request, out, e);
    if (prepare(op, false)) {
        start(op, request->root);
    } else {
        answer_request_error(op);
        end(op);
    }
    return op;
}

enum gql_operation_type gql_request_type(struct gql_engine *engine, struct arena *arena,
                                         const struct gql_request *request)
{
    static const struct gql_end no_end = { 0 };
    struct gql_operation *op =
        operation_create(engine, arena, request, &(struct buf){ 0 }, &no_end);
    if (!find_plan(op))
        return GQL_QUERY;
    plan_unref(op->plan);
    return op->type;
}

/* ── subscriptions: section 6.2.3 ── */

static void tell_started(struct gql_operation *op)
{
    struct gql_outcome outcome = outcome_of(op, op->errors.count > 0);
    if (op->errors.count) {
        buf_put_char(op->out, '{');
        respond_errors(op->out, &op->errors);
        buf_put_char(op->out, '}');
    }
    op->state = OPERATION_ANSWERED;
    op->subscriber.started(op, op->stream, &outcome, op->subscriber.owner);
}

/* The root field's source stream, or why there is none. */
static void source_complete(struct step *s)
{
    struct gql_operation *op = s->op;
    const struct gql_value *v = &s->pub.results[0];
    if (v->kind == GQL_OBJECT) {
        op->stream = v->object;
    } else {
        static const struct gql_error none = {
            .message = { "the subscription gave no source stream", 38 }, .code = GQL_CODE_INTERNAL
        };
        respond_field_error(op, s->plan, v->kind == GQL_ERROR ? v->error : &none);
    }
    tell_started(op);
}

struct gql_operation *gql_subscribe(struct gql_engine *engine, struct arena *arena,
                                    const struct gql_request *request, struct buf *out,
                                    const struct gql_subscriber *subscriber)
{
    static const struct gql_end no_end = { 0 };
    struct gql_operation *op = operation_create(engine, arena, request, out, &no_end);
    op->subscriber = *subscriber;
    op->is_source = true;
    if (!prepare(op, true)) {
        tell_started(op);
        return op;
    }
    op->root.set = op->variant->root;
    op->root.slots = arena_new_array(arena, op->root.set->slot_count, struct slot);
    source_start(op, root_batch(op, UINT32_MAX), op->root.set->set.fields[0]->plan,
                 source_complete);
    return op;
}

void gql_subscription_close(struct gql_operation *subscription)
{
    assert(subscription->is_source && subscription->waiting_count == 0);
    if (subscription->plan)
        plan_unref(subscription->plan);
    subscription->plan = NULL;
}

struct gql_operation *gql_event(struct gql_operation *subscription, struct arena *arena,
                                void *event, struct buf *out, const struct gql_end *e)
{
    struct gql_operation *op =
        operation_create(subscription->engine, arena, &subscription->request, out, e);
    op->plan = subscription->plan;
    op->plan->refs++;
    op->variant = subscription->variant;
    op->variables = subscription->variables;
    op->type = GQL_SUBSCRIPTION;
    start(op, event);
    return op;
}
