#include "gateway/chat_ask.h"

#include "auth/rate.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/chat.h"
#include "gateway/chat_answer.h"
#include "gateway/check.h"
#include "gateway/conversations.h"
#include "gateway/users.h"

enum {
    RATE_WINDOW_US = 60 * CLOCK_S,
    RATE_KEYS_MAX = 10'000,
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
    struct str key = uuid_bytes(&user_id);
    pthread_mutex_lock(&limits->lock);
    bool is_good = rate_take(limits->rate, key, clock_mono_us(), &r->retry_after_us);
    pthread_mutex_unlock(&limits->lock);
    return is_good || err_set(e, ERR_RATE, "too many questions; the limit is %lld within a minute",
                              (long long)conf_int(r->loop->gateway->conf, CONF_CHAT_LIMIT));
}

static const struct conf *conf_of(const struct gql_step *step)
{
    return await_request(step)->loop->gateway->conf;
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
                          &q->instead_of, e) ||
        !read_optional_id("input.continueMessageId", gql_input(input, "continueMessageId"),
                          step->arena, &q->continue_id, e))
        return false;
    if (q->instead_of != NULL && q->continue_id != NULL)
        return err_set(e, ERR_INVALID,
                       "input.continueMessageId: may not be given together with insteadOf");
    q->id = id != NULL ? *id : uuid_v7();
    q->new_conversation_id = uuid_v7();
    q->title = conversations_title(step->arena, q->content);
    q->user_id = await_request(step)->credential->owner.user_id;
    return true;
}

/* ── storing the question ── */

struct asking {
    struct chat_asked asked;
    chat_asked_fn *fn;
    bool is_second_try;
};

static bool refuse(enum message_outcome outcome, struct err *e)
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
        [MESSAGE_NOT_CONTINUED] = { ERR_NOT_FOUND,
                                    "input.continueMessageId: you have no such answer" },
        [MESSAGE_IS_COMPLETE] = { ERR_CONFLICT,
                                  "input.continueMessageId: that answer did not break off" },
        [MESSAGE_NO_USER] = { ERR_UNAUTHENTICATED, "this account is no more; sign in again" },
    };
    return err_set(e, refusals[outcome].code, "%s", refusals[outcome].message);
}

static enum gql_next store_question(struct gql_step *step);

static struct db_rows *keep(const struct gql_step *step, struct db_rows *rows)
{
    db_rows_keep(rows, step->arena);
    return rows;
}

enum { ASK, READ_REPLY, READ_HISTORY, READ_CONTINUED, STEP_COUNT };

static void question_stored(struct gql_step *step, const struct db_reply *reply)
{
    struct asking *asking = step->host;
    struct chat_asked *asked = &asking->asked;
    struct message_asked stored;
    struct err e;
    if (reply->err != NULL && !asking->is_second_try &&
        strcmp(reply->constraint, MESSAGE_STORED_MEANWHILE) == 0) {
        asking->is_second_try = true; /* it came twice at once: now it is there */
        (void)store_question(step);
        return;
    }
    if (reply->err != NULL) {
        (void)gql_step_fail(step, reply->err);
        return;
    }
    enum message_outcome outcome = message_read_asked(reply->rows[ASK], &stored);
    if (outcome != MESSAGE_ASKED && outcome != MESSAGE_AGAIN) {
        (void)refuse(outcome, &e);
        (void)gql_step_fail(step, &e);
        return;
    }
    asked->conversation_id = stored.conversation_id;
    asked->user_name = arena_copy(step->arena, stored.user_name);
    if (db_rows_count(reply->rows[READ_REPLY]) > 0)
        asked->reply = keep(step, reply->rows[READ_REPLY]);
    asked->history = keep(step, reply->rows[READ_HISTORY]);
    asked->continued = keep(step, reply->rows[READ_CONTINUED]);
    asking->fn(step, asked);
}

static enum gql_next store_question(struct gql_step *step)
{
    const struct asking *asking = step->host;
    const struct message_new *q = &asking->asked.question;
    size_t told_max = (size_t)conf_int(conf_of(step), CONF_CHAT_HISTORY_MAX);
    const struct db_step steps[STEP_COUNT] = {
        [ASK] = message_ask_step(step->arena, q),
        [READ_REPLY] = message_read_answer_step(step->arena, q->id, q->user_id),
        [READ_HISTORY] = message_history_step(step->arena, q->id, q->user_id,
                                              told_max * HISTORY_LOOK_FACTOR, HISTORY_CHARS_MAX),
        [READ_CONTINUED] =
            message_continued_step(step->arena, q->continue_id, q->user_id, HISTORY_CHARS_MAX),
    };
    return await_db_any(step, DB_LANE_WRITE, steps, countof(steps), question_stored);
}

enum gql_next chat_ask(struct gql_step *step, chat_asked_fn *fn)
{
    struct asking *asking = arena_new(step->arena, struct asking);
    struct err e;
    asking->fn = fn;
    step->host = asking;
    if (!read_question(step, &asking->asked.question, &e) || !take_turn(await_request(step), &e))
        return gql_step_fail(step, &e);
    return store_question(step);
}

/* ── what ai is asked ── */

struct str chat_ask_json(const struct request *r, const struct chat_asked *asked,
                         struct str capability, struct arena *a)
{
    const struct gateway *gw = r->loop->gateway;
    const struct chat_question question = {
        .text = asked->question.content,
        .user_name = asked->user_name,
        .role = r->credential->grant.role,
        .now_us = clock_wall_us(),
        .url = gw->callback_url,
        .capability = capability,
        .history_max = (size_t)conf_int(gw->conf, CONF_CHAT_HISTORY_MAX),
        .history_bytes_max = conf_bytes(gw->conf, CONF_CHAT_HISTORY_LIMIT),
    };
    return chat_question_json(a, &question, asked->history, asked->continued);
}

/* ── the answer ── */

void chat_store_steps(struct arena *a, const struct message_answer *answer,
                      struct db_step ret_steps[CHAT_STORE_STEPS])
{
    ret_steps[0] = message_answer_step(a, answer);
    ret_steps[1] = message_read_answer_step(a, answer->question_id, answer->user_id);
}

bool chat_store_read(const struct db_reply *reply, bool is_standing_in, struct str request_id,
                     struct db_rows **ret_rows, struct err *e)
{
    if (reply->err != NULL && is_standing_in) {
        log_warn("chat.unanswered", "req=%.*s error=%s", STR_FMT(request_id),
                 log_quote(str_of_c(reply->err->message)));
        return err_set_from(
            e, ERR_ORIGIN_AI, ERR_UNAVAILABLE,
            "the assistant is out of reach; your message is kept, ask again with its id");
    }
    if (reply->err != NULL) {
        *e = *reply->err;
        return false;
    }
    if (!message_read_answered(reply->rows[0]))
        return refuse(MESSAGE_NO_USER, e);
    if (db_rows_count(reply->rows[1]) == 0)
        return err_set(e, ERR_CONFLICT,
                       "input.id: the id after it, which is the answer's, is taken");
    *ret_rows = reply->rows[1];
    return true;
}

struct chat_reply *chat_reply_of(struct arena *a, struct uuid conversation_id, struct db_rows *rows)
{
    struct chat_reply *reply = arena_new(a, struct chat_reply);
    reply->conversation_id = conversation_id;
    reply->message = chat_history_object(a, rows);
    return reply;
}
