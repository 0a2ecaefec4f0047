#include "gateway/task_log.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/pool.h"
#include "gateway/shards.h"
#include "gateway/worker_client.h"
#include "io/timer.h"
#include "store/public/task_mirror.h"

/*
 * With several shards the table is looked into first, for whose worker knows the task.
 *
 *   waiting --> out --> (lines, or its time) --> told, gone
 *      ^          `-- the worker is away --> resting --^
 *      |          `-- it does not know the task --> looked up in the table:
 *      |                  kept for the worker --> resting; known --> no lines; else NOT_FOUND
 *      `-- a place among those that are out has become free
 */
enum {
    WAIT_MS = 20'000,
    TURN_MS = 200, /* of those that take turns */
    ANSWER_MARGIN_US = 5 * CLOCK_S,
    LOOK_US = 5 * CLOCK_S,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 2'000,
};

enum poll_state { POLL_WAITING, POLL_OUT, POLL_LOOKING, POLL_RESTING };

struct poll {
    struct list node; /* in logs.polls; those that wait are in the order in which they came */
    struct task_logs *logs;
    enum poll_state state;
    struct uuid task;
    size_t shard;     /* whose worker is asked */
    bool is_placed;   /* `shard` is known, as far as it can be */
    bool is_anywhere; /* no row says which: the next one is asked where it is not known */
    char after[TASK_LOG_PLACE_MAX];
    struct list waits;
    struct task_log_page *page; /* of what is asked; NULL: nothing is */
    struct io_timer *rest;
    struct backoff backoff;
    struct db_request *look;
};

struct task_logs {
    struct gateway_loop *loop;
    struct worker_client *workers[GATEWAY_SHARDS_MAX]; /* NULL: no worker-url */
    struct list polls;
    size_t poll_count, out_count;
    struct io_turn *turn; /* begins those that wait */
};

/* ── pages ── */

static struct task_log_page *page_create(void)
{
    struct arena *a = arena_create(0);
    struct task_log_page *page = arena_new(a, struct task_log_page);
    page->arena = a;
    page->refs = 1;
    return page;
}

void task_log_page_unref(void *owned)
{
    struct task_log_page *page = owned;
    if (page != NULL && --page->refs == 0)
        arena_destroy(page->arena);
}

static int64_t number_of(const struct json_value *object, const char *name)
{
    int64_t number = 0;
    (void)json_get_i64(object, str_of_c(name), &number);
    return number;
}

static bool page_read(struct task_log_page *page, const struct json_value *body, struct err *e)
{
    const struct json_value *lines = json_get_c(body, "lines");
    struct str next = json_get_text(body, STR("next"));
    if (lines == NULL || lines->type != JSON_ARRAY || lines->item_count > TASK_LOG_LINES_MAX ||
        next.len == 0 || next.len >= TASK_LOG_PLACE_MAX)
        return err_set(e, ERR_INTERNAL, "the worker's lines are not as they should be");
    page->lines = arena_new_array(page->arena, lines->item_count, struct task_log_line);
    page->count = lines->item_count;
    for (size_t i = 0; i < page->count; i++)
        page->lines[i] =
            (struct task_log_line){ .attempt = number_of(&lines->items[i], "attempt"),
                                    .at_us = number_of(&lines->items[i], "at_us"),
                                    .stream = json_get_text(&lines->items[i], STR("stream")),
                                    .text = json_get_text(&lines->items[i], STR("text")),
                                    .place = json_get_text(&lines->items[i], STR("n")) };
    memcpy(page->next, next.ptr, next.len);
    page->is_finished = json_get_flag(body, STR("is_finished"));
    return true;
}

/* ── polls ── */

static void poll_free(struct poll *poll)
{
    struct task_logs *logs = poll->logs;
    assert(list_is_empty(&poll->waits));
    if (poll->look != NULL)
        db_request_forget(poll->look);
    list_remove(&poll->node);
    logs->poll_count--;
    task_log_page_unref(poll->page);
    io_timer_destroy(poll->rest);
    mem_free(poll);
    io_turn_arm(logs->turn);
}

/* The poll ends; `page` is taken. */
static void tell(struct poll *poll, struct task_log_page *page, const struct err *e)
{
    struct list waits;
    list_init(&waits);
    for (struct list *node; (node = list_pop(&poll->waits)) != NULL;)
        list_push(&waits, node);
    poll_free(poll);
    for (struct list *node; (node = list_pop(&waits)) != NULL;) {
        struct task_log_wait *wait = container_of(node, struct task_log_wait, node);
        if (page != NULL)
            page->refs++;
        wait->fn(wait, page, e);
    }
    task_log_page_unref(page);
}

static void rested(void *owner)
{
    struct poll *poll = owner;
    poll->state = POLL_WAITING;
    io_turn_arm(poll->logs->turn);
}

static void rest(struct poll *poll)
{
    if (list_is_empty(&poll->waits)) {
        poll_free(poll);
        return;
    }
    poll->state = POLL_RESTING;
    io_timer_start(poll->rest, backoff_next_ms(&poll->backoff));
}

/* ── a task that the worker does not know ── */

static void place(struct poll *poll, const struct db_reply *reply)
{
    const struct gateway *gw = poll->logs->loop->gateway;
    poll->is_anywhere = reply->err != NULL || db_rows_count(reply->rows[0]) == 0;
    if (!poll->is_anywhere)
        poll->shard = shards_of_number(gw, db_rows_i64(reply->rows[0], 0, 1));
    poll->is_placed = true;
    rested(poll);
}

static void looked(void *owner, const struct db_reply *reply)
{
    struct poll *poll = owner;
    struct task_log_page *page = take(poll->page);
    struct err e = { 0 };
    poll->look = NULL;
    if (!poll->is_placed) {
        place(poll, reply);
    } else if (reply->err == NULL && db_rows_count(reply->rows[0]) == 0) {
        err_set(&e, ERR_NOT_FOUND, "id: there is no such task");
        tell(poll, NULL, &e);
    } else if (reply->err == NULL && db_rows_bool(reply->rows[0], 0, 0)) {
        page->is_finished = true; /* it was refused, or is removed */
        page->refs++;
        tell(poll, page, NULL);
    } else {
        rest(poll);
    }
    task_log_page_unref(page);
}

static void look_up(struct poll *poll)
{
    poll->page = page_create();
    struct db_step step = task_mirror_stands_step(poll->page->arena, poll->task);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + LOOK_US,
                                  .fn = looked,
                                  .owner = poll };
    struct err e;
    poll->state = POLL_LOOKING;
    if (db_pool_call(poll->logs->loop->pool, &call, &poll->look, &e))
        return;
    poll->look = NULL;
    task_log_page_unref(take(poll->page));
    rest(poll);
}

/* ── asking ── */

/* Whatever time may mend. */
static bool is_away(const struct worker_reply *reply)
{
    return reply->is_away || reply->status == 0 || reply->status >= 500 ||
           reply->err->code == ERR_UNAVAILABLE || reply->err->code == ERR_TIMEOUT;
}

static void replied(void *owner, const struct worker_reply *reply)
{
    struct poll *poll = owner;
    struct task_logs *logs = poll->logs;
    struct task_log_page *page = take(poll->page);
    struct err e = { 0 };
    logs->out_count--;
    io_turn_arm(logs->turn);
    if (list_is_empty(&poll->waits)) {
        poll_free(poll);
        task_log_page_unref(page);
        return;
    }
    if (reply->body != NULL && page_read(page, reply->body, &e)) {
        tell(poll, page, NULL);
        return;
    }
    bool is_unknown = reply->body == NULL && reply->err->code == ERR_NOT_FOUND;
    if (is_unknown && poll->is_anywhere && poll->shard + 1 < logs->loop->gateway->shard_count) {
        poll->shard++;
        rested(poll);
    } else if (is_unknown)
        look_up(poll);
    else if (reply->body == NULL && is_away(reply))
        rest(poll);
    else
        tell(poll, NULL, reply->body == NULL ? reply->err : &e);
    task_log_page_unref(page);
}

static void begin(struct poll *poll)
{
    struct task_logs *logs = poll->logs;
    char path[160], id[UUID_TEXT_LEN + 1];
    if (!poll->is_placed) {
        look_up(poll);
        return;
    }
    bool is_crowded = logs->poll_count > TASK_LOG_POLLS_MAX;
    int64_t wait_ms = is_crowded ? TURN_MS : WAIT_MS;
    struct err e;
    uuid_format(poll->task, id);
    snprintf(path, sizeof path, "/v1/tasks/%s/log?wait_ms=%lld%s%s", id, (long long)wait_ms,
             poll->after[0] != '\0' ? "&after=" : "", poll->after);
    poll->page = page_create();
    const struct worker_call_options options = {
        .path = path,
        .arena = poll->page->arena,
        .deadline_us = clock_mono_us() + wait_ms * CLOCK_MS + ANSWER_MARGIN_US,
        .fn = replied,
        .owner = poll,
    };
    if (!worker_client_call(logs->workers[poll->shard], &options, &e)) {
        task_log_page_unref(take(poll->page));
        rest(poll);
        return;
    }
    poll->state = POLL_OUT;
    logs->out_count++;
}

static void begin_waiting(void *owner)
{
    struct task_logs *logs = owner;
    list_each (node, &logs->polls) {
        struct poll *poll = container_of(node, struct poll, node);
        if (logs->out_count >= TASK_LOG_POLLS_MAX)
            return;
        if (poll->state != POLL_WAITING)
            continue;
        if (list_is_empty(&poll->waits))
            poll_free(poll);
        else
            begin(poll);
    }
}

static struct poll *poll_of(struct task_logs *logs, const struct task_log_wait *wait)
{
    list_each (node, &logs->polls) {
        struct poll *poll = container_of(node, struct poll, node);
        if (uuid_eq(poll->task, wait->task) && strcmp(poll->after, wait->after) == 0)
            return poll;
    }
    struct poll *poll = mem_new(struct poll);
    poll->logs = logs;
    poll->task = wait->task;
    memcpy(poll->after, wait->after, sizeof poll->after);
    poll->backoff = (struct backoff){ .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS };
    poll->is_placed = logs->loop->gateway->shard_count == 1;
    poll->rest = io_timer_create(logs->loop->io, rested, poll);
    list_init(&poll->waits);
    list_push(&logs->polls, &poll->node);
    logs->poll_count++;
    return poll;
}

void task_log_ask(struct task_logs *logs, struct task_log_wait *wait)
{
    list_push(&poll_of(logs, wait)->waits, &wait->node);
    io_turn_arm(logs->turn);
}

void task_log_leave(struct task_log_wait *wait)
{
    list_remove(&wait->node); /* a poll without waits goes when its answer comes, or its turn */
}

/* ── life ── */

bool task_logs_create(struct gateway_loop *loop, struct task_logs **ret_logs, struct err *e)
{
    struct task_logs *logs = mem_new(struct task_logs);
    logs->loop = loop;
    logs->turn = io_turn_create(loop->io, begin_waiting, logs);
    list_init(&logs->polls);
    for (size_t i = 0; i < loop->gateway->shard_count; i++)
        if (!worker_client_create(loop, i, &logs->workers[i], e)) {
            task_logs_destroy(logs);
            return false;
        }
    *ret_logs = logs;
    return true;
}

void task_logs_destroy(struct task_logs *logs)
{
    if (logs == NULL)
        return;
    for (size_t i = 0; i < logs->loop->gateway->shard_count; i++)
        worker_client_destroy(logs->workers[i]); /* answers what is out */
    list_each (node, &logs->polls)
        poll_free(container_of(node, struct poll, node));
    io_turn_destroy(logs->turn);
    mem_free(logs);
}
