#include "gateway/chat.h"

#include "auth/rate.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/ai_client.h"
#include "gateway/bindings.h"
#include "gateway/capability.h"
#include "gateway/chat_answer.h"
#include "gateway/chat_history.h"
#include "gateway/check.h"
#include "gateway/conversations.h"
#include "gateway/users.h"
#include "store/public/facts.h"
#include "store/public/message.h"

enum {
    RATE_WINDOW_US = 60 * CLOCK_S,
    RATE_KEYS_MAX = 10'000,
    /* Kept back of the request's time, to store the answer in; of a short one a quarter. */
    STORE_MARGIN_US = 3 * CLOCK_S,
    HISTORY_LOOK_FACTOR = 2,   /* rows read for each that may be told: some were replaced */
    HISTORY_CHARS_MAX = 8'000, /* of one message */
};

/* ── how often ── */

struct chat_limits {
    pthread_mutex_t lock; /* all loops ask; held for one look-up */
    struct rate *rate;
};

struct chat_limits *chat_limits_create(const struct conf *conf)
{
    struct chat_limits *limits = mem_new(struct chat_limits);
    int failed = pthread_mutex_init(&limits->lock, NULL);
    assert(!failed);
    limits->rate =
        rate_create((uint32_t)conf_int(conf, CONF_CHAT_LIMIT), RATE_WINDOW_US, RATE_KEYS_MAX);
    return limits;
}

void chat_limits_destroy(struct chat_limits *limits)
{
    if (limits == NULL)
        return;
    rate_destroy(limits->rate);
    (void)pthread_mutex_destroy(&limits->lock);
    mem_free(limits);
}

static bool take_turn(struct request *r, struct err *e)
{
    struct chat_limits *limits = r->loop->gateway->chat_limits;
    struct uuid user_id = r->credential->owner.user_id;
    struct str key = str_of((const char *)user_id.bytes, sizeof user_id.bytes);
    pthread_mutex_lock(&limits->lock);
    bool is_good = rate_take(limits->rate, key, clock_mono_us(), &r->retry_after_us);
    pthread_mutex_unlock(&limits->lock);
    return is_good || err_set(e, ERR_RATE, "too many questions; the limit is %lld within a minute",
                              (long long)conf_int(r->loop->gateway->conf, CONF_CHAT_LIMIT));
}

/* ── one chat ── */

struct chat {
    struct message_new question;
    struct uuid conversation_id;
    struct token capability;
    struct message_answer answer;
    bool is_second_try, is_standing_in;
};

/* The ChatReply. */
struct chat_reply {
    struct uuid conversation_id;
    struct chat_message *message;
};

static const struct conf *conf_of(const struct gql_step *step)
{
    return await_request(step)->loop->gateway->conf;
}

static void reply_with(struct gql_step *step, struct db_rows *rows)
{
    const struct chat *chat = step->host;
    struct chat_reply *reply = arena_new(step->arena, struct chat_reply);
    reply->conversation_id = chat->conversation_id;
    reply->message = chat_history_object(step, rows);
    step->results[0] = gql_object(reply);
    gql_step_finish(step);
}

/* ── refusing ── */

static enum gql_next refuse(struct gql_step *step, enum message_outcome outcome)
{
    static const struct {
        enum err_code code;
        const char *message;
    } refusals[] = {
        [MESSAGE_TAKEN] = { ERR_CONFLICT, "input.id: is the id of another message" },
        [MESSAGE_DIFFERS] = { ERR_CONFLICT, "input.id: was sent before, with another message" },
        [MESSAGE_NO_CONVERSATION] = { ERR_NOT_FOUND,
                                      "input.conversationId: you have no such conversation" },
        [MESSAGE_NOT_REPLACED] = { ERR_NOT_FOUND,
                                   "input.insteadOf: you have sent no such message" },
        [MESSAGE_NO_USER] = { ERR_UNAUTHENTICATED, "this account is no more; sign in again" },
    };
    struct err e;
    err_set(&e, refusals[outcome].code, "%s", refusals[outcome].message);
    return gql_step_fail(step, &e);
}

/* ── storing the answer ── */

static void answer_stored(struct gql_step *step, const struct db_reply *reply)
{
    const struct chat *chat = step->host;
    struct err e;
    if (reply->err != NULL && chat->is_standing_in) {
        err_set_from(&e, ERR_ORIGIN_AI, ERR_UNAVAILABLE,
                     "the assistant is out of reach; your message is kept, ask again with its id");
        log_warn("chat.unanswered", "req=%.*s error=%s", STR_FMT(await_request(step)->id),
                 log_quote(str_of_c(reply->err->message)));
        (void)gql_step_fail(step, &e);
    } else if (reply->err != NULL) {
        (void)gql_step_fail(step, reply->err);
    } else if (!message_read_answered(reply->rows[0])) {
        (void)refuse(step, MESSAGE_NO_USER);
    } else if (db_rows_count(reply->rows[1]) == 0) {
        err_set(&e, ERR_CONFLICT, "input.id: the id after it, which is the answer's, is taken");
        (void)gql_step_fail(step, &e);
    } else {
        reply_with(step, reply->rows[1]);
    }
}

static void store_answer(struct gql_step *step)
{
    struct chat *chat = step->host;
    const struct message_new *question = &chat->question;
    chat->answer.question_id = question->id;
    chat->answer.user_id = question->user_id;
    const struct db_step steps[] = {
        message_answer_step(step->arena, &chat->answer),
        message_read_answer_step(step->arena, question->id, question->user_id),
    };
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

static void ai_answered(void *owner, const struct json_value *done, const struct err *failure)
{
    struct gql_step *step = owner;
    struct chat *chat = step->host;
    struct err e;
    capability_close(await_request(step)->loop->gateway->capabilities, chat->capability.hash);
    if (failure != NULL)
        stand_in(step, failure);
    else if (!chat_answer_read(step->arena, done, &chat->answer, &e))
        stand_in(step, &e);
    else
        store_answer(step);
}

static struct str question_json(const struct gql_step *step, const struct message_asked *asked,
                                const struct db_rows *history)
{
    const struct request *r = await_request(step);
    const struct chat *chat = step->host;
    struct chat_question question = {
        .text = chat->question.content,
        .user_name = asked->user_name,
        .role = r->credential->grant.role,
        .now_us = clock_wall_us(),
        .url = r->loop->gateway->callback_url,
        .capability = str_of_c(chat->capability.text),
        .history_max = (size_t)conf_int(conf_of(step), CONF_CHAT_HISTORY_MAX),
        .history_bytes_max = conf_bytes(conf_of(step), CONF_CHAT_HISTORY_LIMIT),
    };
    return chat_question_json(step->arena, &question, history);
}

static void ask_ai(struct gql_step *step, const struct message_asked *asked,
                   const struct db_rows *history)
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
        .body = question_json(step, asked, history),
        .is_chat = true,
        .deadline_us = r->deadline_us - min_of((int64_t)STORE_MARGIN_US, left_us / 4),
        .arena = step->arena,
        .fn = ai_answered,
        .owner = step,
    };
    if (!ai_client_ask(r->loop->ai, &call, &e)) {
        capability_close(capabilities, chat->capability.hash);
        stand_in(step, &e);
    }
}

/* ── storing the question ── */

static enum gql_next store_question(struct gql_step *step);

static void question_stored(struct gql_step *step, const struct db_reply *reply)
{
    struct chat *chat = step->host;
    struct message_asked asked;
    if (reply->err != NULL && !chat->is_second_try &&
        strcmp(reply->constraint, MESSAGE_STORED_MEANWHILE) == 0) {
        chat->is_second_try = true; /* it came twice at once: now it is there */
        (void)store_question(step);
        return;
    }
    if (reply->err != NULL) {
        (void)gql_step_fail(step, reply->err);
        return;
    }
    enum message_outcome outcome = message_read_asked(reply->rows[0], &asked);
    if (outcome != MESSAGE_ASKED && outcome != MESSAGE_AGAIN) {
        (void)refuse(step, outcome);
        return;
    }
    chat->conversation_id = asked.conversation_id;
    if (db_rows_count(reply->rows[1]) > 0)
        reply_with(step, reply->rows[1]);
    else
        ask_ai(step, &asked, reply->rows[2]);
}

static enum gql_next store_question(struct gql_step *step)
{
    const struct chat *chat = step->host;
    const struct message_new *q = &chat->question;
    size_t told_max = (size_t)conf_int(conf_of(step), CONF_CHAT_HISTORY_MAX);
    const struct db_step steps[] = {
        message_ask_step(step->arena, q),
        message_read_answer_step(step->arena, q->id, q->user_id),
        message_history_step(step->arena, q->id, q->user_id, told_max * HISTORY_LOOK_FACTOR,
                             HISTORY_CHARS_MAX),
    };
    return await_db_any(step, DB_LANE_WRITE, steps, countof(steps), question_stored);
}

/* ── what was sent ── */

/* A UUIDv7 of about now, as with tasks: ids are in the order of the talk. */
static bool check_id(const struct conf *conf, struct uuid id, struct err *e)
{
    int64_t age_us = clock_wall_us() - uuid_time_us(id);
    if (uuid_version(id) != 7 || !message_has_answer_id(id))
        return err_set(e, ERR_INVALID, "input.id: must be a UUIDv7");
    if (age_us > conf_duration_us(conf, CONF_ID_PAST) ||
        -age_us > conf_duration_us(conf, CONF_ID_FUTURE))
        return err_set(e, ERR_INVALID, "input.id: its time is too far from the server's");
    return true;
}

static bool read_optional_id(const char *name, const struct gql_value *value, struct arena *a,
                             const struct uuid **ret_id, struct err *e)
{
    struct uuid *id = arena_new(a, struct uuid);
    if (gql_is_null(value))
        return true;
    if (!users_read_id(name, value, id, e))
        return false;
    *ret_id = id;
    return true;
}

static bool check_message(const struct conf *conf, struct str text, struct err *e)
{
    size_t chars = check_chars(text), chars_max = (size_t)conf_int(conf, CONF_CHAT_MESSAGE_MAX);
    if (str_is_empty(str_trim(text)) || chars > chars_max)
        return err_set(e, ERR_INVALID, "input.message: must have 1 to %zu characters, not %zu",
                       chars_max, str_is_empty(str_trim(text)) ? 0 : chars);
    return str_find_char(text, '\0') < 0 ||
           err_set(e, ERR_INVALID, "input.message: must not hold U+0000");
}

static bool read_question(const struct gql_step *step, struct message_new *q, struct err *e)
{
    const struct gql_value *input = gql_arg(step, "input");
    const struct uuid *id = NULL;
    q->content = gql_input(input, "message")->text;
    if (!check_message(conf_of(step), q->content, e) ||
        !read_optional_id("input.id", gql_input(input, "id"), step->arena, &id, e) ||
        (id != NULL && !check_id(conf_of(step), *id, e)) ||
        !read_optional_id("input.conversationId", gql_input(input, "conversationId"), step->arena,
                          &q->conversation_id, e) ||
        !read_optional_id("input.insteadOf", gql_input(input, "insteadOf"), step->arena,
                          &q->instead_of, e))
        return false;
    q->id = id != NULL ? *id : uuid_v7();
    q->new_conversation_id = uuid_v7();
    q->title = conversations_title(step->arena, q->content);
    q->user_id = await_request(step)->credential->owner.user_id;
    return true;
}

static enum gql_next resolve_chat(struct gql_step *step)
{
    struct chat *chat = arena_new(step->arena, struct chat);
    struct err e;
    step->host = chat;
    if (!read_question(step, &chat->question, &e) || !take_turn(await_request(step), &e))
        return gql_step_fail(step, &e);
    return store_question(step);
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
