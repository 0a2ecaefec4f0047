#include "gateway/http_batch.h"

#include "gateway/headers.h"
#include "gateway/meter.h"
#include "gateway/note.h"
#include "gateway/operation.h"
#include "gateway/problem.h"
#include "json/json.h"

/* In the arena of the whole. */
struct item {
    struct batch *batch;
    struct request *r; /* NULL: it has ended, or is not begun */
    struct buf out;
    struct str set_cookie;
};

struct batch {
    struct request *whole;
    struct http_request *http; /* NULL once it is answered */
    struct str content_type;
    struct item *items;
    size_t count;
    size_t unanswered, unended; /* the latter with one for a loop over them */
    int64_t retry_after_us;
    uint64_t cost;
    const char *code; /* of the first error */
};

const char *http_batch_refusal(struct request *whole, const struct json_value *batch,
                               const char **ret_code)
{
    size_t max = (size_t)conf_int(whole->loop->gateway->conf, CONF_GQL_BATCH_MAX);
    *ret_code = PROBLEM_INPUT;
    if (max == 0)
        return "batched requests are switched off here (gql-batch-max)";
    if (whole->is_large)
        return "a batch may not be longer than body-limit";
    if (batch->item_count == 0)
        return "the batch is empty";
    for (size_t i = 0; i < batch->item_count; i++)
        if (batch->items[i].type != JSON_OBJECT)
            return "each operation of a batch must be an object";
    *ret_code = GQL_CODE_COMPLEX;
    return batch->item_count <= max
               ? NULL
               : arena_cstr(
                     whole->arena,
                     arena_printf(whole->arena,
                                  "the batch has %zu operations, at most %zu (gql-batch-max)",
                                  batch->item_count, max));
}

/* ── the end ── */

static void respond(struct batch *b)
{
    struct http_request *http = b->http;
    struct request_note *note = request_note(http, NULL);
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        buf_put_char(http->out, i == 0 ? '[' : ',');
        buf_put_str(http->out, buf_str(&item->out));
        buf_clear(&item->out);
        if (!str_is_empty(item->set_cookie)) /* of several the browser keeps the last */
            http_add_header(http, STR("Set-Cookie"), item->set_cookie);
    }
    buf_put_char(http->out, ']');
    headers_retry_after(http, b->retry_after_us);
    if (b->whole->credential != NULL)
        note->user = b->whole->credential->owner.user_id;
    note->code = b->code;
    b->http = NULL;
    http_respond(http, 200, b->content_type, buf_str(http->out));
}

static void one_ended(struct batch *b)
{
    if (--b->unended == 0)
        request_end(b->whole);
}

/* ── one operation ── */

static void one_answered(struct request *r, const char *code)
{
    struct item *item = r->owner;
    struct batch *b = item->batch;
    if (code != NULL && b->code == NULL)
        b->code = code;
    if (!str_is_empty(r->set_cookie))
        item->set_cookie = arena_copy(b->http->arena, r->set_cookie);
    b->retry_after_us = max_of(b->retry_after_us, r->retry_after_us);
    if (--b->unanswered == 0)
        respond(b);
}

static void answered(struct request *r, const struct gql_outcome *outcome)
{
    if (!outcome->is_request_error && !outcome->is_cancelled)
        meter_operation(r->loop->gateway->meter, outcome->type, outcome->code != NULL);
    one_answered(r, outcome->code);
}

static void refused(struct request *r, int status, const char *code, const char *message)
{
    (void)status;
    buf_put_c(r->out, "{\"errors\":[");
    request_put_error(r->out, r, code, str_of_c(message));
    buf_put_c(r->out, "]}");
    one_answered(r, code);
}

static void ended(struct request *r)
{
    struct item *item = r->owner;
    item->r = NULL;
    one_ended(item->batch);
}

/* ── the beginning ── */

static void begin_one(struct item *item, const struct json_value *members)
{
    static const struct request_carrier carrier = {
        .identified = request_run, .answered = answered, .refused = refused, .ended = ended
    };
    const struct request *whole = item->batch->whole;
    struct request *r = request_begin(whole->loop, &carrier, item, whole->deadline_us, false);
    item->r = r;
    buf_init(&item->out, 0);
    r->out = &item->out;
    r->id = arena_copy(r->arena, whole->id);
    r->address = arena_copy(r->arena, whole->address);
    r->user_agent = whole->user_agent;
    r->gql.spent_cost = &item->batch->cost;
    if (operation_read(r, members))
        request_start_as(r, whole);
}

static void went_away(void *owner)
{
    struct batch *b = owner;
    b->unended++; /* the last that ends would take the list along */
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].r != NULL)
            request_cancel(b->items[i].r);
    one_ended(b);
}

void http_batch_begin(struct request *whole, const struct json_value *batch,
                      struct http_request *http, struct str content_type)
{
    struct batch *b = arena_new(whole->arena, struct batch);
    *b = (struct batch){ .whole = whole,
                         .http = http,
                         .content_type = content_type,
                         .items = arena_new_array(whole->arena, batch->item_count, struct item),
                         .count = batch->item_count,
                         .unanswered = batch->item_count,
                         .unended = batch->item_count + 1 };
    list_remove(&whole->by_age); /* its operations have its deadline */
    http_on_cancel(http, went_away, b);
    for (size_t i = 0; i < b->count; i++) {
        b->items[i].batch = b;
        begin_one(&b->items[i], &batch->items[i]);
    }
    one_ended(b);
}
