#include "gateway/creates.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/await_worker.h"
#include "gateway/feed_priv.h"
#include "gateway/outbox.h"
#include "gateway/own_rows.h"
#include "gateway/shards.h"
#include "gateway/tasks.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "io/timer.h"
#include "store/public/mirror.h"

enum {
    BATCH_BYTES = 64 << 20,
    BODY_BYTES_MAX = 4 << 20,      /* of one request; a larger one goes alone */
    DB_MARGIN_US = 250 * CLOCK_MS, /* before the first request's deadline */
    OUTBOX_LEAST_US = 2 * CLOCK_S,
    HOLD_MS = 10, /* between two looks at whether the outbox is empty */
    HOLD_MAX_US = 1'500 * CLOCK_MS,
};

struct creates {
    struct gateway_loop *loop;
    size_t shard;
    struct list waiting; /* of struct create_call */
    struct io_turn *turn;
    struct io_timer *hold;
    int64_t held_since_us; /* 0: nothing is held back */
    size_t asking;         /* requests on their way; one, or more where calls go alone */
};

/* Calls that share one request and one statement. */
struct batch {
    struct creates *creates;
    struct arena *arena;
    size_t refs; /* the batch's own, and one each call whose cells point into it */
    struct create_call **calls;
    struct create_task **tasks;
    struct create_call **calls_of; /* whose each task is */
    size_t call_count, task_count;
    bool is_atomic, is_in_doubt;
    int64_t deadline_us; /* of the most urgent call */
    struct mirror_row *rows;
    struct uuid *row_ids;
    uint64_t epoch;         /* of own_rows */
    struct uuid *other_ids; /* duplicate_of, one a task; all zeroes: none */
    size_t row_count;
    struct outbox_put put;
};

static void turn_ended(void *owner);
static void to_outbox(struct batch *b);

struct creates *creates_create(struct gateway_loop *loop, size_t shard)
{
    struct creates *c = mem_new(struct creates);
    c->loop = loop;
    c->shard = shard;
    list_init(&c->waiting);
    c->turn = io_turn_create(loop->io, turn_ended, c);
    c->hold = io_timer_create(loop->io, turn_ended, c);
    return c;
}

void creates_destroy(struct creates *c)
{
    if (c == NULL)
        return;
    io_turn_destroy(c->turn);
    io_timer_destroy(c->hold);
    mem_free(c);
}

void creates_submit(struct creates *c, struct create_call *call)
{
    assert(call->count > 0);
    list_push(&c->waiting, &call->node);
    io_turn_arm(c->turn);
}

/* ── batches ── */

static void batch_unref(void *owner)
{
    struct batch *b = owner;
    if (--b->refs == 0)
        arena_destroy(b->arena);
}

static size_t bytes_of(const struct create_call *call)
{
    size_t bytes = 0;
    for (size_t i = 0; i < call->count; i++)
        bytes += call->tasks[i].body.len;
    return bytes;
}

static struct batch *batch_create(struct creates *c)
{
    struct arena *a = arena_create(BATCH_BYTES);
    struct batch *b = arena_new(a, struct batch);
    *b = (struct batch){ .creates = c, .arena = a, .refs = 1, .deadline_us = INT64_MAX };
    return b;
}

static void batch_add(struct batch *b, struct create_call *call)
{
    list_remove(&call->node);
    b->calls[b->call_count++] = call;
    for (size_t i = 0; i < call->count; i++) {
        b->calls_of[b->task_count] = call;
        b->tasks[b->task_count++] = &call->tasks[i];
    }
    b->is_atomic = call->is_atomic;
    b->deadline_us = min_of(b->deadline_us, call->deadline_us);
    b->refs++;
    arena_defer(call->arena, batch_unref, b);
}

static bool is_alone(const struct create_call *call)
{
    return call->is_atomic || call->was_refused;
}

/* The oldest call, and those behind it that fit beside it. */
static struct batch *batch_of_waiting(struct creates *c)
{
    struct batch *b = batch_create(c);
    size_t tasks = 0, calls = 0, bytes = 0;
    list_each (node, &c->waiting) {
        const struct create_call *call = container_of(node, struct create_call, node);
        size_t more = bytes_of(call);
        bool fits = !is_alone(call) && tasks + call->count <= CREATES_TOGETHER_MAX &&
                    bytes + more <= BODY_BYTES_MAX;
        if (calls > 0 && !fits)
            break;
        calls++;
        tasks += call->count;
        bytes += more;
        if (is_alone(call))
            break;
    }
    b->calls = arena_new_array(b->arena, calls, struct create_call *);
    b->tasks = arena_new_array(b->arena, tasks, struct create_task *);
    b->calls_of = arena_new_array(b->arena, tasks, struct create_call *);
    for (size_t i = 0; i < calls; i++)
        batch_add(b, container_of(c->waiting.next, struct create_call, node));
    return b;
}

static void batch_done(struct batch *b)
{
    for (size_t i = 0; i < b->call_count; i++)
        b->calls[i]->fn(b->calls[i]->owner);
    batch_unref(b);
}

static void batch_fail(struct batch *b, const struct err *e)
{
    for (size_t i = 0; i < b->task_count; i++)
        b->tasks[i]->err = *e;
    batch_done(b);
}

/* ── storing what the worker answered ── */

static void updated(void *owner, const struct db_reply *reply)
{
    if (reply->err != NULL) /* the mirror brings them all the same */
        log_debug("creates.not-stored", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    batch_done(owner);
}

static bool write_rows(struct batch *b, const struct db_step *steps, size_t count, db_reply_fn *fn)
{
    struct err e;
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = b->deadline_us - DB_MARGIN_US,
                                  .is_idempotent = true,
                                  .fn = fn,
                                  .owner = b };
    return db_pool_call(b->creates->loop->pool, &call, NULL, &e);
}

static struct own_rows *own_rows_of(const struct creates *c)
{
    return c->loop->gateway->own_rows[c->shard];
}

/* Rows that were there already (a repeat, or the mirror was quicker) may be older. */
static void inserted(void *owner, const struct db_reply *reply)
{
    struct batch *b = owner;
    bool is_done = reply->err == NULL && db_rows_affected(reply->rows[1]) == b->row_count;
    if (is_done)
        own_rows_add(own_rows_of(b->creates), b->epoch, b->row_ids, b->row_count);
    if (reply->err != NULL || is_done) {
        updated(b, reply);
        return;
    }
    const struct db_step steps[] = {
        mirror_async_step(), task_mirror_update_step(b->arena, b->rows, b->row_count, false)
    };
    if (!write_rows(b, steps, countof(steps), updated))
        batch_done(b);
}

static void store_rows(struct batch *b)
{
    if (b->row_count == 0) {
        batch_done(b);
        return;
    }
    b->epoch = own_rows_epoch(own_rows_of(b->creates));
    const struct db_step steps[] = {
        mirror_async_step(), task_mirror_insert_step(b->arena, b->rows, b->row_count, true,
                                                     (int16_t)b->creates->shard)
    };
    if (!write_rows(b, steps, countof(steps), inserted))
        batch_done(b);
}

/* What the worker told replaces what was guessed; its answer leaves out the payload. */
static void accept(struct batch *b, struct create_task *task, const struct worker_row *row)
{
    for (int c = 0; c < COL_tasks_COUNT; c++)
        if (row->told & UINT64_C(1) << c)
            task->cells[c] = row->cells[c];
    task->cells[COL_tasks_accepted] = STR("t");
    task->is_accepted = true;
    b->row_ids[b->row_count] = task->id;
    b->rows[b->row_count++] = (struct mirror_row){ row->told, task->cells };
}

static const struct json_value *find_task(const struct json_value *tasks, struct uuid id)
{
    struct uuid found;
    for (size_t i = 0; tasks != NULL && tasks->type == JSON_ARRAY && i < tasks->item_count; i++) {
        const struct json_value *text = json_get_c(&tasks->items[i], "id");
        if (text != NULL && text->type == JSON_STRING && uuid_parse(text->text, &found) &&
            uuid_eq(found, id))
            return &tasks->items[i];
    }
    return NULL;
}

/* The tasks that hold the keys: they are the answer, and no rows are added twice for one. */
static void got_others(void *owner, const struct worker_reply *reply)
{
    struct batch *b = owner;
    const struct uuid none = { 0 };
    for (size_t i = 0; i < b->task_count; i++) {
        struct create_task *task = b->tasks[i];
        struct worker_row row;
        if (uuid_eq(b->other_ids[i], none))
            continue;
        const struct json_value *other =
            find_task(json_get_c(reply->body, "tasks"), b->other_ids[i]);
        if (other == NULL) {
            (void)err_set_from(&task->err, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                               "another task holds this idempotencyKey, and could not be read");
        } else if (worker_read_task(b->arena, other, &row, &task->err)) {
            memcpy(task->cells, row.cells, COL_tasks_COUNT * sizeof *row.cells);
            worker_complete_row(tasks_table(), task->cells);
            task->cells[COL_tasks_shard] = shards_cell(b->creates->shard);
            task->is_accepted = true;
        }
    }
    store_rows(b);
}

static bool ask_for_others(struct batch *b)
{
    const struct uuid none = { 0 };
    struct buf body;
    struct err e;
    size_t count = 0;
    buf_init(&body, 0);
    buf_put_c(&body, "{\"ids\":[");
    for (size_t i = 0; i < b->task_count; i++) {
        char id[UUID_TEXT_LEN + 1];
        if (uuid_eq(b->other_ids[i], none))
            continue;
        uuid_format(b->other_ids[i], id);
        buf_printf(&body, "%s\"%s\"", count++ > 0 ? "," : "", id);
    }
    buf_put_c(&body, "]}");
    const struct worker_call_options options = {
        .path = "/v1/tasks:get",
        .body = buf_str(&body),
        .arena = b->arena,
        .deadline_us = b->deadline_us - DB_MARGIN_US,
        .fn = got_others,
        .owner = b,
    };
    bool is_asked = count > 0 && worker_client_call(b->creates->loop->workers[b->creates->shard], &options, &e);
    buf_clear(&body);
    if (count > 0 && !is_asked) {
        const struct worker_reply reply = { .err = &e };
        got_others(b, &reply);
    }
    return count > 0;
}

/* ── the worker ── */

/* All-or-none calls do not vouch for their ids: a request that libcurl sent twice would be refused
 * as a whole. */
static bool is_vouched(const struct batch *b, const struct create_task *task)
{
    return task->is_fresh && !b->is_atomic;
}

/* The worker's place in its request ("tasks[7].type: …") as the caller's in his. */
static void tell_refusal(struct create_task *task, const struct create_call *call, size_t index,
                         enum err_code code, struct str message)
{
    static const struct str depends_on = { "depends_on", 10 };
    char place[32] = "input";
    message = str_starts_with(message, STR("$.")) ? str_from(message, 2) : message;
    ptrdiff_t end = str_find(message, STR("]."));
    bool has_place = str_starts_with(message, STR("tasks[")) && end > 0;
    struct str rest = has_place ? str_from(message, (size_t)end + 2) : message;
    if (call->is_atomic)
        snprintf(place, sizeof place, "inputs[%zu]", index);
    if (str_starts_with(rest, depends_on))
        (void)err_set_from(&task->err, ERR_ORIGIN_WORKER, code, "%s.dependsOn%.*s", place,
                           STR_FMT(str_first(str_from(rest, depends_on.len), 150)));
    else if (has_place)
        (void)err_set_from(&task->err, ERR_ORIGIN_WORKER, code, "%s.%.*s", place,
                           STR_FMT(str_first(rest, 150)));
    else if (call->is_atomic)
        (void)err_set_from(&task->err, ERR_ORIGIN_WORKER, code, "%s: %.*s", place,
                           STR_FMT(str_first(message, 150)));
    else
        (void)err_set_from(&task->err, ERR_ORIGIN_WORKER, code, "%.*s",
                           STR_FMT(str_first(message, 180)));
}

static struct str text_of(const struct json_value *v)
{
    return v != NULL && v->type == JSON_STRING ? v->text : (struct str){ 0 };
}

static void read_result(struct batch *b, size_t i, const struct json_value *result)
{
    struct create_task *task = b->tasks[i];
    const struct json_value *stored = json_get_c(result, "task"),
                            *error = json_get_c(result, "error");
    struct str other = text_of(json_get_c(result, "duplicate_of")),
               message = text_of(json_get_c(error, "message"));
    enum err_code code = worker_error_code(text_of(json_get_c(error, "code")));
    struct worker_row row;
    if (stored != NULL) {
        if (worker_read_task(b->arena, stored, &row, &task->err))
            accept(b, task, &row);
    } else if (!str_is_empty(other) && uuid_parse(other, &b->other_ids[i])) {
        return;
    } else if (code == ERR_CONFLICT && is_vouched(b, task)) {
        b->other_ids[i] = task->id; /* the request came twice: it is stored */
    } else if (!str_is_empty(message)) {
        tell_refusal(task, b->calls_of[i], 0, code, message);
    } else {
        (void)err_set(&task->err, ERR_INTERNAL, "the worker's result is neither task nor error");
    }
}

/* One of them is what the worker cannot take; the others are not to suffer for it. */
static void ask_singly(struct batch *b)
{
    struct creates *c = b->creates;
    for (size_t i = b->call_count; i-- > 0;) {
        b->calls[i]->was_refused = true;
        list_push_front(&c->waiting, &b->calls[i]->node);
    }
    io_turn_arm(c->turn);
    batch_unref(b);
}

/* Of an all-or-none call the answer tells which one. */
static void refuse_all(struct batch *b, const struct worker_reply *reply)
{
    struct err e = *reply->err;
    if (b->call_count > 1) {
        ask_singly(b);
        return;
    }
    bool is_told = b->is_atomic ? reply->index >= 0 && (size_t)reply->index < b->task_count
                                : b->task_count == 1;
    if (is_told) {
        tell_refusal(b->tasks[0], b->calls[0], b->is_atomic ? (size_t)reply->index : 0, e.code,
                     str_of_c(reply->err->message));
        e = b->tasks[0]->err;
    }
    batch_fail(b, &e);
}

static void replied(void *owner, const struct worker_reply *reply)
{
    struct batch *b = owner;
    struct creates *c = b->creates;
    const struct json_value *results = json_get_c(reply->body, "results");
    bool is_read =
        results != NULL && results->type == JSON_ARRAY && results->item_count == b->task_count;
    c->asking--;
    if (!list_is_empty(&c->waiting))
        io_turn_arm(c->turn);
    if (!is_read) {
        b->is_in_doubt = reply->body != NULL || reply->is_in_doubt;
        if (reply->err != NULL && !reply->is_away && !reply->is_in_doubt)
            refuse_all(b, reply);
        else
            to_outbox(b);
        return;
    }
    b->rows = arena_new_array(b->arena, b->task_count, struct mirror_row);
    b->row_ids = arena_new_array(b->arena, b->task_count, struct uuid);
    b->other_ids = arena_new_array(b->arena, b->task_count, struct uuid);
    for (size_t i = 0; i < b->task_count; i++)
        read_result(b, i, &results->items[i]);
    if (!ask_for_others(b))
        store_rows(b);
}

static void put_task(struct buf *out, const struct batch *b, const struct create_task *task)
{
    if (!is_vouched(b, task)) {
        buf_put_str(out, task->body);
        return;
    }
    buf_put(out, task->body.ptr, task->body.len - 1); /* without its brace */
    buf_put_c(out, ",\"is_fresh\":true}");
}

static void ask(struct batch *b)
{
    struct creates *c = b->creates;
    int64_t now_us = clock_mono_us();
    int64_t wait_us = await_worker_create_us(c->loop, b->deadline_us, now_us);
    struct buf body;
    struct err e;
    buf_init(&body, 0);
    buf_put_c(&body, "{\"tasks\":[");
    for (size_t i = 0; i < b->task_count; i++) {
        if (i > 0)
            buf_put_char(&body, ',');
        put_task(&body, b, b->tasks[i]);
    }
    buf_put_c(&body, b->is_atomic ? "],\"is_atomic\":true}" : "],\"is_atomic\":false}");
    const struct worker_call_options options = { .path = "/v1/tasks",
                                                 .body = buf_str(&body),
                                                 .arena = b->arena,
                                                 .deadline_us = now_us + wait_us,
                                                 .fn = replied,
                                                 .owner = b };
    bool is_asked = worker_client_call(c->loop->workers[c->shard], &options, &e);
    buf_clear(&body);
    if (is_asked)
        c->asking++;
    else
        to_outbox(b);
}

/* ── the outbox ── */

static void kept(void *owner, const struct err *e)
{
    struct batch *b = owner;
    if (e != NULL)
        batch_fail(b, e);
    else
        batch_done(b);
}

static void to_outbox(struct batch *b)
{
    struct outbox_entry *entries = arena_new_array(b->arena, b->task_count, struct outbox_entry);
    struct mirror_row *rows = arena_new_array(b->arena, b->task_count, struct mirror_row);
    struct err e;
    for (size_t i = 0; i < b->task_count; i++) {
        const struct create_task *task = b->tasks[i];
        entries[i] = (struct outbox_entry){ .id = uuid_v7(),
                                            .kind = OUTBOX_KIND_TASK,
                                            .subject_id = task->id,
                                            .body = task->body,
                                            .is_sent = b->is_in_doubt };
        rows[i] = (struct mirror_row){ .cells = task->cells };
    }
    b->put = (struct outbox_put){
        .loop = b->creates->loop,
        .shard = b->creates->shard,
        .arena = b->arena,
        .entries = entries,
        .entry_count = b->task_count,
        .tasks = rows,
        .task_count = b->task_count,
        .deadline_us = max_of(b->deadline_us - DB_MARGIN_US, clock_mono_us() + OUTBOX_LEAST_US),
        .fn = kept,
        .owner = b,
    };
    if (!outbox_begin(&b->put, &e))
        batch_fail(b, &e);
}

/*
 * The worker is back and what waits for it is almost sent: what comes now is held back until it is,
 * so that the outbox becomes empty however much comes.
 */
static bool holds_back(struct creates *c)
{
    const struct gateway *gw = c->loop->gateway;
    int64_t now_us = io_loop_now_us(c->loop->io);
    if (!feed_is_up(gw, c->shard) || feed_shard_outbox_waiting(gw, c->shard) > CREATES_TOGETHER_MAX)
        return false;
    if (c->held_since_us == 0)
        c->held_since_us = now_us;
    if (now_us - c->held_since_us > HOLD_MAX_US)
        return false;
    io_timer_start(c->hold, HOLD_MS);
    return true;
}

/* At the turn's end, so that what came in one turn leaves together. */
static void turn_ended(void *owner)
{
    struct creates *c = owner;
    while (!list_is_empty(&c->waiting)) {
        bool is_queued = outbox_is_waiting(c->loop->gateway, c->shard);
        bool goes_alone = is_alone(container_of(c->waiting.next, struct create_call, node));
        if (is_queued && holds_back(c))
            return;
        if (!is_queued)
            c->held_since_us = 0;
        if (!is_queued && !goes_alone && c->asking > 0)
            return;
        struct batch *b = batch_of_waiting(c);
        if (is_queued)
            to_outbox(b);
        else
            ask(b);
    }
}
