#include "gateway/audited.h"

#include "base/log.h"
#include "store/public/audit.h"

static void written(struct gql_step *step, const struct db_reply *reply)
{
    const struct audit_entry *entry = step->host;
    struct err e;
    if (reply->err == NULL) {
        gql_step_finish(step);
        return;
    }
    log_error("audit.missing", "action=%.*s subject=%s actor=%s error=%s", STR_FMT(entry->action),
              log_quote(entry->subject), log_quote(entry->actor.label),
              log_quote(str_of_c(err_text(reply->err))));
    (void)err_set_from(&e, reply->err->origin, reply->err->code,
                       "it was done, but could not be written to the audit log: %.100s",
                       reply->err->message);
    (void)gql_step_fail(step, &e);
}

void audited_finish(struct gql_step *step, const char *action, struct str subject,
                    struct str detail)
{
    struct audit_entry *entry = arena_new(step->arena, struct audit_entry);
    *entry = (struct audit_entry){ .actor = await_request(step)->credential->owner,
                                   .action = str_of_c(action),
                                   .subject = subject,
                                   .detail = detail };
    step->host = entry;
    struct db_step add = audit_add_step(step->arena, entry);
    (void)await_db_any(step, DB_LANE_WRITE, &add, 1, written);
}
