#include "store/public/audit.h"

#include "store/public/audit_sql.h"

struct db_step audit_add_step(struct arena *a, const struct audit_entry *entry)
{
    const struct str *detail = entry->detail.ptr != NULL ? &entry->detail : NULL;
    return (struct db_step){ &audit_add,
                             audit_add_args(a, uuid_v7(), entry->actor.user_id, entry->actor.label,
                                            entry->action, entry->subject, detail) };
}
