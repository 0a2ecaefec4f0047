/*
 * chat: one answer over Server-Sent Events. What is said is talk's business; this file asks the
 * gateway what talk asks, with the capability of the chat, and writes the events.
 *
 *   handle --> step --> ask (all new questions at once) --> replied --.
 *               ^  `--> tell: delta …, done --> end                   |
 *               `-----------------------------------------------------'
 *   the client goes, or the time is over: end
 */
#include "ai/ai_priv.h"
#include "ai/problem.h"
#include "ai/talk.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"
#include "json/check.h"

enum {
    CHAT_ARENA_BYTES = 16 << 20,
    CHAT_MS_MAX = 110'000, /* the capability lasts two minutes */
    QUESTION_MS_MAX = 20'000,
    REPLY_BYTES_MAX = 4 << 20,
    CITATION_BYTES_MAX = 64 << 10, /* of data; longer ones are cited without */
    MESSAGE_BYTES_MAX = 64 << 10,
    HISTORY_MAX = 500,
};

struct chat {
    struct list link; /* in ai->chats */
    struct ai *ai;
    struct http_request *request;
    struct arena *arena;
    struct http_client *client;
    struct io_timer *timer; /* the deadline; once it is over, what frees it */
    const char *url, *authorization;
    struct talk talk;
    struct buf text;        /* what is said */
    struct str said_before; /* of an answer that is gone on with */
    size_t running;         /* questions on their way */
    bool is_over;
    bool is_too_long[TALK_QUESTIONS_MAX]; /* to be cited */
};

/* ── reading the request ── */

static bool read_text(const struct json_value *object, const char *path, const char *name,
                      bool is_needed, struct str *ret_text, struct err *e)
{
    const struct json_value *v = object ? json_get(object, str_of_c(name)) : NULL;
    if (v == NULL || v->type == JSON_NULL)
        return !is_needed || err_set(e, ERR_INVALID, "%s%s: is missing", path, name);
    if (v->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "%s%s: is not a string", path, name);
    if (v->text.len > MESSAGE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "%s%s: is longer than %d bytes", path, name,
                       MESSAGE_BYTES_MAX);
    *ret_text = v->text;
    return true;
}

/* What the user asked last; the history's newest comes last. */
static bool read_history(const struct json_value *body, struct str *ret_before, struct err *e)
{
    static const char *const names[] = { "role", "content", NULL };
    const struct json_value *v = json_get_c(body, "history");
    if (v == NULL || v->type == JSON_NULL)
        return true;
    if (v->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "history: is not an array");
    if (v->item_count > HISTORY_MAX)
        return err_set(e, ERR_LIMIT, "history: has more than %d items", HISTORY_MAX);
    for (size_t i = 0; i < v->item_count; i++) {
        struct str role = { 0 }, content = { 0 };
        char path[32];
        snprintf(path, sizeof path, "history[%zu].", i);
        if (!json_only(&v->items[i], path, names, e) ||
            !read_text(&v->items[i], path, "role", true, &role, e) ||
            !read_text(&v->items[i], path, "content", true, &content, e))
            return false;
        if (str_eq_nocase(role, STR("user")))
            *ret_before = content;
    }
    return true;
}

/* An answer that broke off: what it was asked, and the end of what it said. */
static bool read_continued(struct chat *c, const struct json_value *body, struct str *ret_question,
                           struct err *e)
{
    static const char *const names[] = { "question", "content", NULL };
    const struct json_value *v = json_get_c(body, "continue");
    if (v == NULL || v->type == JSON_NULL)
        return true;
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "continue: is not an object");
    return json_only(v, "continue.", names, e) &&
           read_text(v, "continue.", "question", true, ret_question, e) &&
           read_text(v, "continue.", "content", true, &c->said_before, e);
}

/* "http://HOST:PORT" or "unix:/path", and where questions go from there. */
static bool read_gateway(struct chat *c, const struct json_value *body,
                         struct http_client_options *options, struct err *e)
{
    static const char *const names[] = { "url", "token", NULL };
    const struct json_value *v = json_get_c(body, "graphql");
    struct str url, token;
    if (v == NULL || v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "graphql: is not an object");
    if (!json_only(v, "graphql.", names, e) || !read_text(v, "graphql.", "url", true, &url, e) ||
        !read_text(v, "graphql.", "token", true, &token, e))
        return false;
    if (str_find_char(token, '\r') >= 0 || str_find_char(token, '\n') >= 0)
        return err_set(e, ERR_INVALID, "graphql.token: is no token");
    bool is_unix = str_starts_with(url, STR("unix:/"));
    if (!is_unix && !str_starts_with(url, STR("http://")) && !str_starts_with(url, STR("https://")))
        return err_set(e, ERR_INVALID, "graphql.url: is neither http://HOST:PORT nor unix:/path");
    while (str_ends_with(url, STR("/")))
        url = str_first(url, url.len - 1);
    if (is_unix)
        options->unix_path = arena_cstr(c->arena, str_from(url, STR("unix:").len));
    struct str base = is_unix ? STR("http://gateway") : url;
    c->url = arena_cstr(c->arena, arena_printf(c->arena, "%.*s/graphql", STR_FMT(base)));
    c->authorization =
        arena_cstr(c->arena, arena_printf(c->arena, "Authorization: Bearer %.*s", STR_FMT(token)));
    return true;
}

static bool read_user(struct chat *c, const struct json_value *body, struct err *e)
{
    static const char *const names[] = { "name", "role", NULL };
    const struct json_value *v = json_get_c(body, "user");
    return json_only(v, "user.", names, e) &&
           read_text(v, "user.", "name", false, &c->talk.user_name, e) &&
           read_text(v, "user.", "role", false, &c->talk.user_role, e);
}

static bool read_request(struct chat *c, struct http_client_options *options, struct err *e)
{
    static const char *const names[] = { "message", "history", "continue", "user",
                                         "now_us",  "graphql", NULL };
    const struct json_value *body, *now;
    struct str message = { 0 }, before = { 0 }, continued = { 0 };
    if (!json_parse_checked(c->arena, c->request->body, &body, e))
        return false;
    if (body->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "the body is not a JSON object");
    if (!json_only(body, "", names, e) || !read_text(body, "", "message", true, &message, e) ||
        !read_history(body, &before, e) || !read_user(c, body, e) ||
        !read_continued(c, body, &continued, e) || !read_gateway(c, body, options, e))
        return false;
    now = json_get_c(body, "now_us");
    if (now == NULL || now->type != JSON_NUMBER || !json_to_i64(now, &c->talk.now_us) ||
        c->talk.now_us < 0)
        return err_set(e, ERR_INVALID, "now_us: is not a time in microseconds");
    if (str_is_empty(str_trim(message)))
        return err_set(e, ERR_INVALID, "message: is empty");
    struct str question = str_is_empty(continued) ? message : continued;
    c->talk.intent = intent_of(c->arena, question, before, c->talk.now_us);
    return true;
}

/* ── its end ── */

static void free_chat(struct chat *c)
{
    struct ai *ai = c->ai;
    list_remove(&c->link);
    ai->chat_count--;
    http_client_destroy(c->client);
    io_timer_destroy(c->timer);
    buf_clear(&c->text);
    arena_destroy(c->arena);
    mem_free(c);
    ai_look_drained(ai);
}

/* Ends the answer now, and frees the chat from the loop: a reply of its client may be running. */
static void end(struct chat *c, int status)
{
    if (c->is_over)
        return;
    c->is_over = true;
    ai_note(c->ai, c->request, AI_ROUTE_CHAT, status);
    http_stream_end(c->request);
    c->request = NULL;
    io_timer_start(c->timer, 0);
}

static void closed(void *owner)
{
    enum { CLIENT_GONE = 499 };
    end(owner, CLIENT_GONE);
}

/* ── events ── */

struct event {
    struct buf data;
    struct json_writer w;
};

static void event_begin(struct event *event)
{
    buf_init(&event->data, 0);
    event->w = json_writer_to(&event->data);
    json_begin_object(&event->w);
}

static void event_send(struct event *event, struct chat *c, const char *name)
{
    struct buf out;
    buf_init(&out, 0);
    json_end_object(&event->w);
    buf_printf(&out, "event: %s\ndata: ", name); /* JSON has no line ends */
    buf_put_str(&out, buf_str(&event->data));
    buf_put_c(&out, "\n\n");
    if (!c->is_over)
        (void)http_stream_write(c->request, buf_str(&out)); /* closed: on_closed comes */
    buf_clear(&out);
    buf_clear(&event->data);
}

static void send_error(struct chat *c, const struct err *e)
{
    struct event event;
    event_begin(&event);
    json_key_c(&event.w, "code");
    json_write_string(&event.w, str_of_c(problem_code(e)));
    json_key_c(&event.w, "message");
    json_write_string(&event.w, problem_message(e));
    event_send(&event, c, "error");
    end(c, problem_status(e));
}

static void send_tool(struct chat *c, const struct talk_question *q)
{
    struct event event;
    event_begin(&event);
    json_key_c(&event.w, "name");
    json_write_string(&event.w, STR("graphql"));
    json_key_c(&event.w, "arguments");
    json_begin_object(&event.w);
    json_key_c(&event.w, "query");
    json_write_string(&event.w, str_of_c(q->query));
    json_key_c(&event.w, "variables");
    json_write_value(&event.w, &q->variables);
    json_end_object(&event.w);
    event_send(&event, c, "tool");
}

/* A line each. */
static void send_text(struct chat *c, struct str text)
{
    while (text.len > 0) {
        ptrdiff_t at = str_find_char(text, '\n');
        size_t len = at >= 0 ? (size_t)at + 1 : text.len;
        struct event event;
        event_begin(&event);
        json_key_c(&event.w, "text");
        json_write_string(&event.w, str_first(text, len));
        event_send(&event, c, "delta");
        text = str_from(text, len);
    }
}

static void write_citation(struct json_writer *w, const struct talk_question *q, bool with_data)
{
    json_begin_object(w);
    json_key_c(w, "label");
    json_write_string(w, str_of_c(q->label));
    json_key_c(w, "query");
    json_write_string(w, str_of_c(q->query));
    json_key_c(w, "variables");
    json_write_value(w, &q->variables);
    json_key_c(w, "data");
    if (with_data)
        json_write_value(w, q->data);
    else
        json_write_null(w);
    json_end_object(w);
}

static void send_done(struct chat *c, struct str text)
{
    struct event event;
    event_begin(&event);
    json_key_c(&event.w, "content");
    json_write_string(&event.w, text);
    json_key_c(&event.w, "model");
    json_write_string(&event.w, STR("analyst"));
    json_key_c(&event.w, "is_degraded");
    json_write_bool(&event.w, false);
    json_key_c(&event.w, "citations");
    json_begin_array(&event.w);
    for (size_t i = 0; i < c->talk.question_count; i++)
        if (c->talk.questions[i].data != NULL)
            write_citation(&event.w, &c->talk.questions[i], !c->is_too_long[i]);
    json_end_array(&event.w);
    event_send(&event, c, "done");
}

/* Only what was not said before it broke off; all, where that reads otherwise by now. */
static struct str rest_of(const struct chat *c, struct str text)
{
    struct str said = str_trim(c->said_before);
    ptrdiff_t at = str_is_empty(said) ? -1 : str_find(text, said);
    if (at < 0)
        return text;
    struct str rest = str_trim(str_from(text, (size_t)at + said.len));
    return str_is_empty(rest) ? STR("That was all of it.") : rest;
}

/* A text that grew beyond its bound lacks whole pieces at its end. */
static void tell(struct chat *c)
{
    struct str text = str_trim(buf_str(&c->text));
    if (str_is_empty(text))
        text = STR("The gateway gave an answer that I cannot read.");
    text = rest_of(c, text);
    send_text(c, text);
    send_done(c, text);
    end(c, 200);
}

/* ── questions ── */

static void step(struct chat *c);

struct asked {
    struct chat *chat;
    size_t question;
};

/* {"data": …, "errors": [{"message", "extensions": {"code"}}]} */
static void read_reply(struct chat *c, struct talk_question *q, const struct http_reply *reply)
{
    const struct json_value *root, *errors, *data, *first;
    struct err e;
    q->code = STR("INTERNAL");
    q->message = arena_printf(c->arena, "it answered %d", reply->status);
    if (!json_parse_checked(c->arena, reply->body, &root, &e))
        return;
    errors = json_get_c(root, "errors");
    data = json_get_c(root, "data");
    if (errors != NULL && errors->type == JSON_ARRAY && errors->item_count > 0) {
        const struct json_value *extensions = json_get_c(&errors->items[0], "extensions"), *text;
        first = extensions != NULL ? json_get_c(extensions, "code") : NULL;
        text = json_get_c(&errors->items[0], "message");
        if (first != NULL && first->type == JSON_STRING)
            q->code = first->text;
        if (text != NULL && text->type == JSON_STRING)
            q->message = text->text;
        return;
    }
    if (data == NULL || data->type != JSON_OBJECT)
        return;
    q->data = data;
    q->code = q->message = (struct str){ 0 };
}

static void replied(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct asked *asked = owner;
    struct chat *c = asked->chat;
    struct talk_question *q = &c->talk.questions[asked->question];
    q->is_answered = true;
    c->running--;
    if (reply != NULL) {
        c->is_too_long[asked->question] = reply->body.len > CITATION_BYTES_MAX;
        read_reply(c, q, reply);
    } else {
        q->code = e->code == ERR_TIMEOUT ? STR("TIMEOUT") : STR("UNAVAILABLE");
        q->message = STR("the gateway is out of reach");
        log_warn("ai.gateway_failed", "error=%s", log_quote(str_of_c(err_text(e))));
    }
    metric_add(c->ai->questions, metric_series(c->ai->questions, q->data == NULL, 0), 1);
    if (c->running == 0 && !c->is_over)
        step(c);
}

static struct str question_body(struct chat *c, const struct talk_question *q)
{
    struct buf body;
    struct json_writer w = json_writer_to(&body);
    buf_init(&body, 0);
    json_begin_object(&w);
    json_key_c(&w, "query");
    json_write_string(&w, str_of_c(q->query));
    json_key_c(&w, "variables");
    json_write_value(&w, &q->variables);
    json_end_object(&w);
    struct str text = arena_copy(c->arena, buf_str(&body));
    buf_clear(&body);
    return text;
}

static bool ask(struct chat *c, size_t question, struct err *e)
{
    const struct talk_question *q = &c->talk.questions[question];
    struct asked *asked = arena_new(c->arena, struct asked);
    *asked = (struct asked){ c, question };
    const char *headers[] = { "Content-Type: application/json", "Accept: application/json",
                              c->authorization };
    const struct http_call_options call = { .url = c->url,
                                            .headers = headers,
                                            .header_count = countof(headers),
                                            .body = question_body(c, q),
                                            .deadline_ms = QUESTION_MS_MAX,
                                            .fn = replied,
                                            .owner = asked };
    if (!http_client_call(c->client, &call, NULL, e))
        return false;
    c->running++;
    return true;
}

static void step(struct chat *c)
{
    struct err e;
    if (talk_step(&c->talk) == TALK_DONE) {
        tell(c);
        return;
    }
    for (size_t i = 0; i < c->talk.question_count && !c->is_over; i++) {
        if (c->talk.questions[i].is_answered)
            continue;
        send_tool(c, &c->talk.questions[i]);
        if (!c->is_over && !ask(c, i, &e)) {
            send_error(c, &e);
            return;
        }
    }
}

static void timer_fired(void *owner)
{
    struct chat *c = owner;
    struct err e;
    if (c->is_over) {
        free_chat(c);
        return;
    }
    err_set(&e, ERR_TIMEOUT, "the answer took too long");
    send_error(c, &e);
}

/* ── beginning ── */

static void begin(struct chat *c)
{
    static const struct http_stream_events events = { .on_closed = closed };
    struct http_request *r = c->request;
    log_info("ai.chat", "req=%s intent=%s", r->id, intent_kind_name(c->talk.intent.kind));
    io_timer_start(c->timer, CHAT_MS_MAX);
    http_stream_start(r, 200, STR("Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"),
                      &events, c);
    if (http_is_cancelled(r))
        closed(c);
    else
        step(c);
}

void ai_handle_chat(void *owner, struct http_request *r)
{
    struct ai *ai = owner;
    struct err e;
    if (!ai_admit(ai, r, AI_ROUTE_CHAT))
        return;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    struct chat *c = mem_new(struct chat);
    *c = (struct chat){ .ai = ai, .request = r, .arena = arena_create(CHAT_ARENA_BYTES) };
    buf_init(&c->text, TALK_ANSWER_BYTES_MAX);
    c->talk.arena = c->arena;
    c->talk.out = &c->text;
    c->timer = io_timer_create(ai->loop, timer_fired, c);
    list_push(&ai->chats, &c->link);
    ai->chat_count++;
    bool is_good =
        ai->chat_count <= AI_CHATS_MAX ||
        err_set(&e, ERR_RATE, "more than %d chats are open, try again later", AI_CHATS_MAX);
    if (is_good && read_request(c, &options, &e)) {
        options.running_max = TALK_QUESTIONS_MAX;
        options.response_bytes_max = REPLY_BYTES_MAX;
        c->client = http_client_create(ai->loop, &options);
        begin(c);
        return;
    }
    ai_note(ai, r, AI_ROUTE_CHAT, problem_status(&e));
    problem_respond(r, &e);
    free_chat(c);
}

void ai_abandon_chats(struct ai *ai)
{
    list_each (node, &ai->chats) {
        struct chat *c = container_of(node, struct chat, link);
        closed(c);
        free_chat(c);
    }
}
