/*
 * batch_end: the outcome of a batch.
 *
 *   sent ──▶ committed: all are told
 *     ├─ in doubt ──▶ doubt.c asks the log ──▶ committed, or refused
 *     ├─ the log's number is taken ──▶ somebody else leads
 *     ├─ a row will never be taken ──▶ the half of it is tried next, until one is found: refused
 *     └─ it will pass ──▶ queued again, a few times
 */
#include "base/clock.h"
#include "base/log.h"
#include "worker/batch_priv.h"
#include "worker/feed.h"
#include "worker/meter.h"

void batch_undo(struct batch *b)
{
    for (struct batch_closure *c = b->undo; c; c = c->next)
        c->fn(b->s, c->data);
    b->undo = NULL;
    b->s->end = b->first;
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
    coalesce_ended(&s->coalesce, s->queue_count, clock_mono_us());
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
