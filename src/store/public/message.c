#include "store/public/message.h"

#include "store/public/message_sql.h"

/* ── the answer's id: the last bytes of a UUID are not its time and may be counted up ── */

enum { ENDS_FROM = 9 };

bool message_has_answer_id(struct uuid id)
{
    for (size_t i = ENDS_FROM; i < sizeof id.bytes; i++)
        if (id.bytes[i] != 0xff)
            return true;
    return false;
}

struct uuid message_answer_id(struct uuid id)
{
    size_t i = sizeof id.bytes;
    assert(message_has_answer_id(id));
    while (++id.bytes[--i] == 0)
        continue;
    return id;
}

/* ── asking ── */

struct db_step message_ask_step(struct arena *a, const struct message_new *message)
{
    return (struct db_step){
        &message_ask, message_ask_args(a, message->id, message->user_id, message->conversation_id,
                                       message->new_conversation_id, message->title,
                                       message->content, message->instead_of, message->continue_id)
    };
}

enum asked_column {
    ASKED_NAME,
    ASKED_CONVERSATION,
    ASKED_IS_ASKED,
    ASKED_IS_STORED,
    ASKED_IS_OWN,
    ASKED_IS_SAME,
    ASKED_IS_OPEN,
    ASKED_HAS_REPLACED,
    ASKED_HAS_CONTINUED,
    ASKED_IS_BROKEN_OFF,
};

static enum message_outcome why_not_asked(const struct db_rows *rows)
{
    if (!db_rows_bool(rows, 0, ASKED_HAS_REPLACED))
        return MESSAGE_NOT_REPLACED;
    if (!db_rows_bool(rows, 0, ASKED_HAS_CONTINUED))
        return MESSAGE_NOT_CONTINUED;
    return db_rows_bool(rows, 0, ASKED_IS_BROKEN_OFF) ? MESSAGE_NO_CONVERSATION
                                                      : MESSAGE_IS_COMPLETE;
}

enum message_outcome message_read_asked(const struct db_rows *rows, struct message_asked *ret_asked)
{
    if (db_rows_count(rows) == 0)
        return MESSAGE_NO_USER;
    bool is_asked = db_rows_bool(rows, 0, ASKED_IS_ASKED);
    bool is_stored = db_rows_bool(rows, 0, ASKED_IS_STORED);
    if (!is_asked && !is_stored)
        return why_not_asked(rows);
    if (!is_asked && !db_rows_bool(rows, 0, ASKED_IS_OWN))
        return MESSAGE_TAKEN;
    if (!is_asked && !db_rows_bool(rows, 0, ASKED_IS_SAME))
        return MESSAGE_DIFFERS;
    if (!is_asked && !db_rows_bool(rows, 0, ASKED_IS_OPEN))
        return MESSAGE_NO_CONVERSATION;
    *ret_asked =
        (struct message_asked){ .conversation_id = db_rows_uuid(rows, 0, ASKED_CONVERSATION),
                                .user_name = db_rows_text(rows, 0, ASKED_NAME) };
    return is_asked ? MESSAGE_ASKED : MESSAGE_AGAIN;
}

struct db_step message_history_step(struct arena *a, struct uuid question_id, struct uuid user_id,
                                    size_t count_max, size_t content_chars_max)
{
    return (struct db_step){ &message_history,
                             message_history_args(a, question_id, user_id, (int64_t)count_max,
                                                  (int32_t)content_chars_max) };
}

/* The id before the answer's. */
static struct uuid question_id(struct uuid id)
{
    size_t i = sizeof id.bytes;
    while (i > 0 && id.bytes[--i]-- == 0)
        continue;
    return id;
}

struct db_step message_continued_step(struct arena *a, const struct uuid *continue_id,
                                      struct uuid user_id, size_t content_chars_max)
{
    struct uuid none = { 0 };
    struct uuid answer_id = continue_id != NULL ? *continue_id : none;
    return (struct db_step){ &message_continued,
                             message_continued_args(a, answer_id, question_id(answer_id), user_id,
                                                    (int32_t)content_chars_max) };
}

/* ── answering ── */

struct db_step message_answer_step(struct arena *a, const struct message_answer *answer)
{
    return (struct db_step){
        &message_answer,
        message_answer_args(a, message_answer_id(answer->question_id), answer->question_id,
                            answer->user_id, answer->content,
                            str_is_empty(answer->model) ? NULL : &answer->model,
                            answer->citations_json, answer->is_degraded, answer->prompt_tokens,
                            answer->completion_tokens,
                            schema_public.enums[ENUM_chat_message_state].labels[answer->state].text)
    };
}

bool message_read_answered(const struct db_rows *rows)
{
    return db_rows_bool(rows, 0, 0);
}

struct db_step message_read_answer_step(struct arena *a, struct uuid question_id,
                                        struct uuid user_id)
{
    return (struct db_step){ &message_read_answer,
                             message_read_answer_args(a, message_answer_id(question_id), user_id) };
}

/* ── pages ── */

static const struct uuid least = { 0 };
static const struct uuid greatest = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

struct db_step message_pages_step(struct arena *a, const struct message_pages *pages)
{
    struct uuid after = pages->after ? *pages->after : least;
    struct uuid before = pages->before ? *pages->before : greatest;
    int64_t limit = (int64_t)pages->limit;
    if (pages->conversation_id == NULL)
        return (struct db_step){ pages->is_descending ? &message_pages_down : &message_pages_up,
                                 message_pages_up_args(a, pages->user_ids, pages->user_count, after,
                                                       before, limit, pages->with_content,
                                                       pages->with_citations, pages->with_more) };
    assert(pages->user_count == 1);
    return (struct db_step){ pages->is_descending ? &message_talk_down : &message_talk_up,
                             message_talk_up_args(a, *pages->conversation_id, pages->user_ids[0],
                                                  pages->with_orphans, after, before, limit,
                                                  pages->with_content, pages->with_citations,
                                                  pages->with_more) };
}

struct db_step message_counts_step(struct arena *a, const struct message_pages *pages)
{
    if (pages->conversation_id == NULL)
        return (struct db_step){ &message_counts,
                                 message_counts_args(a, pages->user_ids, pages->user_count) };
    return (struct db_step){ &message_talk_count,
                             message_talk_count_args(a, *pages->conversation_id, pages->user_ids[0],
                                                     pages->with_orphans) };
}
