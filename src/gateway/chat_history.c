#include "gateway/chat_history.h"

#include "gateway/access.h"
#include "gateway/bindings.h"
#include "gateway/page.h"
#include "gateway/users.h"
#include "json/json.h"
#include "store/public/message.h"

/* ── ChatMessage ── */

struct chat_message *chat_history_object(struct arena *a, struct db_rows *rows)
{
    struct chat_message *message = arena_new(a, struct chat_message);
    assert(db_rows_count(rows) > 0);
    db_rows_keep(rows, a);
    message->rows = rows;
    return message;
}

/* Nullable text, uuid and number columns alike: their text. */
static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct chat_message *m = parent;
    size_t column = (size_t)binding_number(f);
    (void)ctx;
    if (!db_rows_is_null(m->rows, m->row, column))
        *ret_value = gql_text(db_rows_text(m->rows, m->row, column));
}

static void get_count(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct chat_message *m = parent;
    size_t column = (size_t)binding_number(f);
    (void)ctx;
    if (!db_rows_is_null(m->rows, m->row, column))
        *ret_value = gql_int(db_rows_i64(m->rows, m->row, column));
}

static struct gql_value label_of(const struct chat_message *m, enum message_column column,
                                 enum schema_public_enum labels)
{
    const struct schema_enum *enumeration = &schema_public.enums[labels];
    int label = schema_label_of(enumeration, db_rows_text(m->rows, m->row, column));
    assert(label >= 0);
    return gql_enum(enumeration->labels[label].name);
}

static void get_role(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = label_of(parent, MESSAGE_ROLE, ENUM_chat_role);
}

static void get_state(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = label_of(parent, MESSAGE_STATE, ENUM_chat_message_state);
}

static void get_timestamp(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct chat_message *m = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time_cell(r->arena, db_rows_text(m->rows, m->row, MESSAGE_TIMESTAMP));
}

/* ── Citation ── */

static void get_citations(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct chat_message *m = parent;
    const struct request *r = ctx;
    const struct json_value *list;
    struct err e;
    (void)f;
    *ret_value = gql_objects(NULL, 0);
    if (!json_parse(r->arena, db_rows_text(m->rows, m->row, MESSAGE_CITATIONS), &list, &e) ||
        list->type != JSON_ARRAY)
        return; /* not of our making */
    void **objects = arena_new_array(r->arena, list->item_count, void *);
    for (size_t i = 0; i < list->item_count; i++)
        objects[i] = (void *)(uintptr_t)&list->items[i];
    *ret_value = gql_objects(objects, list->item_count);
}

static void get_member_text(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct json_value *text = json_get(parent, f->name);
    (void)ctx;
    *ret_value = gql_text(text != NULL && text->type == JSON_STRING ? text->text : STR(""));
}

static void get_member(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct request *r = ctx;
    *ret_value = binding_json(r->arena, json_get(parent, f->name));
}

/* ── ChatMessage.user ── */

static enum gql_next resolve_user(struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++) {
        const struct chat_message *m = step->parents[i];
        if (!db_rows_is_null(m->rows, m->row, MESSAGE_USER_ID))
            ids[i] = db_rows_uuid(m->rows, m->row, MESSAGE_USER_ID);
    }
    return users_resolve_each(step, ids);
}

/* ── pages: one statement for the lists of all parents ── */

struct history_plan {
    bool wants_content, wants_citations, wants_more; /* as in message_pages */
    bool wants_total, wants_page_info;
};

/* The columns that a field of ChatMessage reads. */
static void want(struct history_plan *plan, struct str field)
{
    static const char *const always[] = { "__typename", "id", "role", "timestamp" };
    for (size_t i = 0; i < countof(always); i++)
        if (str_eq_c(field, always[i]))
            return;
    if (str_eq_c(field, "content"))
        plan->wants_content = true;
    else if (str_eq_c(field, "citations"))
        plan->wants_citations = true;
    else
        plan->wants_more = true;
}

/* Does so with all fields that a path of fields leads to; aliases may make several of each. */
static void want_below(struct history_plan *plan, const struct gql_field *f,
                       const char *const *path)
{
    for (uint32_t s = 0; f->selection != NULL && s < f->selection->count; s++)
        for (uint32_t i = 0; i < f->selection->sets[s]->count; i++) {
            const struct gql_field *child = f->selection->sets[s]->fields[i];
            if (*path == NULL)
                want(plan, child->name);
            else if (str_eq_c(child->name, *path))
                want_below(plan, child, path + 1);
        }
}

static void *prepare_history(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const nodes[] = { "nodes", NULL }, *const edges[] = { "edges", "node",
                                                                             NULL };
    struct history_plan *plan = arena_new(plan_arena, struct history_plan);
    want_below(plan, f, nodes);
    want_below(plan, f, edges);
    plan->wants_total = gql_child(f, "totalCount") != NULL;
    plan->wants_page_info = gql_child(f, "pageInfo") != NULL;
    return plan;
}

/* A ChatMessageConnection. */
struct history_list {
    struct page_view view;
    struct chat_message *messages;
    void **objects;
    int64_t total;
};

struct history {
    struct page page;
    struct message_pages pages;
    struct history_list *lists; /* one a parent */
};

static struct cursor_row place_of(const struct chat_message *m)
{
    return (struct cursor_row){ .id = db_rows_uuid(m->rows, m->row, MESSAGE_ID) };
}

/* The rows `from` to `to` are those of one list, perhaps one too many where there are more. */
static void read_list(const struct gql_step *step, const struct db_rows *rows, size_t from,
                      size_t to, struct history_list *list)
{
    const struct history *history = step->host;
    size_t count = page_view_init(&list->view, &history->page, to - from);
    list->messages = arena_new_array(step->arena, count, struct chat_message);
    list->objects = arena_new_array(step->arena, count, void *);
    for (size_t i = 0; i < count; i++) {
        list->messages[i] =
            (struct chat_message){ rows, from + page_view_row(&list->view, i), &list->view };
        list->objects[i] = &list->messages[i];
    }
    if (count > 0) {
        list->view.first = place_of(&list->messages[0]);
        list->view.last = place_of(&list->messages[count - 1]);
    }
}

static void finish_lists(struct gql_step *step)
{
    const struct history *history = step->host;
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_object(&history->lists[i]);
    gql_step_finish(step);
}

static void got_totals(struct gql_step *step, const struct db_reply *reply)
{
    const struct history *history = step->host;
    for (size_t i = 0; i < step->count; i++)
        history->lists[i].total = db_rows_i64(reply->rows[0], i, 0);
    finish_lists(step);
}

static void got_pages(struct gql_step *step, const struct db_reply *reply)
{
    const struct history_plan *plan = step->field->plan_data;
    const struct history *history = step->host;
    struct db_rows *rows = reply->rows[0];
    size_t row = 0, row_count = db_rows_count(rows);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < step->count; i++) {
        size_t from = row;
        while (row < row_count && db_rows_i64(rows, row, MESSAGE_LIST) == (int64_t)i + 1)
            row++;
        read_list(step, rows, from, row, &history->lists[i]);
    }
    if (!plan->wants_total) {
        finish_lists(step);
        return;
    }
    struct db_step counts = message_counts_step(step->arena, &history->pages);
    (void)await_db(step, DB_LANE_READ, &counts, 1, got_totals);
}

/* A user's or a conversation's history is a list of its own; the lists of many users below their
 * parents are pages of one. */
static uint32_t filter_of(const struct message_pages *pages)
{
    uint32_t filter = cursor_mix(0, uuid_bytes(pages->user_ids));
    if (pages->conversation_id != NULL)
        filter = cursor_mix(filter, uuid_bytes(pages->conversation_id));
    return filter;
}

/* In cursors; never used again. */
enum history_order { HISTORY_OLDEST_FIRST, HISTORY_NEWEST_FIRST };

static const struct uuid *id_of(const struct cursor_row *row)
{
    return row != NULL ? &row->id : NULL;
}

/* `pages` says whose; here is added which part of it. */
static enum gql_next begin_history(struct gql_step *step, struct message_pages pages,
                                   enum history_order order)
{
    bool is_newest_first = order == HISTORY_NEWEST_FIRST;
    const struct cursor_scope scope = { .list = CURSOR_CHAT_MESSAGES,
                                        .order = (uint8_t)order,
                                        .filter = is_newest_first ? 0 : filter_of(&pages) };
    const struct history_plan *plan = step->field->plan_data;
    struct history *history = arena_new(step->arena, struct history);
    const struct page *page = &history->page;
    struct err e;
    step->host = history;
    if (!page_read(step, &scope, &history->page, &e))
        return gql_step_fail(step, &e);
    pages.after = id_of(is_newest_first ? page->before : page->after);
    pages.before = id_of(is_newest_first ? page->after : page->before);
    pages.is_descending = is_newest_first != page->is_backward;
    pages.limit = page->size + plan->wants_page_info; /* one more tells whether there are more */
    pages.with_content = plan->wants_content;
    pages.with_citations = plan->wants_citations;
    pages.with_more = plan->wants_more;
    history->pages = pages;
    history->lists = arena_new_array(step->arena, step->count, struct history_list);
    struct db_step read = message_pages_step(step->arena, &history->pages);
    return await_db(step, DB_LANE_READ, &read, 1, got_pages);
}

static enum gql_next resolve_history(struct gql_step *step)
{
    const struct gql_value *conversation = gql_arg(step, "conversationId");
    struct uuid *user_id = arena_new(step->arena, struct uuid);
    struct uuid *conversation_id = arena_new(step->arena, struct uuid);
    struct err e;
    if (!users_read_id("userId", gql_arg(step, "userId"), user_id, &e) ||
        (!gql_is_null(conversation) &&
         !users_read_id("conversationId", conversation, conversation_id, &e)))
        return gql_step_fail(step, &e);
    struct message_pages pages = {
        .user_ids = user_id,
        .user_count = 1,
        .conversation_id = gql_is_null(conversation) ? NULL : conversation_id,
        .with_orphans = access_has_role(await_request(step)->credential, ROLE_ADMIN),
    };
    return begin_history(step, pages, HISTORY_OLDEST_FIRST);
}

static enum gql_next resolve_messages_of_users(struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++)
        ids[i] = users_object_id(step->parents[i]);
    return begin_history(step, (struct message_pages){ .user_ids = ids, .user_count = step->count },
                         HISTORY_NEWEST_FIRST);
}

static void get_nodes(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct history_list *list = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(list->objects, list->view.count);
}

static void get_info(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    struct history_list *list = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(&list->view);
}

static void get_total(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct history_list *list = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(list->total);
}

static void get_cursor(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct chat_message *m = parent;
    (void)f;
    *ret_value = page_view_cursor(m->view, ctx, place_of(m));
}

static void get_self(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

const struct gateway_binding bindings_chat_history[] = {
    { "Query.chatHistory", { .resolve = resolve_history, .prepare = prepare_history } },
    { "User.chatMessages", { .resolve = resolve_messages_of_users, .prepare = prepare_history } },
    { "ChatMessage.id", { .get = get_text, .data = BINDING_NUMBER(MESSAGE_ID) } },
    { "ChatMessage.conversationId",
      { .get = get_text, .data = BINDING_NUMBER(MESSAGE_CONVERSATION_ID) } },
    { "ChatMessage.role", { .get = get_role } },
    { "ChatMessage.content", { .get = get_text, .data = BINDING_NUMBER(MESSAGE_CONTENT) } },
    { "ChatMessage.user", { .resolve = resolve_user, .prepare = users_prepare } },
    { "ChatMessage.timestamp", { .get = get_timestamp } },
    { "ChatMessage.state", { .get = get_state } },
    { "ChatMessage.insteadOf", { .get = get_text, .data = BINDING_NUMBER(MESSAGE_INSTEAD_OF) } },
    { "ChatMessage.model", { .get = get_text, .data = BINDING_NUMBER(MESSAGE_MODEL) } },
    { "ChatMessage.citations", { .get = get_citations } },
    { "ChatMessage.promptTokens",
      { .get = get_count, .data = BINDING_NUMBER(MESSAGE_PROMPT_TOKENS) } },
    { "ChatMessage.completionTokens",
      { .get = get_count, .data = BINDING_NUMBER(MESSAGE_COMPLETION_TOKENS) } },
    { "Citation.label", { .get = get_member_text } },
    { "Citation.query", { .get = get_member_text } },
    { "Citation.variables", { .get = get_member } },
    { "Citation.data", { .get = get_member } },
    { "ChatMessageConnection.nodes", { .get = get_nodes } },
    { "ChatMessageConnection.edges", { .get = get_nodes } },
    { "ChatMessageConnection.pageInfo", { .get = get_info } },
    { "ChatMessageConnection.totalCount", { .get = get_total } },
    { "ChatMessageEdge.cursor", { .get = get_cursor } },
    { "ChatMessageEdge.node", { .get = get_self } },
    { 0 },
};
