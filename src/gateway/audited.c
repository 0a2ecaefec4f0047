#include "gateway/audited.h"

#include "base/log.h"
#include "store/public/audit.h"

struct audited {
    struct audit_entry entry;
    struct err why; /* NONE: all was done */
};

static void written(struct gql_step *step, const struct db_reply *reply)
{
    const struct audited *audited = step->host;
    const struct audit_entry *entry = &audited->entry;
    struct err e = audited->why;
    if (reply->err != NULL) {
        log_error("audit.missing", "action=%.*s subject=%s actor=%s error=%s",
                  STR_FMT(entry->action), log_quote(entry->subject), log_quote(entry->actor.label),
                  log_quote(str_of_c(err_text(reply->err))));
    }
    if (reply->err != NULL && e.code == ERR_NONE)
        (void)err_set_from(&e, reply->err->origin, reply->err->code,
                           "it was done, but could not be written to the audit log: %.100s",
                           reply->err->message);
    if (e.code == ERR_NONE)
        gql_step_finish(step);
    else
        (void)gql_step_fail(step, &e);
}

static enum gql_next write_down(struct gql_step *step, const char *action, struct str subject,
                                struct str detail, const struct err *why)
{
    struct audited *audited = arena_new(step->arena, struct audited);
    *audited = (struct audited){ .entry = { .actor = await_request(step)->credential->owner,
                                            .action = str_of_c(action),
                                            .subject = subject,
                                            .detail = detail } };
    if (why != NULL)
        audited->why = *why;
    step->host = audited;
    struct db_step add = audit_add_step(step->arena, &audited->entry);
    return await_db_any(step, DB_LANE_WRITE, &add, 1, written);
}

void audited_finish(struct gql_step *step, const char *action, struct str subject,
                    struct str detail)
{
    (void)write_down(step, action, subject, detail, NULL);
}

enum gql_next audited_fail(struct gql_step *step, const char *action, struct str subject,
                           struct str detail, const struct err *why)
{
    return write_down(step, action, subject, detail, why);
}
