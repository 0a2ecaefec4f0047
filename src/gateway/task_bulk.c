/*
 * task_bulk: Mutation.retryTasks, cancelTasks, deleteTasks. The rows are found in the mirror by the
 * filter of Query.tasks, all of them before anything is done, and go to the worker with the
 * versions that were seen, a page at a time; what it has done is stored before the next page.
 *
 *   select a page ──▶ … ──▶ (all are known) ──▶ ask the worker ──▶ store ──▶ … ──▶ audit ──▶ answer
 *                                                   `── away, or it broke off ──▶ audit ──▶ error
 *
 * Source: docs/protocol.md "POST /v1/tasks:bulk".
 */
#include "base/clock.h"
#include "base/mem.h"
#include "gateway/audited.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/shards.h"
#include "gateway/task_bulk_report.h"
#include "gateway/tasks_list.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "json/writer.h"
#include "store/public/audit.h"
#include "store/public/mirror.h"
#include "store/public/task_mirror.h"

enum {
    SELECT_ROWS = 10'000, /* of one read */
    ASK_TASKS = 2'000,    /* of one call of the worker, which takes 10,000 */
    REFUSED_MAX = 100,    /* that are named */
    STORE_MARGIN_US = CLOCK_S,
    PAGE_BYTES = 64 << 20, /* of one answer, parsed */
};

static const uint64_t columns =
    SELECT_BIT(COL_tasks_id) | SELECT_BIT(COL_tasks_version) | SELECT_BIT(COL_tasks_shard);

struct action {
    const char *name; /* as the worker calls it */
    const char *audit;
    bool needs_filter;
};

static const struct action retry_action = { "retry", "tasks.retry", false },
                           cancel_action = { "cancel", "tasks.cancel", true },
                           delete_action = { "delete", "tasks.delete", true };

struct target {
    struct uuid id;
    int64_t version; /* 0: the worker never took it */
    size_t shard;
};

struct refusal {
    struct uuid id;
    struct str reason;
};

struct bulk {
    struct gql_step *step;
    const struct action *action;
    struct task_filter filter;
    const struct select_filter *where;
    bool is_dry;
    int64_t as_of_us, targets_max;
    struct target *targets; /* on the heap; those that are none of the worker's are taken out */
    size_t count, capacity, matched;
    size_t at, to;      /* those that the worker is asked for */
    struct arena *page; /* of the worker's answer, until it is stored */
    int64_t done, refused_count;
    struct refusal refused[REFUSED_MAX];
    void *refused_objects[REFUSED_MAX];
    size_t refused_shown;
    bool is_in_doubt; /* nobody knows what became of the page that was asked last */
    struct err broke;
};

static void next_page(struct bulk *b);
static enum gql_next select_more(struct bulk *b);

static void free_bulk(void *owner)
{
    struct bulk *b = owner;
    mem_free(b->targets);
    arena_destroy(b->page);
}

/* ── the end ── */

static void told(struct gql_step *step, const struct db_reply *reply)
{
    const struct bulk *b = step->host;
    (void)reply; /* the error says that it was done, whether or not it could be written */
    (void)gql_step_fail(step, &b->broke);
}

static void add_numbers(struct bulk *b, struct task_bulk_report *report)
{
    *report = (struct task_bulk_report){ .filter = gql_arg(b->step, "filter"),
                                         .as_of_us = b->as_of_us,
                                         .matched = (int64_t)b->matched,
                                         .done = b->done,
                                         .refused = b->refused_count };
}

/* What was done before stays done. */
static void break_off(struct bulk *b, const struct err *why)
{
    struct task_bulk_report report;
    struct err e = *why;
    if ((b->done == 0 && !b->is_in_doubt) || b->is_dry) {
        (void)gql_step_fail(b->step, &e);
        return;
    }
    (void)err_set_from(&b->broke, e.origin, e.code,
                       "broken off after %lld of %zu tasks were done: %.100s", (long long)b->done,
                       b->matched, e.message);
    add_numbers(b, &report);
    report.broke = b->broke.message;
    struct audit_entry *entry = arena_new(b->step->arena, struct audit_entry);
    *entry = (struct audit_entry){ .actor = await_request(b->step)->credential->owner,
                                   .action = str_of_c(b->action->audit),
                                   .subject = STR("tasks"),
                                   .detail = task_bulk_describe(b->step->arena, &report) };
    struct db_step add = audit_add_step(b->step->arena, entry);
    (void)await_db_any(b->step, DB_LANE_WRITE, &add, 1, told);
}

static void finish(struct bulk *b)
{
    struct task_bulk_report report;
    b->step->results[0] = gql_object(b);
    if (b->is_dry) {
        gql_step_finish(b->step);
        return;
    }
    add_numbers(b, &report);
    audited_finish(b->step, b->action->audit, STR("tasks"),
                   task_bulk_describe(b->step->arena, &report));
}

/* ── the worker ── */

static void refuse(struct bulk *b, struct uuid id, struct str reason)
{
    struct refusal *r = &b->refused[b->refused_shown];
    if (b->refused_shown == REFUSED_MAX)
        return;
    *r = (struct refusal){ id, arena_copy(b->step->arena, reason) };
    b->refused_objects[b->refused_shown++] = r;
}

static void stored(struct gql_step *step, const struct db_reply *reply)
{
    struct bulk *b = step->host;
    arena_destroy(take(b->page));
    if (reply->err != NULL)
        break_off(b, reply->err);
    else if (b->broke.code != ERR_NONE)
        break_off(b, &b->broke);
    else
        next_page(b);
}

/* So that whoever asked can read it at once; what the feed tells later is no newer. */
static void store(struct bulk *b, const struct json_value *tasks)
{
    struct arena *a = b->page;
    size_t count = 0, n = tasks != NULL && tasks->type == JSON_ARRAY ? tasks->item_count : 0;
    struct mirror_row *rows = arena_new_array(a, n, struct mirror_row);
    struct uuid *ids = arena_new_array(a, n, struct uuid);
    for (size_t i = 0; i < n; i++) {
        struct worker_row row;
        struct err e;
        if (!worker_read_task(a, &tasks->items[i], &row, &e))
            continue; /* the mirror will know */
        (void)uuid_parse(row.cells[COL_tasks_id], &ids[count]);
        rows[count++] = (struct mirror_row){ row.told, row.cells };
    }
    const struct db_step steps[] = {
        mirror_async_step(),
        b->action == &delete_action ? task_mirror_drop_step(a, ids, count)
                                    : task_mirror_update_step(a, rows, count, false),
    };
    (void)await_db_any(b->step, DB_LANE_WRITE, steps, countof(steps), stored);
}

static int64_t number_of(const struct json_value *body, struct str name)
{
    const struct json_value *v = json_get(body, name);
    int64_t number = 0;
    return v != NULL && v->type == JSON_NUMBER && json_to_i64(v, &number) ? number : 0;
}

static void take_refused(struct bulk *b, const struct json_value *list)
{
    for (size_t i = 0; list != NULL && list->type == JSON_ARRAY && i < list->item_count; i++) {
        const struct json_value *id = json_get_c(&list->items[i], "id");
        const struct json_value *reason = json_get_c(&list->items[i], "reason");
        struct uuid uuid;
        if (id != NULL && id->type == JSON_STRING && uuid_parse(id->text, &uuid))
            refuse(b, uuid, reason != NULL && reason->type == JSON_STRING ? reason->text : STR(""));
    }
}

/* It broke off in the middle: `tasks` are what it has done. */
static void take_error(struct bulk *b, const struct json_value *error)
{
    const struct json_value *code = json_get_c(error, "code");
    const struct json_value *message = json_get_c(error, "message");
    if (error == NULL || error->type != JSON_OBJECT)
        return;
    (void)err_set_from(&b->broke, ERR_ORIGIN_WORKER,
                       code != NULL ? worker_error_code(code->text) : ERR_UNAVAILABLE, "%.*s",
                       message != NULL ? (int)min_of(message->text.len, (size_t)150) : 0,
                       message != NULL ? message->text.ptr : "");
}

static void replied(void *owner, const struct worker_reply *reply)
{
    struct bulk *b = owner;
    if (reply->body == NULL) {
        struct err e = *reply->err;
        if (reply->is_in_doubt)
            (void)err_set_from(&e, ERR_ORIGIN_WORKER, reply->err->code,
                               "the Worker Service did not answer; %zu more may or may not have "
                               "been done",
                               b->to - b->at);
        b->is_in_doubt = reply->is_in_doubt;
        arena_destroy(take(b->page));
        break_off(b, &e);
        return;
    }
    b->done += number_of(reply->body, STR("done"));
    b->refused_count += number_of(reply->body, STR("refused_count"));
    take_refused(b, json_get_c(reply->body, "refused"));
    take_error(b, json_get_c(reply->body, "error"));
    b->at = b->to;
    if (!b->is_dry) {
        store(b, json_get_c(reply->body, "tasks"));
        return;
    }
    arena_destroy(take(b->page));
    next_page(b);
}

static struct str body_of(struct bulk *b)
{
    struct str label = await_request(b->step)->credential->owner.label;
    struct buf out;
    char id[UUID_TEXT_LEN + 1];
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    json_key_c(&w, "action");
    json_write_string(&w, str_of_c(b->action->name));
    json_key_c(&w, "actor");
    json_write_string(&w, arena_printf(b->page, "bulk:%.*s", STR_FMT(label)));
    json_key_c(&w, "dry_run");
    json_write_bool(&w, b->is_dry);
    json_key_c(&w, "tasks");
    json_begin_array(&w);
    for (size_t i = b->at; i < b->to; i++) {
        uuid_format(b->targets[i].id, id);
        json_begin_object(&w);
        json_key_c(&w, "id");
        json_write_string(&w, str_of(id, UUID_TEXT_LEN));
        json_key_c(&w, "version");
        json_write_string(&w, arena_printf(b->page, "%lld", (long long)b->targets[i].version));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    struct str body = arena_copy(b->page, buf_str(&out));
    buf_clear(&out);
    return body;
}

static void next_page(struct bulk *b)
{
    const struct request *r = await_request(b->step);
    struct err e;
    if (b->at == b->count) {
        finish(b);
        return;
    }
    size_t shard = b->targets[b->at].shard;
    for (b->to = b->at; b->to < b->count && b->to < b->at + ASK_TASKS; b->to++)
        if (b->targets[b->to].shard != shard)
            break;
    b->page = arena_create(PAGE_BYTES);
    const struct worker_call_options options = {
        .path = "/v1/tasks:bulk",
        .body = body_of(b),
        .arena = b->page,
        .deadline_us = r->deadline_us - STORE_MARGIN_US,
        .fn = replied,
        .owner = b,
    };
    if (worker_client_call(r->loop->workers[shard], &options, &e))
        return;
    arena_destroy(take(b->page));
    break_off(b, &e);
}

/* ── what matches ── */

static int by_shard(const void *one, const void *other)
{
    const struct target *a = one, *b = other;
    int order = (a->shard > b->shard) - (a->shard < b->shard);
    return order != 0 ? order : memcmp(&a->id, &b->id, sizeof a->id);
}

/* What waits in the outbox, or was refused on its way, is none of the worker's. */
static void sort_out(struct bulk *b)
{
    size_t kept = 0;
    b->matched = b->count;
    for (size_t i = 0; i < b->count; i++) {
        if (b->targets[i].version > 0) {
            b->targets[kept++] = b->targets[i];
            continue;
        }
        b->refused_count++;
        refuse(b, b->targets[i].id, STR("the Worker Service has not accepted it"));
    }
    b->count = kept;
}

static void all_selected(struct bulk *b)
{
    const struct gql_value *expected = gql_arg(b->step, "expectedCount");
    struct err e;
    if (!gql_is_null(expected) && expected->integer != (int64_t)b->count) {
        (void)err_set(&e, ERR_CONFLICT, "expectedCount: %lld were expected, but %zu tasks match",
                      (long long)expected->integer, b->count);
        (void)gql_step_fail(b->step, &e);
        return;
    }
    sort_out(b);
    if (await_request(b->step)->loop->gateway->shard_count > 1 && b->count > 1)
        qsort(b->targets, b->count, sizeof *b->targets, by_shard); /* they come by id */
    next_page(b);
}

static void selected(struct gql_step *step, const struct db_reply *reply)
{
    struct bulk *b = step->host;
    struct err e;
    if (reply->err != NULL) {
        tasks_list_fail(step, task_filter_dearest(&b->filter), reply->err);
        return;
    }
    const struct gateway *gw = await_request(step)->loop->gateway;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    if (b->count + n > b->capacity) {
        b->capacity = max_of(b->count + n, b->capacity * 2);
        b->targets = mem_resize(b->targets, b->capacity, sizeof *b->targets);
    }
    for (size_t i = 0; i < n; i++)
        b->targets[b->count++] = (struct target){
            db_rows_uuid(rows, i, select_position(columns, COL_tasks_id)),
            db_rows_i64(rows, i, select_position(columns, COL_tasks_version)),
            shards_of_number(gw, db_rows_i64(rows, i, select_position(columns, COL_tasks_shard))),
        };
    if ((int64_t)b->count > b->targets_max) {
        (void)err_set(&e, ERR_INVALID,
                      "filter: more than %lld tasks match, and no bulk action takes more "
                      "(bulk-max); narrow it, for instance by type or createdBefore",
                      (long long)b->targets_max);
        (void)gql_step_fail(step, &e);
    } else if (n < SELECT_ROWS) {
        all_selected(b);
    } else {
        (void)select_more(b);
    }
}

static enum gql_next select_more(struct bulk *b)
{
    static const struct select_order by_id = { COL_tasks_id, false };
    struct arena *a = b->step->arena;
    struct str *after = arena_new(a, struct str);
    if (b->count > 0)
        *after = record_cell_of_uuid(a, b->targets[b->count - 1].id);
    const struct select select = {
        .table = tasks_table(),
        .columns = columns,
        .filter = b->where,
        .orders = &by_id,
        .order_count = 1,
        .after = b->count > 0 ? after : NULL,
        .limit = SELECT_ROWS,
    };
    const struct db_step read = { select_statement(a, &select), select_args(a, &select) };
    return await_db_any(b->step, DB_LANE_SLOW, &read, 1, selected);
}

/* The filter, and what was there and has not changed since. */
static const struct select_filter *where_of(const struct bulk *b)
{
    struct arena *a = b->step->arena;
    const struct task_filter_clock clock = tasks_list_clock(b->step);
    const struct select_filter *filter = task_filter_select(&b->filter, &clock, a);
    struct select_filter *items = arena_new_array(a, 3, struct select_filter);
    struct select_filter *all = arena_new(a, struct select_filter);
    struct str bound = record_cell_of_time(a, b->as_of_us + 1);
    items[0] =
        (struct select_filter){ SELECT_LESS, .column = COL_tasks_created_at, .value = bound };
    items[1] =
        (struct select_filter){ SELECT_LESS, .column = COL_tasks_updated_at, .value = bound };
    if (filter != NULL)
        items[2] = *filter;
    *all =
        (struct select_filter){ SELECT_ALL, .items = items, .item_count = filter != NULL ? 3 : 2 };
    return all;
}

static bool read_arguments(struct bulk *b, struct err *e)
{
    const struct gql_step *step = b->step;
    const struct gql_value *as_of = gql_arg(step, "asOf"), *dry_run = gql_arg(step, "dryRun");
    const struct gql_value *expected = gql_arg(step, "expectedCount");
    int64_t now_us = clock_wall_us();
    if (!task_filter_read(gql_arg(step, "filter"), step->arena, &b->filter, e))
        return false;
    if (b->action->needs_filter && task_filter_names_nothing(&b->filter))
        return err_set(e, ERR_INVALID, "filter: is empty; name at least one field");
    if (!gql_is_null(expected) && expected->integer < 0)
        return err_set(e, ERR_INVALID, "expectedCount: must not be negative");
    b->as_of_us = gql_is_null(as_of) ? now_us : min_of(as_of->integer, now_us);
    b->is_dry = !gql_is_null(dry_run) && dry_run->boolean;
    return true;
}

static enum gql_next resolve(struct gql_step *step, const struct action *action)
{
    struct bulk *b = arena_new(step->arena, struct bulk);
    const struct request *r = await_request(step);
    struct err e;
    *b = (struct bulk){ .step = step, .action = action };
    b->targets_max = conf_int(r->loop->gateway->conf, CONF_BULK_MAX);
    step->host = b;
    arena_defer(step->arena, free_bulk, b);
    if (!read_arguments(b, &e))
        return gql_step_fail(step, &e);
    b->where = where_of(b);
    return select_more(b);
}

static enum gql_next resolve_retry(struct gql_step *step)
{
    return resolve(step, &retry_action);
}

static enum gql_next resolve_cancel(struct gql_step *step)
{
    return resolve(step, &cancel_action);
}

static enum gql_next resolve_delete(struct gql_step *step)
{
    return resolve(step, &delete_action);
}

/* ── BulkResult ── */

static void get_matched(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int((int64_t)b->matched);
}

static void get_done(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(b->done);
}

static void get_refused_count(const struct gql_field *f, void *ctx, void *parent,
                              struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(b->refused_count);
}

static void get_refused(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct bulk *b = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(b->refused_objects, b->refused_shown);
}

static void get_id(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct refusal *refused = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_id(r->arena, refused->id);
}

static void get_reason(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct refusal *refused = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(refused->reason);
}

const struct gateway_binding bindings_task_bulk[] = {
    { "Mutation.retryTasks", { .resolve = resolve_retry } },
    { "Mutation.cancelTasks", { .resolve = resolve_cancel } },
    { "Mutation.deleteTasks", { .resolve = resolve_delete } },
    { "BulkResult.matched", { .get = get_matched } },
    { "BulkResult.done", { .get = get_done } },
    { "BulkResult.refusedCount", { .get = get_refused_count } },
    { "BulkResult.refused", { .get = get_refused } },
    { "BulkRefusal.id", { .get = get_id } },
    { "BulkRefusal.reason", { .get = get_reason } },
    { 0 },
};
