/* batch: one transaction of the dispatcher, from its putting together to its certain outcome. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/writer.h"
#include "store/queue/batch_sql.h"
#include "worker/batch_priv.h"
#include "worker/feed.h"
#include "worker/meter.h"

enum { EVENTS_FIRST = 64, TYPES_SLACK = 64 };

struct batch_section {
    struct batch_section *next;
    const struct batch_section_kind *kind;
    void *data;
};

struct batch_closure {
    struct batch_closure *next;
    batch_fn *fn;
    void *data;
};

struct batch *batch_create(struct shard *s)
{
    struct batch *b = mem_new(struct batch);
    b->s = s;
    b->a = arena_create(0);
    b->first = s->end;
    b->at_us = shard_now_us(s);
    ops_init(&b->log);
    buf_init(&b->events, 0);
    buf_init(&b->extra, 0);
    list_init(&b->intents);
    b->rows = batch_rows_create(b);
    return b;
}

void batch_destroy(struct batch *b)
{
    if (!b)
        return;
    assert(list_is_empty(&b->intents));
    ops_clear(&b->log);
    buf_clear(&b->events);
    buf_clear(&b->extra);
    batch_rows_destroy(b->rows);
    mem_free(b->event_ends);
    mem_free(b->counts);
    arena_destroy(b->a);
    mem_free(b);
}

size_t batch_size(const struct batch *b)
{
    return b->log.count;
}

int64_t batch_next(const struct batch *b)
{
    return b->first + (int64_t)b->log.count;
}

int64_t batch_put(struct batch *b, const struct change *change)
{
    b->event_ends = mem_grow(b->event_ends, b->log.count, &b->event_capacity, EVENTS_FIRST,
                             sizeof *b->event_ends);
    int64_t seq = batch_next(b);
    ops_put(&b->log, change);
    return seq;
}

void batch_event_end(struct batch *b)
{
    assert(b->log.count > 0);
    buf_put_char(&b->events, ',');
    b->event_ends[b->log.count - 1] = (uint32_t)b->events.len;
}

void batch_done_by(struct batch *b, struct str by)
{
    if (by.len == 0)
        return;
    buf_printf(&b->extra, "%lld ", (long long)batch_next(b) - 1);
    struct json_writer w = json_writer_to(&b->extra);
    json_write_string(&w, by);
    buf_put_char(&b->extra, '\n');
}

static void add_closure(struct batch *b, struct batch_closure **list, batch_fn *fn, void *data)
{
    struct batch_closure *closure = arena_new(b->a, struct batch_closure);
    *closure = (struct batch_closure){ .next = *list, .fn = fn, .data = data };
    *list = closure;
}

void batch_on_undo(struct batch *b, batch_fn *fn, void *data)
{
    add_closure(b, &b->undo, fn, data);
}

void batch_on_send(struct batch *b, batch_fn *fn, void *data)
{
    add_closure(b, &b->send, fn, data);
}

void batch_on_commit(struct batch *b, batch_fn *fn, void *data)
{
    add_closure(b, &b->commit, fn, data);
}

void batch_count(struct batch *b, uint32_t type, enum rule_status status, int64_t n)
{
    if (status == STATUS_COUNT)
        return;
    if (type >= b->count_types) {
        size_t count = max_of((size_t)type + 1, b->s->type_count + TYPES_SLACK);
        b->counts = mem_resize(b->counts, count, sizeof *b->counts);
        memset(&b->counts[b->count_types], 0, (count - b->count_types) * sizeof *b->counts);
        b->count_types = count;
    }
    b->counts[type][status] += n;
}

void *batch_section(struct batch *b, const struct batch_section_kind *kind)
{
    for (struct batch_section *section = b->sections; section; section = section->next)
        if (section->kind == kind)
            return section->data;
    struct batch_section *section = arena_new(b->a, struct batch_section);
    *section = (struct batch_section){ .next = b->sections,
                                       .kind = kind,
                                       .data = arena_alloc(b->a, kind->size) };
    b->sections = section;
    return section->data;
}

void batch_step(struct batch *b, const struct db_statement *statement, const struct db_args *args)
{
    assert(b->step_count < DB_STEPS_MAX);
    b->steps[b->step_count++] = (struct db_step){ statement, args };
}

void batch_apply(struct batch *b, struct intent *intent)
{
    list_push(&b->intents, &intent->node);
    b->intent_count++;
    intent->apply(intent, b);
}

static void add_types(struct batch *b)
{
    struct shard *s = b->s;
    int64_t *ids = NULL;
    struct str *names = NULL;
    size_t count = 0;
    b->types_sent = s->type_count;
    for (size_t i = 0; i < s->type_count; i++) {
        if (s->types[i].is_stored)
            continue;
        if (!ids) {
            ids = arena_new_array(b->a, s->type_count, int64_t);
            names = arena_new_array(b->a, s->type_count, struct str);
        }
        ids[count] = (int64_t)i;
        names[count++] = s->types[i].name;
    }
    if (count > 0)
        batch_step(b, &batch_types, batch_types_args(b->a, ids, count, names, count));
}

/* The same of queues. */
static void add_queues(struct batch *b)
{
    struct shard *s = b->s;
    size_t count = 0, unstored = 0;
    b->queues_sent = s->queues_known;
    for (size_t i = 0; i < s->queues_known; i++)
        unstored += !s->queues[i].is_stored;
    if (unstored == 0)
        return;
    int64_t *ids = arena_new_array(b->a, unstored, int64_t);
    struct str *names = arena_new_array(b->a, unstored, struct str);
    for (size_t i = 0; i < s->queues_known; i++) {
        if (s->queues[i].is_stored)
            continue;
        ids[count] = (int64_t)i;
        names[count++] = s->queues[i].name;
    }
    batch_step(b, &batch_queues, batch_queues_args(b->a, ids, count, names, count));
}

static void keep_types(struct batch *b)
{
    struct shard *s = b->s;
    for (size_t i = 0; i < b->queues_sent; i++)
        s->queues[i].is_stored = true;
    for (size_t i = 0; i < b->types_sent; i++)
        s->types[i].is_stored = true;
    for (size_t i = 0; i < b->count_types && i < s->type_count; i++)
        for (size_t k = 0; k < STATUS_COUNT; k++) {
            s->types[i].counts[k] += b->counts[i][k];
            s->types[i].is_counted |= b->counts[i][k] != 0;
        }
}

static struct str bytes_of(const struct buf *b)
{
    return b->len ? buf_str(b) : STR("");
}

void batch_send(struct batch *b)
{
    struct shard *s = b->s;
    b->started_us = clock_mono_us();
    ops_finish(&b->log);
    b->sent_ops = bytes_of(&b->log.ops);
    b->sent_ids = bytes_of(&b->log.ids);
    if (b->is_alone)
        batch_step(b, &batch_limits, batch_limits_args(b->a, STR("200ms"), STR("5s")));
    batch_step(b, &batch_log,
               batch_log_args(b->a, s->id, b->first, (int32_t)batch_size(b), s->epoch, b->at_us,
                              b->sent_ops, b->sent_ids, bytes_of(&b->log.args),
                              bytes_of(&b->extra)));
    add_types(b);
    add_queues(b);
    batch_rows_steps(b);
    for (struct batch_section *section = b->sections; section; section = section->next)
        section->kind->steps(b, section->data);
    const struct db_call call = {
        .lane = DB_LANE_WRITE,
        .steps = b->steps,
        .step_count = b->step_count,
        .deadline_us = b->started_us + SHARD_CALL_MS * CLOCK_MS,
        .fn = batch_replied,
        .owner = b,
    };
    struct err e;
    if (!db_pool_call(s->pool, &call, &b->call, &e)) {
        batch_refused(b, &e);
        return;
    }
    for (struct batch_closure *c = b->send; c; c = c->next)
        c->fn(s, c->data);
}

void batch_undo(struct batch *b)
{
    for (struct batch_closure *c = b->undo; c; c = c->next)
        c->fn(b->s, c->data);
    b->undo = NULL;
    b->s->end = b->first;
}

static void run_commits(struct batch *b)
{
    struct batch_closure *first = NULL;
    for (struct batch_closure *c = b->commit, *next; c; c = next) {
        next = c->next;
        c->next = first;
        first = c;
    }
    for (struct batch_closure *c = first; c; c = c->next)
        c->fn(b->s, c->data);
}

/* Who was given a task begins to work on it now; who has made it only hears of that. */
static void put_claims_first(struct batch *b)
{
    for (size_t i = 0; i < b->claim_count; i++) {
        struct list *last = b->intents.prev;
        list_remove(last);
        list_push_front(&b->intents, last);
    }
}

/* Each may submit anew, so the list is its own first. */
static void tell_all(struct list *intents, const struct err *err)
{
    for (struct list *node; (node = list_pop(intents));) {
        struct intent *intent = container_of(node, struct intent, node);
        intent->done(intent, err);
    }
}

void batch_committed(struct batch *b)
{
    struct shard *s = b->s;
    assert(s->batch == b);
    s->committed = batch_next(b);
    s->end = s->committed;
    s->at_us = b->at_us;
    s->at_mono_us = b->started_us;
    s->confirmed_us = max_of(s->confirmed_us, b->started_us);
    s->suspects -= min_of(s->suspects, b->intent_count);
    s->suspects_max = (s->suspects + 1) / 2;
    worker_meter_batch(s->meter, batch_size(b), clock_mono_us() - b->started_us);
    keep_types(b);
    run_commits(b);
    feed_append(s->feed, b);
    s->batch = NULL;
    put_claims_first(b);
    tell_all(&b->intents, NULL);
    batch_destroy(b);
    shard_batch_ended(s);
}

/* Nothing was changed: the intents are told what they saw, which is committed. */
void batch_nothing(struct batch *b)
{
    struct shard *s = b->s;
    assert(s->batch == b && batch_size(b) == 0);
    s->suspects -= min_of(s->suspects, b->intent_count);
    s->suspects_max = (s->suspects + 1) / 2;
    run_commits(b); /* a group's last child may be found ended where no task changes */
    s->batch = NULL;
    tell_all(&b->intents, NULL);
    batch_destroy(b);
    shard_batch_ended(s);
}

/* To the front of the queue, in their order. */
static void queue_again(struct batch *b)
{
    struct shard *s = b->s;
    while (!list_is_empty(&b->intents)) {
        struct list *last = b->intents.prev;
        list_remove(last);
        list_push_front(&s->queue, last);
        s->queue_count++;
    }
}

static unsigned count_try(struct batch *b)
{
    unsigned most = 0;
    list_each (node, &b->intents) {
        struct intent *intent = container_of(node, struct intent, node);
        intent->tries++;
        most = max_of(most, intent->tries);
    }
    return most;
}

void batch_refused(struct batch *b, const struct err *err)
{
    struct shard *s = b->s;
    assert(s->batch == b);
    batch_undo(b);
    s->batch = NULL;
    if (err || b->is_alone || count_try(b) > SHARD_TRIES_MAX) {
        struct err e = { 0 };
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                     "the database could not take the change");
        tell_all(&b->intents, err ? err : &e);
    } else {
        queue_again(b);
    }
    batch_destroy(b);
    shard_batch_ended(s);
}

void batch_refused_behind(struct batch *b, int64_t n)
{
    struct shard *s = b->s;
    batch_undo(b);
    s->end = s->committed = b->first + n;
    s->batch = NULL;
    b->undo = NULL;
    struct err e = { 0 };
    err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                 "the connection to the database was lost");
    if (count_try(b) > SHARD_TRIES_MAX)
        tell_all(&b->intents, &e);
    else
        queue_again(b);
    batch_destroy(b);
    shard_batch_ended(s);
}

/* A row that the database will never take is one of these: half of them are tried next. */
static void batch_halve(struct batch *b, const struct db_reply *reply)
{
    struct shard *s = b->s;
    size_t count = b->intent_count;
    if (count > 1) {
        log_debug("batch.halved", "intents=%zu error=%s", count,
                  log_quote(str_of_c(err_text(reply->err))));
        batch_undo(b);
        s->batch = NULL;
        queue_again(b);
        s->suspects = max_of(s->suspects, count);
        s->suspects_max = count / 2;
        worker_meter_halved(s->meter);
        batch_destroy(b);
        shard_batch_ended(s);
        return;
    }
    struct err e = *reply->err;
    if (strcmp(reply->sqlstate, DB_STATE_UNIQUE_VIOLATION) == 0) {
        e = (struct err){ 0 };
        err_set(&e, ERR_CONFLICT, "it is stored already");
    } else if (strcmp(reply->sqlstate, DB_STATE_CHECK_VIOLATION) == 0) {
        e = (struct err){ 0 };
        err_set(&e, ERR_INVALID, "the id's day is outside of what is kept");
    } else if (strcmp(reply->sqlstate, DB_STATE_DIVISION_BY_ZERO) == 0) {
        e = (struct err){ 0 }; /* a statement of all or none: batch_reopen, batch_drop */
        err_set(&e, ERR_CONFLICT, "it has changed meanwhile");
    }
    s->suspects = s->suspects_max = 0;
    log_warn("batch.item_refused", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    worker_meter_refused(s->meter);
    batch_refused(b, &e);
}

static bool is_guard(const struct db_reply *reply)
{
    return strcmp(reply->sqlstate, DB_STATE_UNIQUE_VIOLATION) == 0 &&
           str_starts_with(str_of_c(reply->constraint), STR("change_log"));
}

/* The change that a batch could not make will not fit another time either. */
static bool is_for_good(const struct db_reply *reply)
{
    return reply->sqlstate[0] && reply->err->code != ERR_UNAVAILABLE &&
           reply->err->code != ERR_TIMEOUT;
}

void batch_replied(void *owner, const struct db_reply *reply)
{
    struct batch *b = owner;
    struct shard *s = b->s;
    b->call = NULL;
    if (!reply->err) {
        batch_committed(b);
    } else if (reply->is_in_doubt) {
        doubt_settle(b);
    } else if (is_guard(reply)) {
        struct err e = { 0 };
        shard_refuse(&e);
        shard_step_down(s, "another worker has written to the log");
        batch_refused(b, &e);
    } else if (is_for_good(reply)) {
        batch_halve(b, reply);
    } else {
        log_warn("batch.delayed", "changes=%zu error=%s", batch_size(b),
                 log_quote(str_of_c(err_text(reply->err))));
        /* A leader that cannot know any more whether it leads keeps nobody waiting: nothing was
         * done, and another may do it. */
        bool is_stopping = reply->err->code == ERR_CANCELLED;
        bool is_over = is_stopping || !shard_is_leading(s);
        struct err e = { 0 };
        if (is_stopping)
            e = *reply->err;
        else
            shard_refuse(&e);
        shard_pause(s);
        batch_refused(b, is_over ? &e : NULL);
        if (is_over)
            shard_refuse_waiting(s, &e);
    }
}
