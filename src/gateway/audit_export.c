#include "gateway/audit_export.h"

#include "base/clock.h"
#include "gateway/audit_filter.h"
#include "gateway/credential_watch.h"
#include "gateway/door_problem.h"
#include "gateway/headers.h"
#include "gateway/note.h"
#include "gateway/record.h"
#include "json/members.h"

enum {
    EXPORTS_MAX = 4, /* of a loop at once */
    PAGE_ROWS = 500,
    PAGE_BYTES = 64 << 20,
    /* Together less than limits.stream_unsent_bytes, which ends a stream. */
    UNSENT_MAX = 256 << 10, /* while the client has not taken so much, no page is read */
    PIECE_BYTES = 512 << 10,
    READ_DEADLINE_US = 60 * CLOCK_S,
};

static const char failed_event[] = "audit.export-failed";

struct audit_export {
    struct gateway_loop *loop;
    struct http_request *http;
    struct str token;
    struct credential_wait who;
    struct credential_watch watch;
    struct audit_filter filter;
    struct arena *page; /* of the statement and its rows */
    struct uuid after;
    bool has_after;
    bool is_begun;   /* the stream */
    bool is_reading; /* a page is on its way */
    bool is_over;    /* nothing more is wanted */
    struct err broke;
};

static void read_page(struct audit_export *x);

/* ── the end ── */

static void put_break(struct audit_export *x)
{
    struct str detail;
    const char *code = door_problem_code(x->http, &x->broke, failed_event, &detail);
    struct json_writer w = json_writer_to(x->http->out);
    buf_reset(x->http->out);
    json_begin_object(&w);
    json_key_c(&w, "error");
    json_begin_object(&w);
    json_key_c(&w, "code");
    json_write_string(&w, str_of_c(code));
    json_key_c(&w, "message");
    json_write_string(&w, detail);
    json_end_object(&w);
    json_end_object(&w);
    buf_put_char(x->http->out, '\n');
    (void)http_stream_write(x->http, buf_str(x->http->out));
}

static void finish(struct audit_export *x)
{
    int status = 200;
    x->is_over = true;
    if (x->is_reading) /* its rows come, and then this */
        return;
    credential_wait_cancel(&x->who);
    credential_watch_stop(&x->watch);
    arena_destroy(take(x->page));
    x->loop->audit_exports--;
    if (x->is_begun) {
        if (x->broke.code != ERR_NONE)
            put_break(x);
        http_stream_end(x->http);
        return;
    }
    door_problem_put(x->http, &x->broke, failed_event, &status);
    http_respond(x->http, status, HTTP_PROBLEM, buf_str(x->http->out));
}

static void break_off(struct audit_export *x, const struct err *e)
{
    if (x->broke.code == ERR_NONE)
        x->broke = *e;
    finish(x);
}

static void closed(void *owner)
{
    finish(owner);
}

static void lost(void *owner, const struct err *e)
{
    break_off(owner, e);
}

/* ── a page ── */

static void put_entry(struct buf *out, const struct record *entry)
{
    struct json_writer w = json_writer_to(out);
    char at[CLOCK_TEXT_MAX];
    clock_format(record_time(entry, COL_audit_log_at), at);
    json_begin_object(&w);
    json_put_text(&w, "id", record_cell(entry, COL_audit_log_id));
    json_put_text(&w, "at", str_of_c(at));
    json_put_text(&w, "actorLabel", record_cell(entry, COL_audit_log_actor_label));
    json_key_c(&w, "actor");
    if (record_is_null(entry, COL_audit_log_actor_id)) {
        json_write_null(&w);
    } else {
        json_begin_object(&w);
        json_put_text(&w, "id", record_cell(entry, COL_audit_log_actor_id));
        json_end_object(&w);
    }
    json_put_text(&w, "action", record_cell(entry, COL_audit_log_action));
    json_put_text(&w, "subject", record_cell(entry, COL_audit_log_subject));
    json_put_maybe_raw(&w, "detail", !record_is_null(entry, COL_audit_log_detail),
                       record_cell(entry, COL_audit_log_detail));
    json_end_object(&w);
    buf_put_char(out, '\n');
}

static void go_on(void *owner)
{
    struct audit_export *x = owner;
    if (!x->is_reading && !x->is_over && http_stream_unsent(x->http) < UNSENT_MAX)
        read_page(x);
}

static void begin_stream(struct audit_export *x)
{
    static const struct http_stream_events events = { .on_drained = go_on, .on_closed = closed };
    x->is_begun = true;
    http_stream_start(x->http, 200,
                      STR("Content-Type: application/x-ndjson; charset=utf-8\r\n"
                          "Cache-Control: no-store\r\n"),
                      &events, x);
}

static void got_page(void *owner, const struct db_reply *reply)
{
    struct audit_export *x = owner;
    x->is_reading = false;
    if (x->is_over || reply->err != NULL) {
        if (x->is_over)
            finish(x);
        else
            break_off(x, reply->err);
        return;
    }
    if (!x->is_begun)
        begin_stream(x);
    const struct schema_table *table = &schema_public.tables[TABLE_audit_log];
    size_t count = db_rows_count(reply->rows[0]);
    struct record *entries =
        record_rows(x->page, table, reply->rows[0], SELECT_BIT(COL_audit_log_COUNT) - 1);
    buf_reset(x->http->out);
    size_t put = 0;
    while (put < count && x->http->out->len < PIECE_BYTES)
        put_entry(x->http->out, &entries[put++]);
    if (put > 0)
        x->after = record_uuid(&entries[put - 1], COL_audit_log_id);
    x->has_after |= put > 0;
    x->is_over = put == count && count < PAGE_ROWS;
    (void)http_stream_write(x->http, buf_str(x->http->out));
    if (x->is_over || http_is_cancelled(x->http))
        finish(x);
    else
        go_on(x);
}

static void read_page(struct audit_export *x)
{
    static const struct select_order oldest = { COL_audit_log_id, false };
    struct arena *a = x->page;
    struct err e;
    bool is_indexed;
    arena_reset(a);
    struct str *after = arena_new(a, struct str);
    if (x->has_after)
        *after = record_cell_of_uuid(a, x->after);
    const struct select select = {
        .table = &schema_public.tables[TABLE_audit_log],
        .columns = SELECT_BIT(COL_audit_log_COUNT) - 1,
        .filter = audit_filter_select(&x->filter, a, &is_indexed),
        .orders = &oldest,
        .order_count = 1,
        .after = x->has_after ? after : NULL,
        .limit = PAGE_ROWS,
    };
    const struct db_step read = { select_statement(a, &select), select_args(a, &select) };
    const struct db_call call = { .lane = DB_LANE_SLOW,
                                  .steps = &read,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + READ_DEADLINE_US,
                                  .fn = got_page,
                                  .owner = x };
    x->is_reading = db_pool_call(x->loop->pool, &call, NULL, &e);
    if (!x->is_reading)
        break_off(x, &e);
}

/* ── who, and what ── */

static bool may_read(const struct credential *c, struct err *e)
{
    if (c == NULL)
        return err_set(e, ERR_UNAUTHENTICATED, "the audit log is for administrators: sign in");
    return (c->grant.role == ROLE_ADMIN && (c->grant.scopes & SCOPE_API)) ||
           err_set(e, ERR_DENIED, "the audit log is for administrators");
}

static void identified(void *owner, const struct credential *c, const struct err *failure)
{
    struct audit_export *x = owner;
    struct err e;
    if (failure != NULL || !may_read(c, &e)) {
        break_off(x, failure != NULL ? failure : &e);
        return;
    }
    request_note(x->http, NULL)->user = c->owner.user_id;
    credential_watch_start(&x->watch, x->loop, x->token, c, lost, x);
    read_page(x);
}

static struct str text_of(const struct http_request *http, struct str name)
{
    struct str text;
    return http_query(http, name, &text) && !str_is_empty(text) ? text : (struct str){ 0 };
}

static bool read_time(const struct http_request *http, const char *name, bool *ret_has,
                      int64_t *ret_us, struct err *e)
{
    struct str text = text_of(http, str_of_c(name));
    *ret_has = text.ptr != NULL;
    return !*ret_has || clock_parse(text, ret_us) ||
           err_set(e, ERR_INVALID, "%s: is no time such as 2026-12-24T18:00:00Z", name);
}

static bool read_filter(const struct http_request *http, struct audit_filter *f, struct err *e)
{
    struct str actor = text_of(http, STR("actorId"));
    *f = (struct audit_filter){ .subject = text_of(http, STR("subject")),
                                .action = text_of(http, STR("action")),
                                .search = text_of(http, STR("search")),
                                .has_actor = actor.ptr != NULL };
    if (f->has_actor && !uuid_parse(actor, &f->actor_id))
        return err_set(e, ERR_INVALID, "actorId: is no id");
    return read_time(http, "from", &f->has_from, &f->from_us, e) &&
           read_time(http, "to", &f->has_to, &f->to_us, e) && audit_filter_check(f, e);
}

static bool read_token(const struct gateway *gw, const struct http_request *http,
                       struct str *ret_token, struct err *e)
{
    enum headers_origin origin = headers_origin(http, gw->public_origin, gw->cors_origins);
    bool is_cookie;
    return headers_read_token(http, origin, true, ret_token, &is_cookie, e);
}

static bool has_room(const struct gateway_loop *loop, struct err *e)
{
    if (!atomic_load(&loop->gateway->is_ready))
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                            "starting: the database is not there yet");
    return loop->audit_exports < EXPORTS_MAX ||
           err_set(e, ERR_RATE, "%d exports of the audit log run already", EXPORTS_MAX);
}

void audit_export_door(void *owner, struct http_request *http)
{
    struct gateway_loop *loop = owner;
    struct audit_export *x = arena_new(http->arena, struct audit_export);
    struct err e;
    int status;
    (void)request_note(http, "audit-export");
    *x = (struct audit_export){ .loop = loop, .http = http };
    if (!has_room(loop, &e) || !read_token(loop->gateway, http, &x->token, &e) ||
        !read_filter(http, &x->filter, &e)) {
        door_problem_put(http, &e, failed_event, &status);
        http_respond(http, status, HTTP_PROBLEM, buf_str(http->out));
        return;
    }
    loop->audit_exports++;
    x->page = arena_create(PAGE_BYTES);
    list_init(&x->who.waiting);
    list_init(&x->watch.by_loop);
    list_init(&x->watch.wait.waiting);
    x->who.fn = identified;
    x->who.owner = x;
    x->who.deadline_us = clock_mono_us() + loop->gateway->request_timeout_us;
    if (str_is_empty(x->token))
        identified(x, NULL, NULL);
    else
        credentials_ask(loop->credentials, x->token, &x->who);
}
