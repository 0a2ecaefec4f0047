#include "gateway/conversations.h"

#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/users.h"
#include "store/public/conversation.h"

enum { TITLE_CHARS = 60 }; /* of one made of a message */

/* ── titles ── */

struct str conversations_title(struct arena *a, struct str message)
{
    char *text = arena_cstr(a, str_trim(message));
    size_t len = 0, chars = 0, last_space = 0;
    size_t whole = strlen(text);
    for (; len < whole && chars <= TITLE_CHARS; len++) {
        if ((uint8_t)text[len] <= ' ' || text[len] == 0x7f)
            text[len] = ' ';
        if (text[len] == ' ')
            last_space = len;
        chars += ((uint8_t)text[len] & 0xc0) != 0x80;
    }
    if (chars <= TITLE_CHARS)
        return str_of(text, len);
    /* `len` is behind the first byte of one character too many. */
    return arena_printf(a, "%.*s…", (int)(last_space > 0 ? last_space : len - 1), text);
}

/* ── Conversation ── */

struct conversation_row {
    const struct db_rows *rows;
    size_t row;
};

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct conversation_row *c = parent;
    (void)ctx;
    *ret_value = gql_text(db_rows_text(c->rows, c->row, (size_t)binding_number(f)));
}

static void get_count(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct conversation_row *c = parent;
    (void)ctx;
    *ret_value = gql_int(db_rows_i64(c->rows, c->row, (size_t)binding_number(f)));
}

static void get_time(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct conversation_row *c = parent;
    const struct request *r = ctx;
    *ret_value = binding_time(r->arena, db_rows_time(c->rows, c->row, (size_t)binding_number(f)));
}

/* ── conversations ── */

static void got_list(struct gql_step *step, const struct db_reply *reply)
{
    struct db_rows *rows = reply->rows[0];
    size_t count = db_rows_count(rows);
    void **objects = arena_new_array(step->arena, count, void *);
    struct conversation_row *list = arena_new_array(step->arena, count, struct conversation_row);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct conversation_row){ rows, i };
        objects[i] = &list[i];
    }
    step->results[0] = gql_objects(objects, count);
    gql_step_finish(step);
}

static enum gql_next resolve_conversations(struct gql_step *step)
{
    const struct gql_value *search = gql_arg(step, "search");
    struct str text = gql_is_null(search) ? STR("") : str_trim(search->text);
    struct uuid user_id;
    struct err e;
    if (!users_read_id("userId", gql_arg(step, "userId"), &user_id, &e))
        return gql_step_fail(step, &e);
    if (!check_search("search", text, &e))
        return gql_step_fail(step, &e);
    bool is_scan = !str_is_empty(text);
    struct db_step list = conversation_list_step(step->arena, user_id, is_scan ? &text : NULL);
    return is_scan ? await_search(step, &list, "search", got_list)
                   : await_db(step, DB_LANE_READ, &list, 1, got_list);
}

/* ── renameConversation, deleteConversation, restoreConversation ── */

struct change {
    const char *not_found;
    bool is_deletion;
};

static void got_changed(struct gql_step *step, const struct db_reply *reply)
{
    const struct change *change = step->host;
    struct db_rows *rows = reply->rows[0];
    struct err e;
    if (db_rows_count(rows) == 0) {
        err_set(&e, ERR_NOT_FOUND, "id: %s", change->not_found);
        (void)gql_step_fail(step, &e);
        return;
    }
    struct conversation_row *changed = arena_new(step->arena, struct conversation_row);
    db_rows_keep(rows, step->arena);
    changed->rows = rows;
    step->results[0] = change->is_deletion ? gql_bool(true) : gql_object(changed);
    gql_step_finish(step);
}

static enum gql_next begin_change(struct gql_step *step, struct db_step statement,
                                  struct change change)
{
    struct change *kept = arena_new(step->arena, struct change);
    *kept = change;
    step->host = kept;
    return await_db(step, DB_LANE_WRITE, &statement, 1, got_changed);
}

static const char no_such[] = "you have no such conversation";
static const char no_deleted[] = "you have deleted no such conversation within the last day";

static struct uuid caller(const struct gql_step *step)
{
    return await_request(step)->credential->owner.user_id;
}

static enum gql_next resolve_rename(struct gql_step *step)
{
    struct uuid id;
    struct str title;
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &id, &e) ||
        !check_name("title", gql_arg(step, "title")->text, &title, &e))
        return gql_step_fail(step, &e);
    return begin_change(step, conversation_rename_step(step->arena, id, caller(step), title),
                        (struct change){ .not_found = no_such });
}

static enum gql_next resolve_delete(struct gql_step *step)
{
    struct uuid id;
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &id, &e))
        return gql_step_fail(step, &e);
    return begin_change(step, conversation_delete_step(step->arena, id, caller(step)),
                        (struct change){ .not_found = no_such, .is_deletion = true });
}

static enum gql_next resolve_restore(struct gql_step *step)
{
    struct uuid id;
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &id, &e))
        return gql_step_fail(step, &e);
    return begin_change(step, conversation_restore_step(step->arena, id, caller(step)),
                        (struct change){ .not_found = no_deleted });
}

static_assert((int)CONVERSATION_TITLE_CHARS_MAX == (int)CHECK_NAME_CHARS_MAX,
              "a title is checked as a name");

const struct gateway_binding bindings_conversations[] = {
    { "Query.conversations", { .resolve = resolve_conversations } },
    { "Mutation.renameConversation", { .resolve = resolve_rename } },
    { "Mutation.deleteConversation", { .resolve = resolve_delete } },
    { "Mutation.restoreConversation", { .resolve = resolve_restore } },
    { "Conversation.id", { .get = get_text, .data = BINDING_NUMBER(CONVERSATION_ID) } },
    { "Conversation.title", { .get = get_text, .data = BINDING_NUMBER(CONVERSATION_TITLE) } },
    { "Conversation.messageCount",
      { .get = get_count, .data = BINDING_NUMBER(CONVERSATION_MESSAGE_COUNT) } },
    { "Conversation.lastMessageAt",
      { .get = get_time, .data = BINDING_NUMBER(CONVERSATION_LAST_MESSAGE_AT) } },
    { "Conversation.createdAt",
      { .get = get_time, .data = BINDING_NUMBER(CONVERSATION_CREATED_AT) } },
    { 0 },
};
