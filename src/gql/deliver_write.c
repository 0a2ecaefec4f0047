/* The payloads after the answer, in either format. */
#include "gql/deliver_priv.h"
#include "gql/diag_priv.h"

/* ── entries ── */

static void begin_entry(struct buf *list)
{
    buf_put_c(list, list->len ? ",{" : "{");
}

static void put_id(struct buf *out, const struct announced *a)
{
    buf_printf(out, "\"id\":\"%u\"", a->id);
}

static void put_path(struct buf *out, const struct frame *at)
{
    buf_put_c(out, "\"path\":");
    respond_path_list(out, at, 0);
}

static void put_label(struct buf *out, const struct announced *a)
{
    if (!a->label_json.len)
        return;
    buf_put_c(out, ",\"label\":");
    buf_put_str(out, a->label_json);
}

static void put_errors(struct buf *out, const struct gql_errors *errors)
{
    if (!errors->count)
        return;
    buf_put_char(out, ',');
    respond_errors(out, errors);
}

void payload_announce(struct delivery *d, struct announced *a)
{
    a->id = d->next_id++;
    list_init(&a->by_state);
    list_push(&d->open, &a->by_state);
    d->open_count++;
    begin_entry(&d->pending);
    put_id(&d->pending, a);
    buf_put_char(&d->pending, ',');
    put_path(&d->pending, a->at);
    put_label(&d->pending, a);
    buf_put_char(&d->pending, '}');
}

static void put_completed(struct delivery *d, const struct announced *a,
                          const struct gql_error *failure)
{
    struct gql_error copy = failure ? *failure : (struct gql_error){ 0 };
    struct gql_errors errors = { .first = &copy, .last = &copy, .count = failure != NULL };
    struct buf *out = d->is_2022 ? &d->incremental : &d->completed;
    copy.next = NULL;
    if (d->is_2022 && !failure)
        return; /* this format tells only of the whole */
    begin_entry(out);
    if (d->is_2022) {
        buf_printf(out, "\"%s\":null,", a->member);
        put_path(out, a->at);
        put_label(out, a);
    } else {
        put_id(out, a);
    }
    put_errors(out, &errors);
    buf_put_char(out, '}');
}

void payload_complete(struct delivery *d, struct announced *a, const struct gql_error *failure)
{
    list_remove(&a->by_state);
    list_push(&d->closed, &a->by_state);
    d->open_count--;
    put_completed(d, a, failure);
}

static size_t path_length(const struct frame *at)
{
    size_t length = 0;
    for (; at; at = at->above)
        length++;
    return length;
}

/* It is told with that open fragment of the task which is nearest to it. */
void payload_task(struct delivery *d, const struct fragment *f, const struct task *t)
{
    const struct announced *best = &f->announced;
    struct buf *out = &d->incremental;
    size_t length = path_length(best->at);
    for (uint32_t i = 0; i < t->fragment_count; i++) {
        const struct fragment *other = t->fragments[i];
        size_t its = path_length(other->announced.at);
        if (other->state == FRAGMENT_OPEN && its > length) {
            best = &other->announced;
            length = its;
        }
    }
    begin_entry(out);
    if (d->is_2022) {
        put_path(out, best->at);
        put_label(out, best);
    } else {
        put_id(out, best);
        if (path_length(t->scope->at) > length) {
            buf_put_c(out, ",\"subPath\":");
            respond_path_list(out, t->scope->at, length);
        }
    }
    buf_put_c(out, ",\"data\":");
    buf_put_str(out, t->data_json);
    put_errors(out, &t->errors);
    buf_put_char(out, '}');
}

void payload_items(struct delivery *d, const struct stream *s, const struct gql_errors *errors)
{
    struct buf *out = &d->incremental;
    if (!d->scratch.len)
        return;
    begin_entry(out);
    if (d->is_2022) {
        struct frame first = { .above = s->announced.at, .index = s->cut->head_count };
        put_path(out, &first);
        put_label(out, &s->announced);
    } else {
        put_id(out, &s->announced);
    }
    buf_put_c(out, ",\"items\":[");
    buf_put_str(out, buf_str(&d->scratch));
    buf_put_char(out, ']');
    put_errors(out, errors);
    buf_put_char(out, '}');
}

/* ── payloads ── */

static void put_list(struct buf *out, const char *name, struct buf *list)
{
    if (list->len) {
        buf_printf(out, "\"%s\":[", name);
        buf_put_str(out, buf_str(list));
        buf_put_c(out, "],");
    }
    buf_reset(list);
}

void deliver_announce(struct gql_operation *op)
{
    struct delivery *d = op->delivery;
    buf_put_char(op->out, ',');
    if (d->is_2022)
        buf_reset(&d->pending);
    put_list(op->out, "pending", &d->pending);
    buf_put_c(op->out, "\"hasNext\":true");
}

static void write_payload(struct delivery *d)
{
    struct buf *out = d->op->out;
    out->len = d->op->out_start;
    out->failed = false;
    buf_put_char(out, '{');
    if (d->is_2022)
        buf_reset(&d->pending);
    put_list(out, "pending", &d->pending);
    put_list(out, "incremental", &d->incremental);
    put_list(out, "completed", &d->completed);
    buf_printf(out, "\"hasNext\":%s}", d->open_count ? "true" : "false");
}

static void hand_over(struct delivery *d)
{
    struct gql_operation *op = d->op;
    while (list_pop(&d->closed))
        continue;
    if (!d->open_count)
        op->state = OPERATION_ANSWERED;
    op->end.payload(op, d->open_count > 0, op->end.owner);
}

void payload_send(struct delivery *d)
{
    struct gql_operation *op = d->op;
    size_t limit = op->engine->limits.response_bytes_max;
    write_payload(d);
    d->sent_bytes += op->out->len - op->out_start;
    if (op->out->failed || (limit && d->sent_bytes > limit)) {
        payload_give_up(d, "response_bytes_max", d->sent_bytes, "bytes");
        return;
    }
    hand_over(d);
}

/* What was completed since the last payload is lost with it, so it fails too. */
void payload_give_up(struct delivery *d, const char *limit, size_t value, const char *what)
{
    struct gql_operation *op = d->op;
    const struct gql_error *e = refusal(op->arena, limit, value, what);
    buf_reset(&d->incremental);
    buf_reset(&d->completed);
    list_each (node, &d->closed)
        put_completed(d, container_of(node, struct announced, by_state), e);
    list_each (node, &d->open) {
        list_remove(node);
        put_completed(d, container_of(node, struct announced, by_state), e);
    }
    d->open_count = 0;
    write_payload(d);
    hand_over(d);
}
