#include "gql/deliver_priv.h"

#include "gql/diag_priv.h"

static void clear_bufs(void *owner)
{
    struct delivery *d = owner;
    buf_clear(&d->pending);
    buf_clear(&d->incremental);
    buf_clear(&d->completed);
    buf_clear(&d->scratch);
}

void deliver_init(struct gql_operation *op)
{
    struct delivery *d = arena_new(op->arena, struct delivery);
    d->op = op;
    d->is_2022 = op->variant->incremental == GQL_INCREMENTAL_2022;
    d->fragments_tail = &d->fragments;
    d->streams_tail = &d->streams;
    d->starting_tail = &d->starting;
    d->running_tail = &d->running;
    list_init(&d->open);
    list_init(&d->closed);
    buf_init(&d->pending, 0);
    buf_init(&d->incremental, 0);
    buf_init(&d->completed, 0);
    buf_init(&d->scratch, 0);
    arena_defer(op->arena, clear_bufs, d);
    op->delivery = d;
}

/* ── what a walk finds ── */

static const struct frame *keep(struct arena *arena, const struct frame *at)
{
    if (!at)
        return NULL;
    struct frame *kept = arena_new(arena, struct frame);
    *kept = *at;
    kept->above = keep(arena, at->above);
    return kept;
}

const struct scope *deliver_enter(struct gql_operation *op, const struct plan_deferral *deferral,
                                  const struct frame *at)
{
    struct delivery *d = op->delivery;
    const struct scope *outer = d->scope;
    struct scope *scope = arena_new(op->arena, struct scope);
    scope->above = outer;
    scope->deferral = deferral;
    scope->at = keep(op->arena, at);
    scope->fragments = arena_new_array(op->arena, deferral->defer_count, struct fragment *);
    d->scope = scope;
    return outer;
}

void deliver_leave(struct gql_operation *op, const struct scope *outer)
{
    op->delivery->scope = outer;
}

static struct found *add_found(struct delivery *d, size_t position)
{
    struct found *f = arena_new(d->op->arena, struct found);
    f->before = d->found;
    f->position = position;
    d->found = f;
    return f;
}

void deliver_found_parts(struct gql_operation *op, const struct node *n, size_t position)
{
    struct delivery *d = op->delivery;
    for (const struct plan_part *part = d->scope->deferral->parts; part; part = part->next) {
        struct task *t = arena_new(op->arena, struct task);
        t->part = part;
        t->scope = d->scope;
        t->streams_tail = &t->streams;
        t->node = (struct node){ .source = n->source, .set = part->set };
        t->errors = errors_in(op->arena);
        t->errors.no_values = op->request.no_values;
        add_found(d, position)->task = t;
    }
}

void deliver_found_rest(struct gql_operation *op, const struct gql_field_plan *f,
                        const struct cut_list *cut, const struct frame *at, size_t position)
{
    struct stream *s = arena_new(op->arena, struct stream);
    s->field = f;
    s->cut = cut;
    s->announced = (struct announced){ .at = keep(op->arena, at),
                                       .label_json = f->stream->label_json,
                                       .member = "items" };
    add_found(op->delivery, position)->stream = s;
}

void deliver_forget(struct gql_operation *op, size_t position)
{
    struct delivery *d = op->delivery;
    while (d->found && d->found->position > position)
        d->found = d->found->before;
}

/* ── fragments and tasks ── */

/* The scope that the @defer begins in, or NULL: outside of the stream that `scope` is in. */
static const struct scope *scope_of(const struct scope *scope, const struct plan_defer *defer)
{
    for (; scope; scope = scope->above)
        for (const struct plan_defer *own = scope->deferral->defers; own; own = own->next)
            if (own == defer)
                return scope;
    return NULL;
}

/* The fragment of a @defer as seen from `scope`; NULL: what it is in has failed. */
static struct fragment *fragment_of(struct delivery *d, const struct scope *scope,
                                    const struct plan_defer *defer)
{
    const struct scope *own = scope_of(scope, defer);
    struct fragment **place = own ? &own->fragments[defer->number] : NULL;
    if (!place)
        return NULL;
    if (*place)
        return (*place)->state == FRAGMENT_OVER ? NULL : *place;
    bool has_parent = defer->parent && scope_of(own, defer->parent);
    struct fragment *parent = has_parent ? fragment_of(d, own, defer->parent) : NULL;
    if (has_parent && !parent)
        return NULL;
    struct fragment *f = arena_new(d->op->arena, struct fragment);
    f->announced =
        (struct announced){ .at = own->at, .label_json = defer->label_json, .member = "data" };
    f->children_tail = &f->children;
    f->tasks_tail = &f->tasks;
    *place = f;
    struct fragment ***tail = parent ? &parent->children_tail : &d->fragments_tail;
    **tail = f;
    *tail = &f->next;
    return f;
}

/* The job that runs this part, or this field's streams, among those about to start. */
static struct job *job_of(struct delivery *d, const struct plan_part *part,
                          const struct gql_field_plan *field)
{
    struct job *job = d->starting;
    while (job && (job->part != part || job->field != field))
        job = job->next;
    if (!job) {
        job = arena_new(d->op->arena, struct job);
        job->part = part;
        job->field = field;
        job->tasks_tail = &job->tasks;
        job->streams_tail = &job->streams;
        *d->starting_tail = job;
        d->starting_tail = &job->next;
    }
    job->count++;
    return job;
}

static void start_task(struct delivery *d, struct task *t)
{
    if (t->state != TASK_FOUND)
        return;
    struct job *job = job_of(d, t->part, NULL);
    t->state = TASK_RUNNING;
    *job->tasks_tail = t;
    job->tasks_tail = &t->next;
}

/* Gives a task that was found to its fragments; it starts when one of them is open. */
static void adopt_task(struct delivery *d, struct task *t)
{
    const struct defer_set *defers = &t->part->defers;
    bool is_wanted = false;
    t->fragments = arena_new_array(d->op->arena, defers->count, struct fragment *);
    for (uint32_t i = 0; i < defers->count; i++) {
        struct fragment *f = fragment_of(d, t->scope, defers->defers[i]);
        if (!f)
            continue;
        struct task_link *link = arena_new(d->op->arena, struct task_link);
        link->task = t;
        *f->tasks_tail = link;
        f->tasks_tail = &link->next;
        f->waiting_count++;
        t->fragments[t->fragment_count++] = f;
        is_wanted |= f->state == FRAGMENT_OPEN;
    }
    if (is_wanted)
        start_task(d, t);
}

/* Takes in what a walk has found, in document order. `by`: the task whose data it wrote. */
static void adopt_found(struct delivery *d, struct task *by)
{
    struct found *first = NULL;
    while (d->found) {
        struct found *f = d->found;
        d->found = f->before;
        f->before = first;
        first = f;
    }
    for (struct found *f = first; f; f = f->before) {
        struct stream ***tail = by ? &by->streams_tail : &d->streams_tail;
        if (f->task) {
            adopt_task(d, f->task);
            continue;
        }
        **tail = f->stream;
        *tail = &f->stream->next;
    }
}

/* What is in a fragment opens when it is over. */
static void open_children_of(struct delivery *d, struct fragment *f)
{
    f->state = FRAGMENT_OVER;
    if (!f->children)
        return;
    *d->fragments_tail = f->children;
    d->fragments_tail = f->children_tail;
}

static void finish_fragment(struct delivery *d, struct fragment *f)
{
    for (const struct task_link *link = f->tasks; link; link = link->next) {
        struct task *t = link->task;
        if (t->state != TASK_DONE)
            continue;
        payload_task(d, f, t);
        t->state = TASK_SENT;
        if (!t->streams)
            continue;
        *d->streams_tail = t->streams;
        d->streams_tail = t->streams_tail;
    }
    payload_complete(d, &f->announced, NULL);
    open_children_of(d, f);
}

static void drop_children(struct fragment *f)
{
    for (struct fragment *child = f->children; child; child = child->next) {
        child->state = FRAGMENT_OVER;
        drop_children(child);
    }
}

static void fail_fragment(struct delivery *d, struct fragment *f, const struct gql_error *failure)
{
    f->state = FRAGMENT_OVER;
    payload_complete(d, &f->announced, failure);
    drop_children(f);
}

static void open_fragment(struct delivery *d, struct fragment *f)
{
    bool has_tasks = false;
    for (const struct task_link *link = f->tasks; link; link = link->next)
        has_tasks |= link->task->state != TASK_SENT;
    if (!has_tasks) { /* all its fields came before: not worth telling */
        open_children_of(d, f);
        return;
    }
    f->state = FRAGMENT_OPEN;
    payload_announce(d, &f->announced);
    for (const struct task_link *link = f->tasks; link; link = link->next)
        start_task(d, link->task);
    if (f->failure)
        fail_fragment(d, f, f->failure);
    else if (f->waiting_count == 0)
        finish_fragment(d, f);
}

static void open_stream(struct delivery *d, struct stream *s)
{
    struct job *job = job_of(d, NULL, s->field);
    s->next = NULL;
    *job->streams_tail = s;
    job->streams_tail = &s->next;
    payload_announce(d, &s->announced);
}

/* Opens what is to be opened, and what that lets open. */
static void open_all(struct delivery *d)
{
    while (d->fragments) {
        struct fragment *f = d->fragments;
        d->fragments = f->next;
        f->next = NULL;
        if (!d->fragments)
            d->fragments_tail = &d->fragments;
        open_fragment(d, f);
    }
    for (struct stream *s = d->streams, *next = NULL; s; s = next) {
        next = s->next;
        open_stream(d, s);
    }
    d->streams = NULL;
    d->streams_tail = &d->streams;
}

size_t deliver_open(struct gql_operation *op)
{
    adopt_found(op->delivery, NULL);
    open_all(op->delivery);
    return op->delivery->open_count;
}

/* ── jobs ── */

static void start_tasks(struct delivery *d, struct job *job)
{
    struct arena *arena = d->op->arena;
    const struct plan_set *set = job->part->set;
    if (!set->slot_count)
        return; /* all of it is asked for by the walk */
    struct batch *b = arena_new(arena, struct batch);
    *b = (struct batch){ .set = set, .only = UINT32_MAX, .job = job };
    b->nodes = arena_new_array(arena, job->count, struct node *);
    b->sources = arena_new_array(arena, job->count, void *);
    for (struct task *t = job->tasks; t; t = t->next) {
        t->node.slots = arena_new_array(arena, set->slot_count, struct slot);
        b->nodes[b->count] = &t->node;
        b->sources[b->count++] = t->node.source;
    }
    operation_queue(d->op, b);
}

static void start_streams(struct delivery *d, struct job *job)
{
    struct arena *arena = d->op->arena;
    const struct gql_value **rests = arena_new_array(arena, job->count, const struct gql_value *);
    struct slot **slots = arena_new_array(arena, job->count, struct slot *);
    size_t count = 0;
    for (struct stream *s = job->streams; s; s = s->next) {
        rests[count] = &s->cut->rest;
        slots[count++] = &s->rest;
    }
    stream_start(d->op, job->field, job, rests, slots, count);
}

static void task_failed(struct delivery *d, struct task *t, const struct gql_error *failure)
{
    t->state = TASK_FAILED;
    d->found = NULL;
    for (uint32_t i = 0; i < t->fragment_count; i++) {
        struct fragment *f = t->fragments[i];
        f->failure = failure;
        if (f->state == FRAGMENT_OPEN)
            fail_fragment(d, f, failure);
    }
}

/* The error that what has not started ends with after the deadline. */
static const struct gql_error *expiry_at(struct delivery *d, const struct frame *at)
{
    struct gql_error *e = arena_new(d->op->arena, struct gql_error);
    *e = *d->op->expiry;
    e->path = respond_path(d->op->arena, at);
    return e;
}

static void expire_job(struct delivery *d, struct job *job)
{
    for (struct task *t = job->tasks; t; t = t->next)
        task_failed(d, t, expiry_at(d, t->scope->at));
    for (struct stream *s = job->streams; s; s = s->next)
        payload_complete(d, &s->announced, expiry_at(d, s->announced.at));
}

static void start_jobs(struct delivery *d)
{
    while (d->starting) {
        struct job *job = d->starting;
        d->starting = job->next;
        if (!d->starting)
            d->starting_tail = &d->starting;
        if (d->op->expiry) {
            expire_job(d, job);
            continue;
        }
        job->next = NULL;
        *d->running_tail = job;
        d->running_tail = &job->next;
        if (job->part)
            start_tasks(d, job);
        else
            start_streams(d, job);
    }
}

static void task_done(struct delivery *d, struct task *t)
{
    t->state = TASK_DONE;
    t->data_json = arena_copy(d->op->arena, buf_str(&d->scratch));
    adopt_found(d, t);
    for (uint32_t i = 0; i < t->fragment_count; i++) {
        struct fragment *f = t->fragments[i];
        f->waiting_count--;
        if (f->state == FRAGMENT_OPEN && f->waiting_count == 0)
            finish_fragment(d, f);
    }
}

static void write_task(struct delivery *d, struct task *t)
{
    bool is_wanted = false;
    for (uint32_t i = 0; i < t->fragment_count; i++)
        is_wanted |= t->fragments[i]->state != FRAGMENT_OVER;
    if (!is_wanted)
        return;
    buf_reset(&d->scratch);
    d->scope = t->scope;
    bool ok = respond_node(d->op, &t->node, t->scope->at, &d->scratch, &t->errors);
    d->scope = NULL;
    if (ok)
        task_done(d, t);
    else
        task_failed(d, t, t->errors.last);
    open_all(d);
}

static void write_stream(struct delivery *d, struct stream *s)
{
    struct gql_errors errors = errors_in(d->op->arena);
    const struct gql_error *failure = NULL;
    errors.no_values = d->op->request.no_values;
    buf_reset(&d->scratch);
    respond_items(d->op, s->field, &s->rest, s->cut->head_count, s->announced.at, &d->scratch,
                  &errors, &failure);
    payload_items(d, s, &errors);
    payload_complete(d, &s->announced, failure);
    adopt_found(d, NULL);
    open_all(d);
}

/* Writes the jobs that are all back; the deadline brings all of them back. True: there were some.
 */
static bool complete_jobs(struct delivery *d)
{
    struct job **link = &d->running;
    bool has_completed = false;
    while (*link) {
        struct job *job = *link;
        if (job->waiting_count && !d->op->expiry) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        has_completed = true;
        for (struct task *t = job->tasks; t; t = t->next)
            write_task(d, t);
        for (struct stream *s = job->streams; s; s = s->next)
            write_stream(d, s);
    }
    d->running_tail = link;
    return has_completed;
}

/* ── the loop ── */

static bool has_news(const struct delivery *d)
{
    return d->pending.len || d->incremental.len || d->completed.len || !d->open_count;
}

/*   start what is open --> run --> write what is back, open what it lets open --> send --. */
void deliver_run(struct gql_operation *op)
{
    struct delivery *d = op->delivery;
    uint32_t limit = op->engine->limits.pending_max;
    while (op->state == OPERATION_DELIVERING) {
        start_jobs(d);
        operation_run_batches(op);
        bool has_completed = complete_jobs(d);
        if (op->expiry)
            start_jobs(d); /* what that let open expires with the rest */
        if (arena_over_budget(op->arena))
            payload_give_up(d, "memory", arena_used(op->arena), "bytes of memory");
        else if (limit && d->open_count > limit)
            payload_give_up(d, "pending_max", d->open_count, "deferred fragments and streams");
        else if (!has_completed && !op->expiry)
            return;
        else if (has_news(d))
            payload_send(d);
    }
}
