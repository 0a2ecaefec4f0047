#include "gateway/chat_answer.h"

#include "base/buf.h"
#include "gateway/check.h"
#include "json/writer.h"
#include "store/public/facts.h"

/* ── the question ── */

static bool is_at_or_after(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) >= 0;
}

/*
 * Which rows are told, as indexes, the newest first. A message that replaces another one takes out
 * what lies between: the replaced one and all that was said after it.
 */
static size_t choose_history(const struct chat_question *q, const struct db_rows *rows,
                             size_t *ret_chosen)
{
    struct uuid cut = { 0 };
    bool is_cut = false;
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < db_rows_count(rows) && count < q->history_max; i++) {
        size_t len = db_rows_text(rows, i, MESSAGE_HISTORY_CONTENT).len;
        if (is_cut && is_at_or_after(db_rows_uuid(rows, i, MESSAGE_HISTORY_ID), cut))
            continue;
        if (bytes + len > q->history_bytes_max)
            break;
        bytes += len;
        ret_chosen[count++] = i;
        is_cut = !db_rows_is_null(rows, i, MESSAGE_HISTORY_INSTEAD_OF);
        if (is_cut)
            cut = db_rows_uuid(rows, i, MESSAGE_HISTORY_INSTEAD_OF);
    }
    return count;
}

static void write_history(struct json_writer *w, struct arena *a, const struct chat_question *q,
                          const struct db_rows *rows)
{
    size_t *chosen = arena_new_array(a, db_rows_count(rows), size_t);
    json_begin_array(w);
    for (size_t i = choose_history(q, rows, chosen); i-- > 0;) {
        json_begin_object(w);
        json_key_c(w, "role");
        json_write_string(w, db_rows_text(rows, chosen[i], MESSAGE_HISTORY_ROLE));
        json_key_c(w, "content");
        json_write_string(w, db_rows_text(rows, chosen[i], MESSAGE_HISTORY_CONTENT));
        json_end_object(w);
    }
    json_end_array(w);
}

/* The text of a buffer in the arena. */
static struct str take_text(struct arena *a, struct buf *b)
{
    struct str text = arena_copy(a, buf_str(b));
    buf_clear(b);
    return text;
}

static void write_continued(struct json_writer *w, const struct db_rows *rows)
{
    json_key_c(w, "continue");
    json_begin_object(w);
    json_key_c(w, "question");
    json_write_string(w, db_rows_text(rows, 0, MESSAGE_CONTINUED_QUESTION));
    json_key_c(w, "content");
    json_write_string(w, db_rows_text(rows, 0, MESSAGE_CONTINUED_CONTENT));
    json_end_object(w);
}

struct str chat_question_json(struct arena *a, const struct chat_question *q,
                              const struct db_rows *history, const struct db_rows *continued)
{
    struct buf body;
    struct json_writer w = json_writer_to(&body);
    buf_init(&body, 0);
    json_begin_object(&w);
    json_key_c(&w, "message");
    json_write_string(&w, q->text);
    json_key_c(&w, "history");
    write_history(&w, a, q, history);
    if (db_rows_count(continued) > 0)
        write_continued(&w, continued);
    json_key_c(&w, "user");
    json_begin_object(&w);
    json_key_c(&w, "name");
    json_write_string(&w, q->user_name);
    json_key_c(&w, "role");
    json_write_string(&w, str_of_c(role_name(q->role)));
    json_end_object(&w);
    json_key_c(&w, "now_us");
    json_write_i64(&w, q->now_us);
    json_key_c(&w, "graphql");
    json_begin_object(&w);
    json_key_c(&w, "url");
    json_write_string(&w, str_of_c(q->url));
    json_key_c(&w, "token");
    json_write_string(&w, q->capability);
    json_end_object(&w);
    json_end_object(&w);
    return take_text(a, &body);
}

/* ── the answer ── */

static bool is_citation(const struct json_value *v)
{
    const struct json_value *label = json_get_c(v, "label"), *query = json_get_c(v, "query");
    return label != NULL && label->type == JSON_STRING && query != NULL &&
           query->type == JSON_STRING;
}

static void write_citation(struct json_writer *w, const struct json_value *v, bool with_data)
{
    static const char *const keys[] = { "label", "query", "variables", "data" };
    size_t count = with_data ? countof(keys) : countof(keys) - 1;
    json_begin_object(w);
    for (size_t i = 0; i < count; i++) {
        const struct json_value *member = json_get(v, str_of_c(keys[i]));
        json_key(w, str_of_c(keys[i]));
        if (member != NULL)
            json_write_value(w, member);
        else
            json_write_null(w);
    }
    json_end_object(w);
}

static bool write_citations(struct buf *out, const struct json_value *list, bool with_data)
{
    struct json_writer w = json_writer_to(out);
    buf_init(out, CHAT_CITATIONS_BYTES_MAX);
    json_begin_array(&w);
    for (size_t i = 0; i < list->item_count && i < CHAT_CITATIONS_MAX; i++)
        write_citation(&w, &list->items[i], with_data);
    json_end_array(&w);
    return !out->failed;
}

/* Without their data where they would be too long with it. */
static bool read_citations(struct arena *a, const struct json_value *list, struct str *ret_json)
{
    struct buf out;
    if (list == NULL || list->type == JSON_NULL) {
        *ret_json = STR("[]");
        return true;
    }
    if (list->type != JSON_ARRAY)
        return false;
    for (size_t i = 0; i < list->item_count; i++)
        if (!is_citation(&list->items[i]))
            return false;
    bool is_good = write_citations(&out, list, true);
    if (!is_good) {
        buf_clear(&out);
        is_good = write_citations(&out, list, false);
    }
    if (is_good)
        *ret_json = take_text(a, &out);
    else
        buf_clear(&out);
    return is_good;
}

static bool is_text(const struct json_value *v, size_t chars_max)
{
    return v != NULL && v->type == JSON_STRING && !str_is_empty(str_trim(v->text)) &&
           check_chars(v->text) <= chars_max;
}

static const int64_t *read_count(struct arena *a, const struct json_value *v)
{
    int64_t *count = arena_new(a, int64_t);
    bool is_count = v != NULL && v->type == JSON_NUMBER && json_to_i64(v, count) && *count >= 0 &&
                    *count <= INT32_MAX;
    return is_count ? count : NULL;
}

bool chat_answer_read(struct arena *a, const struct json_value *done,
                      struct message_answer *ret_answer, struct err *e)
{
    const struct json_value *content = json_get_c(done, "content");
    const struct json_value *model = json_get_c(done, "model");
    struct str citations;
    if (!is_text(content, CHAT_ANSWER_CHARS_MAX) || !is_text(model, CHAT_MODEL_CHARS_MAX) ||
        !read_citations(a, json_get_c(done, "citations"), &citations))
        return err_set_from(e, ERR_ORIGIN_AI, ERR_UNAVAILABLE,
                            "the ai service gave an answer that is none");
    ret_answer->content = content->text;
    ret_answer->model = model->text;
    ret_answer->citations_json = citations;
    ret_answer->is_degraded = json_get_flag(done, STR("is_degraded"));
    ret_answer->prompt_tokens = read_count(a, json_get_c(done, "prompt_tokens"));
    ret_answer->completion_tokens = read_count(a, json_get_c(done, "completion_tokens"));
    return true;
}

/* ── what is said when there is none ── */

#define SORRY                                                                                      \
    "I cannot answer this now: the assistant is out of reach. Your message is kept; please send "  \
    "it again in a while."
#define OVERVIEW_QUERY                                                                             \
    "{ dashboardStats { tasks { pending inProgress completed failed } jobs { active paused "       \
    "failed } } }"

static struct str overview_citation(struct arena *a, const int64_t *n)
{
    struct buf out;
    struct json_writer w = json_writer_to(&out);
    buf_init(&out, 0);
    json_begin_array(&w);
    json_begin_object(&w);
    json_key_c(&w, "label");
    json_write_string(&w, STR("tasks and jobs by status"));
    json_key_c(&w, "query");
    json_write_string(&w, STR(OVERVIEW_QUERY));
    json_key_c(&w, "variables");
    json_write_null(&w);
    json_key_c(&w, "data");
    json_write_raw(&w,
                   arena_printf(a,
                                "{\"dashboardStats\":{\"tasks\":{\"pending\":%lld,"
                                "\"inProgress\":%lld,\"completed\":%lld,\"failed\":%lld},"
                                "\"jobs\":{\"active\":%lld,\"paused\":%lld,\"failed\":%lld}}}",
                                (long long)n[FACTS_PENDING], (long long)n[FACTS_IN_PROGRESS],
                                (long long)n[FACTS_COMPLETED], (long long)n[FACTS_FAILED],
                                (long long)n[FACTS_JOBS_ACTIVE], (long long)n[FACTS_JOBS_PAUSED],
                                (long long)n[FACTS_JOBS_FAILED]));
    json_end_object(&w);
    json_end_array(&w);
    return take_text(a, &out);
}

void chat_answer_stand_in(struct arena *a, const struct db_rows *overview,
                          struct message_answer *ret_answer)
{
    int64_t n[FACTS_JOBS_FAILED + 1];
    ret_answer->model = STR(CHAT_MODEL_NONE);
    ret_answer->is_degraded = true;
    ret_answer->content = STR(SORRY);
    ret_answer->citations_json = STR("[]");
    if (overview == NULL)
        return;
    for (size_t i = 0; i < countof(n); i++)
        n[i] = db_rows_i64(overview, 0, i);
    ret_answer->content = arena_printf(
        a,
        SORRY " What I can see without it: tasks: %lld pending, %lld in progress, %lld completed, "
              "%lld failed; jobs: %lld active, %lld paused, %lld failed.",
        (long long)n[FACTS_PENDING], (long long)n[FACTS_IN_PROGRESS], (long long)n[FACTS_COMPLETED],
        (long long)n[FACTS_FAILED], (long long)n[FACTS_JOBS_ACTIVE],
        (long long)n[FACTS_JOBS_PAUSED], (long long)n[FACTS_JOBS_FAILED]);
    ret_answer->citations_json = overview_citation(a, n);
}
