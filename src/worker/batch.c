/* batch: one transaction of the dispatcher, until it is sent; batch_end.c has its outcome. */
#include "base/clock.h"
#include "base/mem.h"
#include "json/writer.h"
#include "store/queue/batch_sql.h"
#include "worker/batch_priv.h"

enum { EVENTS_FIRST = 64, TYPES_SLACK = 64 };

struct batch_section {
    struct batch_section *next;
    const struct batch_section_kind *kind;
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
