#include "gateway/chat.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/ai_client.h"
#include "gateway/bindings.h"
#include "gateway/capability.h"
#include "gateway/chat_answer.h"
#include "gateway/chat_ask.h"
#include "store/public/facts.h"

/* Kept back of the request's time, to store the answer in; of a short one a quarter. */
enum { STORE_MARGIN_US = 3 * CLOCK_S };

struct chat {
    const struct chat_asked *asked;
    struct token capability;
    struct message_answer answer;
    bool is_standing_in;
};

/* ── storing the answer ── */

static void reply_with(struct gql_step *step, const struct chat_asked *asked, struct db_rows *rows)
{
    step->results[0] = gql_object(chat_reply_of(step->arena, asked->conversation_id, rows));
    gql_step_finish(step);
}

static void answer_stored(struct gql_step *step, const struct db_reply *reply)
{
    const struct chat *chat = step->host;
    struct db_rows *rows;
    struct err e;
    if (chat_store_read(reply, chat->is_standing_in, await_request(step)->id, &rows, &e))
        reply_with(step, chat->asked, rows);
    else
        (void)gql_step_fail(step, &e);
}

static void store_answer(struct gql_step *step)
{
    struct chat *chat = step->host;
    struct db_step steps[CHAT_STORE_STEPS];
    chat->answer.question_id = chat->asked->question.id;
    chat->answer.user_id = chat->asked->question.user_id;
    chat_store_steps(step->arena, &chat->answer, steps);
    (void)await_db_any(step, DB_LANE_WRITE, steps, countof(steps), answer_stored);
}

/* ── without ai: the figures of the gateway's own tables ── */

static void got_overview(struct gql_step *step, const struct db_reply *reply)
{
    struct chat *chat = step->host;
    chat_answer_stand_in(step->arena, reply->err == NULL ? reply->rows[0] : NULL, &chat->answer);
    store_answer(step);
}

static void stand_in(struct gql_step *step, const struct err *why)
{
    struct chat *chat = step->host;
    struct db_step overview = facts_overview_step();
    log_info("chat.degraded", "req=%.*s reason=%s", STR_FMT(await_request(step)->id),
             log_quote(str_of_c(err_text(why))));
    chat->is_standing_in = true;
    (void)await_db_any(step, DB_LANE_READ, &overview, 1, got_overview);
}

/* ── asking ai ── */

static bool ai_answered(void *owner, const struct json_value *done, const struct err *failure)
{
    struct gql_step *step = owner;
    struct chat *chat = step->host;
    struct err e;
    capability_close(await_request(step)->loop->gateway->capabilities, chat->capability.hash);
    bool is_read = failure == NULL && chat_answer_read(step->arena, done, &chat->answer, &e);
    if (is_read)
        store_answer(step);
    else
        stand_in(step, failure != NULL ? failure : &e);
    return is_read;
}

static void ask_ai(struct gql_step *step)
{
    struct request *r = await_request(step);
    struct chat *chat = step->host;
    struct capabilities *capabilities = r->loop->gateway->capabilities;
    int64_t now_us = clock_mono_us();
    int64_t left_us = r->deadline_us - now_us;
    struct err e;
    if (r->is_answered) { /* who asked has gone, and his token with him; he may ask again */
        gql_step_finish(step);
        return;
    }
    if (!capability_open(capabilities, r->token, now_us, &chat->capability, &e)) {
        stand_in(step, &e);
        return;
    }
    const struct ai_call call = {
        .path = "/v1/chat",
        .body = chat_ask_json(r, chat->asked, str_of_c(chat->capability.text), step->arena),
        .is_chat = true,
        .deadline_us = r->deadline_us - min_of((int64_t)STORE_MARGIN_US, left_us / 4),
        .arena = step->arena,
        .fn = ai_answered,
        .owner = step,
    };
    if (!ai_client_ask(r->loop->ai, &call, NULL, &e)) {
        capability_close(capabilities, chat->capability.hash);
        stand_in(step, &e);
    }
}

static void asked(struct gql_step *step, struct chat_asked *asked)
{
    struct chat *chat = arena_new(step->arena, struct chat);
    chat->asked = asked;
    step->host = chat;
    if (asked->reply != NULL)
        reply_with(step, asked, asked->reply);
    else
        ask_ai(step);
}

static enum gql_next resolve_chat(struct gql_step *step)
{
    return chat_ask(step, asked);
}

/* ── ChatReply ── */

static void get_conversation(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct chat_reply *reply = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_id(r->arena, reply->conversation_id);
}

static void get_message(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct chat_reply *reply = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(reply->message);
}

static void get_is_degraded(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct chat_reply *reply = parent;
    (void)f, (void)ctx;
    *ret_value =
        gql_bool(db_rows_bool(reply->message->rows, reply->message->row, MESSAGE_IS_DEGRADED));
}

const struct gateway_binding bindings_chat[] = {
    { "Mutation.chat", { .resolve = resolve_chat } },
    { "ChatReply.conversationId", { .get = get_conversation } },
    { "ChatReply.message", { .get = get_message } },
    { "ChatReply.degraded", { .get = get_is_degraded } },
    { 0 },
};
