/* The worker is asked for what a bulk action matched, a page at a time, and what it did is told. */
#include "gateway/task_bulk_priv.h"

#include "base/clock.h"
#include "gateway/await.h"
#include "gateway/task_bulk_report.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "json/writer.h"
#include "store/public/mirror.h"
#include "store/public/task_mirror.h"

enum {
    ASK_TASKS = 2'000, /* of one call of the worker, which takes 10,000 */
    STORE_MARGIN_US = CLOCK_S,
    PAGE_BYTES = 64 << 20, /* of one answer, parsed */
};

static void next_page(struct bulk *b);

/* ── the end ── */

static void add_numbers(const struct bulk *b, struct task_bulk_report *report)
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
    if (b->is_dry) {
        (void)gql_step_fail(b->step, &e);
        return;
    }
    if (b->at == 0 && !b->is_in_doubt) { /* no page was answered: no worker has a record */
        (void)audited_drop(b->step, &b->act, &e);
        return;
    }
    (void)err_set_from(&b->broke, e.origin, e.code,
                       "broken off after %lld of %zu tasks were done: %.100s", (long long)b->done,
                       b->matched, e.message);
    add_numbers(b, &report);
    report.broke = b->broke.message;
    b->act.detail = task_bulk_describe(b->step->arena, &report);
    (void)audited_fail(b->step, &b->act, &b->broke);
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
    b->act.detail = task_bulk_describe(b->step->arena, &report);
    b->act.is_kept = b->count > 0; /* else no worker was asked */
    audited_finish(b->step, &b->act);
}

/* ── the worker ── */

void task_bulk_refuse(struct bulk *b, struct uuid id, struct str reason)
{
    struct bulk_refusal *r = &b->refused[b->refused_shown];
    if (b->refused_shown == BULK_REFUSED_MAX)
        return;
    *r = (struct bulk_refusal){ id, arena_copy(b->step->arena, reason) };
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
        b->action->is_delete ? task_mirror_drop_step(a, ids, count)
                             : task_mirror_update_step(a, rows, count),
    };
    (void)await_db_any(b->step, DB_LANE_WRITE, steps, countof(steps), stored);
}

static int64_t number_of(const struct json_value *body, struct str name)
{
    int64_t number = 0;
    (void)json_get_i64(body, name, &number);
    return number;
}

static void take_refused(struct bulk *b, const struct json_value *list)
{
    for (size_t i = 0; list != NULL && list->type == JSON_ARRAY && i < list->item_count; i++) {
        const struct json_value *id = json_get_c(&list->items[i], "id");
        const struct json_value *reason = json_get_c(&list->items[i], "reason");
        struct uuid uuid;
        if (id != NULL && id->type == JSON_STRING && uuid_parse(id->text, &uuid))
            task_bulk_refuse(
                b, uuid, reason != NULL && reason->type == JSON_STRING ? reason->text : STR(""));
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

/* As it is known at the beginning. */
static struct audited_act begun_act(const struct bulk *b, struct arena *a)
{
    struct task_bulk_report report;
    add_numbers(b, &report);
    report.is_begun = true;
    struct audited_act act = b->act;
    act.detail = task_bulk_describe(a, &report);
    return act;
}

/* The worker counts on from what the calls before this one did. */
static void put_record(struct bulk *b, struct json_writer *w)
{
    const struct audited_act act = begun_act(b, b->page);
    const struct audited_call call = { .is_last = b->to == b->count,
                                       .is_counted = true,
                                       .done = b->done,
                                       .refused = b->refused_count };
    audited_put_record(w, b->step, &act, &call);
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
    if (!b->is_dry)
        put_record(b, &w);
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

static void begun(struct gql_step *step, const struct db_reply *reply)
{
    (void)reply;
    next_page(step->host);
}

void task_bulk_begin(struct bulk *b)
{
    const struct audited_act act = begun_act(b, b->step->arena);
    if (b->is_dry || b->count == 0)
        next_page(b);
    else
        (void)audited_open(b->step, &act, 0, begun);
}
