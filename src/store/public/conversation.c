#include "store/public/conversation.h"

#include "store/public/conversation_sql.h"

struct db_step conversation_list_step(struct arena *a, struct uuid user_id,
                                      const struct str *search)
{
    return (struct db_step){ &conversation_list,
                             conversation_list_args(a, user_id, search, CONVERSATION_LIST_MAX) };
}

struct db_step conversation_rename_step(struct arena *a, struct uuid id, struct uuid user_id,
                                        struct str title)
{
    return (struct db_step){ &conversation_rename,
                             conversation_rename_args(a, id, user_id, title) };
}

struct db_step conversation_delete_step(struct arena *a, struct uuid id, struct uuid user_id)
{
    return (struct db_step){ &conversation_delete, conversation_delete_args(a, id, user_id) };
}

struct db_step conversation_restore_step(struct arena *a, struct uuid id, struct uuid user_id)
{
    return (struct db_step){ &conversation_restore,
                             conversation_restore_args(a, id, user_id, CONVERSATION_KEPT_S) };
}

struct db_step conversation_purge_step(struct arena *a)
{
    return (struct db_step){ &conversation_purge, conversation_purge_args(a, CONVERSATION_KEPT_S,
                                                                          CONVERSATION_PURGE_MAX) };
}
