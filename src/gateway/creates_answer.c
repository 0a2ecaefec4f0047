/* What the worker answered to new tasks: rows that are stored, others' that are asked for,
 * refusals, and what it leaves open. */
#include "gateway/creates_priv.h"

#include "base/log.h"
#include "gateway/own_rows.h"
#include "gateway/shards.h"
#include "gateway/tasks.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "store/public/mirror.h"

/* ── storing it ── */

static struct own_rows *own_rows_of(const struct creates *c)
{
    return c->loop->gateway->own_rows[c->shard];
}

void creates_claim(struct creates_batch *b)
{
    b->fresh_ids = arena_new_array(b->arena, b->task_count, struct uuid);
    b->fresh_count = 0;
    for (size_t i = 0; i < b->task_count; i++)
        if (b->tasks[i]->is_fresh)
            b->fresh_ids[b->fresh_count++] = b->tasks[i]->id;
    b->epoch = own_rows_begin_put(own_rows_of(b->creates), b->fresh_ids, b->fresh_count);
}

void creates_let_go(struct creates_batch *b)
{
    if (b->fresh_count > 0)
        own_rows_end_put(own_rows_of(b->creates), b->epoch, b->fresh_ids, b->fresh_count, false);
    b->fresh_count = 0;
}

static void stored(struct creates_batch *b, const struct err *e, bool is_all)
{
    if (e != NULL) /* the mirror brings them all the same */
        log_debug("creates.not-stored", "error=%s", log_quote(str_of_c(err_text(e))));
    else if (is_all)
        own_rows_end_put(own_rows_of(b->creates), b->epoch, b->row_ids, b->row_count, true);
    creates_keep_left(b);
}

static void write_rows(struct creates_batch *b, const struct db_step *steps, size_t count,
                       db_reply_fn *fn)
{
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = b->deadline_us - CREATES_DB_MARGIN_US,
                                  .is_idempotent = true,
                                  .fn = fn,
                                  .owner = b };
    struct err e;
    if (!db_pool_call(b->creates->loop->pool, &call, NULL, &e))
        creates_keep_left(b);
}

/* A row that was not written is there in a newer version: what has come to it the mirror tells. */
static void put(void *owner, const struct db_reply *reply)
{
    struct creates_batch *b = owner;
    bool is_all = reply->err == NULL && db_rows_affected(reply->rows[1]) == b->row_count;
    stored(b, reply->err, is_all);
}

static void put_rows(struct creates_batch *b)
{
    const struct db_step steps[] = { mirror_async_step(),
                                     task_mirror_put_step(b->arena, b->rows, b->row_count, true,
                                                          (int16_t)b->creates->shard) };
    write_rows(b, steps, countof(steps), put);
}

/* Somebody else stored one before: another gateway that keeps the mirror now, say. */
static void added(void *owner, const struct db_reply *reply)
{
    struct creates_batch *b = owner;
    if (reply->err != NULL && strcmp(reply->sqlstate, DB_STATE_UNIQUE_VIOLATION) == 0)
        put_rows(b);
    else
        stored(b, reply->err, reply->err == NULL);
}

/* Whether nobody else can have stored one of them: made by these calls, and claimed. */
static bool are_all_fresh(const struct creates_batch *b)
{
    return b->epoch > 0 && b->fresh_count == b->task_count;
}

static void store_rows(struct creates_batch *b)
{
    struct db_step step;
    if (b->row_count == 0)
        creates_keep_left(b);
    else if (are_all_fresh(b) && task_mirror_add_step(b->arena, b->rows, b->row_count,
                                                      (int16_t)b->creates->shard, &step))
        write_rows(b, &step, 1, added);
    else
        put_rows(b);
}

static void accept(struct creates_batch *b, struct create_task *task)
{
    task->cells[COL_tasks_accepted] = STR("t");
    task->is_accepted = true;
    b->row_ids[b->row_count] = task->id;
    b->rows[b->row_count++] = (struct mirror_row){ .cells = task->cells };
}

/* One that was stored before. What the worker told replaces what was guessed; its answer leaves out
 * the payload. */
static void accept_stored(struct creates_batch *b, struct create_task *task,
                          const struct worker_row *row)
{
    for (int c = 0; c < COL_tasks_COUNT; c++)
        if (row->told & UINT64_C(1) << c)
            task->cells[c] = row->cells[c];
    accept(b, task);
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
    struct creates_batch *b = owner;
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

static bool ask_for_others(struct creates_batch *b)
{
    const struct uuid none = { 0 };
    struct uuid *ids = arena_new_array(b->arena, b->task_count, struct uuid);
    struct err e;
    size_t count = 0;
    for (size_t i = 0; i < b->task_count; i++)
        if (!uuid_eq(b->other_ids[i], none))
            ids[count++] = b->other_ids[i];
    if (count == 0)
        return false;
    const struct worker_call_options options = {
        .path = "/v1/tasks:get",
        .body = worker_ids_body(b->arena, ids, count, false),
        .arena = b->arena,
        .deadline_us = b->deadline_us - CREATES_DB_MARGIN_US,
        .fn = got_others,
        .owner = b,
    };
    if (!worker_client_call(b->creates->loop->workers[b->creates->shard], &options, &e)) {
        const struct worker_reply reply = { .err = &e };
        got_others(b, &reply);
    }
    return true;
}

/* ── reading it ── */

void creates_tell_refusal(struct create_task *task, const struct create_call *call, size_t index,
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

static void read_result(struct creates_batch *b, size_t i, const struct json_value *result)
{
    struct create_task *task = b->tasks[i];
    const struct json_value *created = json_get_c(result, "created");
    if (created != NULL) {
        if (worker_read_created(b->arena, created, task->cells, &task->err))
            accept(b, task);
        return;
    }
    const struct json_value *stored = json_get_c(result, "task"),
                            *error = json_get_c(result, "error");
    struct str other = json_get_text(result, STR("duplicate_of")),
               message = json_get_text(error, STR("message"));
    enum err_code code = worker_error_code(json_get_text(error, STR("code")));
    struct worker_row row;
    if (stored != NULL) {
        if (worker_read_task(b->arena, stored, &row, &task->err))
            accept_stored(b, task, &row);
    } else if (!str_is_empty(other) && uuid_parse(other, &b->other_ids[i])) {
        return;
    } else if (code == ERR_CONFLICT && creates_is_vouched(b, task)) {
        b->other_ids[i] = task->id; /* the request came twice: it is stored */
    } else if (!str_is_empty(message)) {
        int64_t status = 0;
        (void)json_get_i64(error, STR("status"), &status);
        creates_tell_refusal(task, b->calls_of[i], 0, code, message);
        creates_left_open(b, i, message, status);
    } else {
        (void)err_set(&task->err, ERR_INTERNAL, "the worker's result is neither task nor error");
    }
}

void creates_take_results(struct creates_batch *b, const struct json_value *results)
{
    b->rows = arena_new_array(b->arena, b->task_count, struct mirror_row);
    b->row_ids = arena_new_array(b->arena, b->task_count, struct uuid);
    b->other_ids = arena_new_array(b->arena, b->task_count, struct uuid);
    for (size_t i = 0; i < b->task_count; i++)
        read_result(b, i, &results[i]);
    if (!ask_for_others(b))
        store_rows(b);
}
