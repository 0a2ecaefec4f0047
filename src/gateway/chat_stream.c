/*
 * Subscription.chatStream: a chat whose answer is told as it is written.
 *
 *   (question stored) --> ask ai --> delta, tool … --> done -----> store --> ChatDone --> complete
 *        |                  |   `-- it breaks off: what was said, BROKEN --^
 *        |                  `-- before a word was said: figures ----------^
 *        `-- stored before, with its answer --------------------------------^
 *
 *   the client goes: ai is asked no longer; what was said is stored as STOPPED, as BROKEN where it
 *   is the gateway that goes; where nothing was said, nothing is.
 *
 * A chat outlives its stream until its answer is stored, so it has an arena of its own. Deltas that
 * the client has not taken yet are told as one.
 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/ai_client.h"
#include "gateway/bindings.h"
#include "gateway/capability.h"
#include "gateway/chat_answer.h"
#include "gateway/chat_ask.h"
#include "gateway/check.h"
#include "gateway/subscription.h"
#include "io/timer.h"
#include "json/writer.h"
#include "store/public/facts.h"

enum {
    TOOLS_MAX = 50,
    TOOL_NAME_MAX = 100,
    TOOL_BYTES_MAX = 64 << 10,
    STORE_US = 10 * CLOCK_S,
};

/* A ChatToolCall, and behind how much of the text it came. */
struct tool {
    size_t at;
    struct str name, arguments_json;
};

struct chat_stream {
    struct event_source base;
    struct gateway_loop *loop;
    struct arena *arena;
    struct str request_id;
    struct uuid question_id, user_id, conversation_id;
    struct token capability;
    struct ai_running *running; /* NULL: ai is not asked, or no longer */
    struct io_timer *news;      /* wakes the carrier: not from within ai's events */
    struct buf said;
    size_t said_chars;
    size_t told; /* bytes */
    struct tool tools[TOOLS_MAX];
    size_t tool_count, tool_told;
    struct message_answer answer;
    struct db_rows *reply; /* NULL: nothing is stored yet */
    struct err failure;    /* ends the subscription */
    size_t calls;          /* of the database that run */
    bool is_standing_in, is_closed;
};

/* ── the end ── */

static void free_if_over(struct chat_stream *s)
{
    struct gateway_loop *loop = s->loop;
    if (!s->is_closed || s->calls > 0)
        return;
    io_timer_destroy(s->news);
    buf_clear(&s->said);
    db_rows_unref(s->reply);
    gateway_arena_done(loop, s->arena, false);
}

static void wake(void *owner)
{
    struct chat_stream *s = owner;
    if (!s->is_closed)
        s->base.wake(s->base.waker);
}

static void has_news(struct chat_stream *s)
{
    if (!io_timer_is_running(s->news))
        io_timer_start(s->news, 0);
}

static void fail(struct chat_stream *s, const struct err *e)
{
    s->failure = *e;
    has_news(s);
}

/* ── storing ── */

/* What cannot even begin is told as what fails. */
static void call(struct chat_stream *s, enum db_lane lane, const struct db_step *steps,
                 size_t count, db_reply_fn *fn)
{
    const struct db_call options = { .lane = lane,
                                     .steps = steps,
                                     .step_count = count,
                                     .deadline_us = clock_mono_us() + STORE_US,
                                     .fn = fn,
                                     .owner = s };
    struct err e;
    if (db_pool_call(s->loop->pool, &options, NULL, &e))
        s->calls++;
    else
        fail(s, &e);
}

static void answer_stored(void *owner, const struct db_reply *reply)
{
    struct chat_stream *s = owner;
    struct db_rows *rows;
    struct err e;
    s->calls--;
    if (chat_store_read(reply, s->is_standing_in, s->request_id, &rows, &e)) {
        db_rows_ref(rows);
        s->reply = rows;
        has_news(s);
    } else {
        fail(s, &e);
    }
    free_if_over(s);
}

static void store(struct chat_stream *s)
{
    struct db_step steps[CHAT_STORE_STEPS];
    s->answer.question_id = s->question_id;
    s->answer.user_id = s->user_id;
    chat_store_steps(s->arena, &s->answer, steps);
    call(s, DB_LANE_WRITE, steps, countof(steps), answer_stored);
}

/* What was said before it broke off; nobody knows who said it. False: nothing was. */
static bool store_said(struct chat_stream *s, enum chat_message_state state)
{
    struct str said = str_trim(buf_str(&s->said));
    if (str_is_empty(said))
        return false;
    s->answer = (struct message_answer){ .content = arena_copy(s->arena, said),
                                         .citations_json = STR("[]"),
                                         .state = state };
    store(s);
    return true;
}

/* ── without ai: the figures of the gateway's own tables ── */

static void got_overview(void *owner, const struct db_reply *reply)
{
    struct chat_stream *s = owner;
    s->calls--;
    chat_answer_stand_in(s->arena, reply->err == NULL ? reply->rows[0] : NULL, &s->answer);
    store(s);
    free_if_over(s);
}

static void do_without_ai(struct chat_stream *s, const struct err *why)
{
    log_info("chat.degraded", "req=%.*s reason=%s", STR_FMT(s->request_id),
             log_quote(str_of_c(err_text(why))));
    if (store_said(s, CHAT_MESSAGE_STATE_BROKEN))
        return;
    struct db_step overview = facts_overview_step();
    s->is_standing_in = true;
    call(s, DB_LANE_READ, &overview, 1, got_overview);
}

/* ── with ai ── */

static bool take_delta(struct chat_stream *s, const struct json_value *event)
{
    const struct json_value *text = json_get_c(event, "text");
    if (text == NULL || text->type != JSON_STRING)
        return false;
    s->said_chars += check_chars(text->text);
    if (s->said_chars > CHAT_ANSWER_CHARS_MAX)
        return false;
    buf_put_str(&s->said, text->text);
    return true;
}

static bool take_tool(struct chat_stream *s, const struct json_value *event)
{
    const struct json_value *name = json_get_c(event, "name");
    const struct json_value *arguments = json_get_c(event, "arguments");
    struct buf json;
    if (name == NULL || name->type != JSON_STRING || str_is_empty(name->text) ||
        name->text.len > TOOL_NAME_MAX || arguments == NULL || s->tool_count == TOOLS_MAX)
        return false;
    buf_init(&json, TOOL_BYTES_MAX);
    json_put_value(&json, arguments);
    bool is_good = !json.failed;
    if (is_good)
        s->tools[s->tool_count++] =
            (struct tool){ .at = s->said.len,
                           .name = arena_copy(s->arena, name->text),
                           .arguments_json = arena_copy(s->arena, buf_str(&json)) };
    buf_clear(&json);
    return is_good;
}

static bool ai_told(void *owner, struct str name, const struct json_value *event)
{
    struct chat_stream *s = owner;
    has_news(s);
    return str_eq_c(name, "delta") ? take_delta(s, event) : take_tool(s, event);
}

static bool ai_answered(void *owner, const struct json_value *done, const struct err *failure)
{
    struct chat_stream *s = owner;
    struct err e;
    s->running = NULL;
    capability_close(s->loop->gateway->capabilities, s->capability.hash);
    bool is_read = failure == NULL && chat_answer_read(s->arena, done, &s->answer, &e);
    if (is_read)
        store(s);
    else
        do_without_ai(s, failure != NULL ? failure : &e);
    return is_read;
}

static void ask_ai(struct chat_stream *s, const struct request *r, const struct chat_asked *asked)
{
    struct capabilities *capabilities = s->loop->gateway->capabilities;
    int64_t now_us = clock_mono_us();
    struct err e;
    if (!capability_open(capabilities, r->token, now_us, &s->capability, &e)) {
        do_without_ai(s, &e);
        return;
    }
    const struct ai_call ask = {
        .path = "/v1/chat",
        .body = chat_ask_json(r, asked, str_of_c(s->capability.text), s->arena),
        .is_chat = true,
        .event = ai_told,
        .deadline_us = now_us + CAPABILITY_LIFETIME_US,
        .arena = s->arena,
        .fn = ai_answered,
        .owner = s,
    };
    if (!ai_client_ask(s->loop->ai, &ask, &s->running, &e)) {
        capability_close(capabilities, s->capability.hash);
        do_without_ai(s, &e);
    }
}

/* ── to the watcher ── */

enum kind { KIND_DELTA, KIND_TOOL, KIND_DONE };

/* A ChatEvent. */
struct chat_event {
    enum kind kind;
    struct str text; /* of DELTA */
    const struct tool *tool;
    struct chat_reply *reply;
};

static struct chat_event *tell(struct arena *a, struct chat_event event)
{
    struct chat_event *told = arena_new(a, struct chat_event);
    *told = event;
    return told;
}

static bool next_event(struct event_source *base, struct arena *a, void **ret_event, struct err *e)
{
    struct chat_stream *s = container_of(base, struct chat_stream, base);
    const struct tool *tool = s->tool_told < s->tool_count ? &s->tools[s->tool_told] : NULL;
    size_t until = tool != NULL ? tool->at : s->said.len;
    if (s->told < until) {
        struct str text = str_from(str_first(buf_str(&s->said), until), s->told);
        *ret_event = tell(a, (struct chat_event){ KIND_DELTA, .text = arena_copy(a, text) });
        s->told = until;
    } else if (tool != NULL) {
        *ret_event = tell(a, (struct chat_event){ KIND_TOOL, .tool = tool });
        s->tool_told++;
    } else if (s->failure.code != ERR_NONE) {
        *e = s->failure;
        return false;
    } else if (s->reply != NULL && !base->is_over) {
        struct chat_reply *reply = chat_reply_of(a, s->conversation_id, s->reply);
        *ret_event = tell(a, (struct chat_event){ KIND_DONE, .reply = reply });
        base->is_over = true;
    }
    return true;
}

static void close_stream(struct event_source *base)
{
    struct chat_stream *s = container_of(base, struct chat_stream, base);
    s->is_closed = true;
    if (s->running != NULL) {
        bool is_draining = atomic_load(&s->loop->gateway->draining_since_us) != 0;
        ai_client_cancel(take(s->running));
        capability_close(s->loop->gateway->capabilities, s->capability.hash);
        (void)store_said(s, is_draining ? CHAT_MESSAGE_STATE_BROKEN : CHAT_MESSAGE_STATE_STOPPED);
    }
    free_if_over(s);
}

/* ── the beginning ── */

static void asked(struct gql_step *step, struct chat_asked *asked)
{
    static const struct event_source_class class = { next_event, close_stream };
    const struct request *r = await_request(step);
    struct arena *a = gateway_arena(r->loop, false);
    struct chat_stream *s = arena_new(a, struct chat_stream);
    s->base.class = &class;
    s->loop = r->loop;
    s->arena = a;
    s->request_id = arena_copy(a, r->id);
    s->question_id = asked->question.id;
    s->user_id = asked->question.user_id;
    s->conversation_id = asked->conversation_id;
    s->news = io_timer_create(r->loop->io, wake, s);
    buf_init(&s->said, 0); /* bounded by its characters */
    if (asked->reply != NULL) {
        s->reply = asked->reply;
        db_rows_ref(s->reply);
    } else {
        ask_ai(s, r, asked);
    }
    step->results[0] = gql_object(&s->base);
    gql_step_finish(step);
}

static enum gql_next subscribe_chat(struct gql_step *step)
{
    return chat_ask(step, asked);
}

/* ── ChatEvent ── */

static void get_event(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    static const struct str types[] = { [KIND_DELTA] = { "ChatDelta", 9 },
                                        [KIND_TOOL] = { "ChatToolCall", 12 },
                                        [KIND_DONE] = { "ChatDone", 8 } };
    const struct chat_event *event = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = gql_object(parent);
    ret_value->object_type = gql_schema_type(r->loop->gateway->schema, types[event->kind]);
}

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct chat_event *event = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(event->text);
}

static void get_tool_name(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct chat_event *event = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(event->tool->name);
}

static void get_tool_arguments(const struct gql_field *f, void *ctx, void *parent,
                               struct gql_value *ret_value)
{
    const struct chat_event *event = parent;
    (void)f, (void)ctx;
    *ret_value = gql_raw(event->tool->arguments_json);
}

static void get_reply(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct chat_event *event = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(event->reply);
}

const struct gateway_binding bindings_chat_stream[] = {
    { "Subscription.chatStream", { .get = get_event, .subscribe = subscribe_chat } },
    { "ChatDelta.text", { .get = get_text } },
    { "ChatToolCall.name", { .get = get_tool_name } },
    { "ChatToolCall.arguments", { .get = get_tool_arguments } },
    { "ChatDone.reply", { .get = get_reply } },
    { 0 },
};
