#include "gateway/audited.h"

#include "base/clock.h"
#include "base/log.h"
#include "json/members.h"
#include "store/public/audit.h"

struct audited {
    struct audit_record record;
    bool is_kept;
    struct err why; /* NONE: all was done */
};

static struct audit_record record_of(const struct gql_step *step, const struct audited_act *act)
{
    const struct actor *actor = &await_request(step)->credential->owner;
    return (struct audit_record){ .id = act->id,
                                  .at_us = clock_wall_us(),
                                  .user_id = actor->user_id,
                                  .label = actor->label,
                                  .action = str_of_c(act->action),
                                  .subject = act->subject,
                                  .detail = act->detail };
}

struct audited_act audited_begin(const char *action, struct str subject, struct str detail)
{
    return (struct audited_act){ uuid_v7(), action, subject, detail, false };
}

enum gql_next audited_open(struct gql_step *step, const struct audited_act *act, size_t shards,
                           await_db_fn *fn)
{
    const struct audit_record record = record_of(step, act);
    const struct db_step begin = audit_begin_step(step->arena, &record, (int16_t)shards);
    return await_db(step, DB_LANE_WRITE, &begin, 1, fn);
}

/* Where it stays, it will be an entry that says that nothing is known. */
static void dropped(struct gql_step *step, const struct db_reply *reply)
{
    const struct err *why = step->host;
    if (reply->err != NULL)
        log_warn("audit.not-dropped", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    (void)gql_step_fail(step, why);
}

enum gql_next audited_drop(struct gql_step *step, const struct audited_act *act,
                           const struct err *why)
{
    struct err *kept = arena_new(step->arena, struct err);
    const struct db_step end = audit_end_step(step->arena, act->id);
    *kept = *why;
    step->host = kept;
    return await_db_told(step, DB_LANE_WRITE, &end, 1, dropped);
}

void audited_put_record(struct json_writer *w, const struct gql_step *step,
                        const struct audited_act *act, const struct audited_call *call)
{
    const struct actor *actor = &await_request(step)->credential->owner;
    json_key_c(w, "record");
    json_begin_object(w);
    json_put_id(w, "id", act->id);
    json_put_text(w, "actor", actor->label);
    json_put_id(w, "user", actor->user_id);
    json_put_text(w, "action", str_of_c(act->action));
    json_put_text(w, "subject", act->subject);
    if (act->detail.ptr != NULL) {
        json_key_c(w, "detail");
        json_write_raw(w, act->detail);
    }
    if (call->is_counted) {
        json_put_i64(w, "done", call->done);
        json_put_i64(w, "refused", call->refused);
    }
    json_key_c(w, "is_last");
    json_write_bool(w, call->is_last);
    json_end_object(w);
}

static void note_unwritten(const struct audited *audited, const struct err *why)
{
    const struct audit_record *record = &audited->record;
    log_at(
        audited->is_kept ? LOG_WARN : LOG_ERROR, audited->is_kept ? "audit.later" : "audit.missing",
        "action=%.*s subject=%s actor=%s error=%s", STR_FMT(record->action),
        log_quote(record->subject), log_quote(record->label), log_quote(str_of_c(err_text(why))));
}

static void written(struct gql_step *step, const struct db_reply *reply)
{
    const struct audited *audited = step->host;
    struct err e = audited->why;
    if (reply->err != NULL)
        note_unwritten(audited, reply->err);
    if (reply->err != NULL && !audited->is_kept && e.code == ERR_NONE)
        (void)err_set_from(&e, reply->err->origin, reply->err->code,
                           "it was done, but could not be written in the audit log: %.100s",
                           reply->err->message);
    if (e.code == ERR_NONE)
        gql_step_finish(step);
    else
        (void)gql_step_fail(step, &e);
}

/* `first` is what becomes of the act; the step fails as `why` says, NULL: it is done. */
static enum gql_next write_down(struct gql_step *step, const struct audited_act *act,
                                struct audited *audited, struct db_step first,
                                const struct err *why)
{
    audited->is_kept = act->is_kept;
    if (why != NULL)
        audited->why = *why;
    step->host = audited;
    const struct db_step steps[] = { first, audit_record_step(step->arena, &audited->record, 1),
                                     audit_finish_step(step->arena, &audited->record, 1) };
    return await_db_told(step, DB_LANE_WRITE, steps, countof(steps), written);
}

static struct audited *audited_of(const struct gql_step *step, const struct audited_act *act)
{
    struct audited *audited = arena_new(step->arena, struct audited);
    audited->record = record_of(step, act);
    return audited;
}

static enum gql_next write_end(struct gql_step *step, const struct audited_act *act,
                               const struct err *why)
{
    return write_down(step, act, audited_of(step, act), audit_end_step(step->arena, act->id), why);
}

void audited_finish(struct gql_step *step, const struct audited_act *act)
{
    (void)write_end(step, act, NULL);
}

enum gql_next audited_fail(struct gql_step *step, const struct audited_act *act,
                           const struct err *why)
{
    return write_end(step, act, why);
}

enum gql_next audited_leave(struct gql_step *step, const struct audited_act *act, int64_t shards,
                            const struct err *why)
{
    struct audited *audited = audited_of(step, act);
    const struct db_step told = audit_told_step(step->arena, &audited->record, 1, shards);
    return write_down(step, act, audited, told, why);
}
